import { describe, expect, it } from 'vitest';
import { runs } from '../support/fast-check-runs.ts';
import { runSeeds } from './campaign.ts';

/** Seeds of one file of tests: two files make what is asked for, in two processes at a time. */
const SEEDS_A_FILE = 155;
/** CAUSEWAY_FC_SEED begins elsewhere, CAUSEWAY_FC_RUNS makes more of them. */
const FIRST = Number(process.env['CAUSEWAY_FC_SEED'] ?? '1');
/** Generous: they are done in a tenth of it on a machine that is not busy. */
const LIMIT_MS = runs(1_200_000);

/** A share of the seeds that every run of the tests looks at. */
export function describeSeeds(share: number): void {
  const count = runs(SEEDS_A_FILE);
  const first = FIRST + share * count;
  describe(`whole clusters by seeds ${first} to ${first + count - 1}`, () => {
    it(
      'break no promise, with every kind of fault',
      () => {
        const totals = runSeeds(first, count);
        console.log(totals.lines().join('\n'));
        expect(totals.failures.map(({ seed, wrong }) => `seed ${seed}: ${wrong[0]}`)).toEqual([]);
        // a run that shows nothing
        expect(totals.missing()).toEqual([]);
      },
      LIMIT_MS,
    );
  });
}
