import { DATA_COMMANDS } from './other-works.ts';
import { FAULT_KINDS } from './scenario.ts';
import { scenarioOf } from './scenario-of-seed.ts';
import { Simulation, type RunResult } from './simulation.ts';

/** What a few hundred seeds may miss. */
const RARE: ReadonlySet<string> = new Set(['truncations', 'rewinds']);

/** A seed whose run went wrong, and how. */
interface Failure {
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
  readonly commands: Set<string> = new Set();
  readonly failures: Failure[] = [];

  add(
    seed: number,
    {
      wrong,
      virtualMs,
      counts,
      faults,
      errors,
      commands,
    }: Pick<RunResult, 'wrong' | 'virtualMs' | 'counts' | 'faults' | 'errors' | 'commands'>,
  ): void {
    this.seeds++;
    this.virtualMs += virtualMs;
    addTo(this.counts, Object.entries(counts));
    addTo(this.faults, Object.entries(faults));
    addTo(this.errors, errors);
    for (const command of commands) this.commands.add(command);
    if (wrong.length > 0) this.failures.push({ seed, wrong });
  }

  /** What never happened in all the runs: a check of that has shown nothing. */
  missing(): string[] {
    const zero = [...this.counts, ...this.faults].filter(([name, count]) => count === 0 && !RARE.has(name));
    return [...zero.map(([name]) => name), ...DATA_COMMANDS.filter((name) => !this.commands.has(name))];
  }

  lines(): string[] {
    const row = (map: ReadonlyMap<string, number>): string =>
      [...map].map(([name, count]) => `${name} ${count}`).join(', ');
    return [
      `${this.seeds} seeds, ${(this.virtualMs / 3_600_000).toFixed(2)} simulated hours`,
      row(this.counts),
      `faults: ${row(this.faults)}`,
      `${this.commands.size} commands, ${DATA_COMMANDS.length} of them of data in the table`,
      `refusals: ${row(this.errors)}`,
    ];
  }
}

function addTo(totals: Map<string, number>, counts: Iterable<readonly [string, number]>): void {
  for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
}

/** What is wrong, without what is particular to a run: a scenario that was made smaller is to fail in the same way. */
export function kindOf(wrong: string): string {
  return wrong
    .replace(/^at -?\d+ ms: /, '')
    .replaceAll(/"[^"]*"|[a-z]+-[a-z]+-\d\/[a-z]|\d+/g, '')
    .slice(0, 30);
}

/** Runs seeds one after the other. */
export function runSeeds(first: number, count: number): Totals {
  const totals = new Totals();
  for (let seed = first; seed < first + count; seed++) totals.add(seed, new Simulation(scenarioOf(seed)).run());
  return totals;
}
