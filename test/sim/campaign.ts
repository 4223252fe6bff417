import { FAULT_KINDS } from './scenario.ts';
import { scenarioOf } from './scenario-of-seed.ts';
import { Simulation, type RunResult } from './simulation.ts';

/** A seed whose run went wrong, and how. */
export interface Failure {
  readonly seed: number;
  readonly wrong: readonly string[];
}

/** What many runs did together. */
export class Totals {
  seeds = 0;
  virtualMs = 0;
  readonly counts: Map<string, number> = new Map();
  readonly faults: Map<string, number> = new Map(FAULT_KINDS.map((kind) => [kind, 0]));
  readonly errors: Map<string, number> = new Map();
  readonly failures: Failure[] = [];

  add(
    seed: number,
    {
      wrong,
      virtualMs,
      counts,
      faults,
      errors,
    }: Pick<RunResult, 'wrong' | 'virtualMs' | 'counts' | 'faults' | 'errors'>,
  ): void {
    this.seeds++;
    this.virtualMs += virtualMs;
    addTo(this.counts, Object.entries(counts));
    addTo(this.faults, Object.entries(faults));
    addTo(this.errors, errors);
    if (wrong.length > 0) this.failures.push({ seed, wrong });
  }

  /** What never happened in all the runs: a check of that has shown nothing. */
  missing(): string[] {
    return [...this.counts, ...this.faults].filter(([, count]) => count === 0).map(([name]) => name);
  }

  lines(): string[] {
    const row = (map: ReadonlyMap<string, number>): string =>
      [...map].map(([name, count]) => `${name} ${count}`).join(', ');
    return [
      `${this.seeds} seeds, ${(this.virtualMs / 3_600_000).toFixed(2)} simulated hours`,
      row(this.counts),
      `faults: ${row(this.faults)}`,
      `refusals: ${row(this.errors)}`,
    ];
  }
}

function addTo(totals: Map<string, number>, counts: Iterable<readonly [string, number]>): void {
  for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
}

/** Runs one seed. What breaks the run itself is wrong with it as well. */
export function runSeed(seed: number): RunResult | Failure {
  try {
    return new Simulation(scenarioOf(seed)).run();
  } catch (error) {
    return { seed, wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)] };
  }
}

/** Runs seeds one after the other. */
export function runSeeds(first: number, count: number): Totals {
  const totals = new Totals();
  for (let seed = first; seed < first + count; seed++) note(totals, seed, runSeed(seed));
  return totals;
}

export function note(totals: Totals, seed: number, result: RunResult | Failure): void {
  if ('counts' in result) totals.add(seed, result);
  else totals.failures.push(result);
}
