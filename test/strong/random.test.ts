import { describe, expect, test } from 'vitest';
import { ALL_FAULTS, StrongRun, type Faults } from '../support/strong-run.ts';

const NO_FAULTS: Faults = { cuts: false, kills: false, pauses: false, clocks: false, slowDisks: false };

describe('strong keys by chance', () => {
  test('in peace', () => {
    const run = new StrongRun({ seed: 1, faults: NO_FAULTS, ms: 10_000 }).run();
    expect(run.wrong).toEqual([]);
    expect([...run.histories.values()].flat().length).toBeGreaterThan(100);
  }, 120_000);

  const first = Number(process.env['STRONG_SEED'] ?? '100');
  const count = Number(process.env['STRONG_RUNS'] ?? '3');
  test.each(Array.from({ length: count }, (_, at) => first + at))(
    'with all faults, seed %i',
    (seed) => {
      expect(new StrongRun({ seed, faults: ALL_FAULTS }).run().wrong).toEqual([]);
    },
    120_000,
  );
});
