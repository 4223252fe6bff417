import { describe, expect, it } from 'vitest';
import { runs } from '../support/fast-check-runs.ts';
import { planOf, Simulation } from './simulation.ts';

const RUNS = runs(320);
const FIRST = Number(process.env['CAUSEWAY_FC_SEED'] ?? '1');
const DURATION_MS = 30_000;
/** Generous: a machine that is not busy takes a tenth of it. */
const LIMIT_MS = runs(240_000);

describe('groups in a world that fails', () => {
  it(`${RUNS} runs keep every invariant, and work again when it is over`, { timeout: LIMIT_MS }, () => {
    const total: Record<string, number> = {};
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
      const simulation = new Simulation(planOf(seed, DURATION_MS));
      try {
        simulation.run();
      } catch (error) {
        throw new Error(`${JSON.stringify(simulation.plan)}: ${String(error)}`, { cause: error });
      }
      for (const [name, count] of Object.entries(simulation.world.invariants.counts)) {
        total[name] = (total[name] ?? 0) + count;
      }
      total['steps'] = (total['steps'] ?? 0) + simulation.world.steps;
    }
    if (process.env['CAUSEWAY_SIMULATION_COUNTS'] === '1') process.stdout.write(`${JSON.stringify(total)}\n`);
    // It did something: each of these happened many times.
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(0);
  });
});
