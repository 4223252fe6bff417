import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../support/fast-check-runs.ts';
import { checkRun } from './check-run.ts';
import { emptyTally, type Mix } from './random-history.ts';

const numRuns = runs(150);
const timeout = runs(60_000);

const mixes: readonly Mix[] = ['string', 'counter', 'hash', 'set', 'types', 'flush', 'fills'];

describe('replicas that applied the same transactions in any causal order agree and show what is declared', () => {
  for (const writes of mixes) {
    it(`${writes}: forgetting what is stable at any moment`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes }, tally), { numRuns });
      expect(tally.concurrent).toBeGreaterThan(runs(100));
      expect(tally.forgot).toBeGreaterThan(runs(20));
    });

    it(`${writes}: snapshots merged at any moment (D6)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, snapshots: true }, tally), { numRuns });
      expect(tally.merged).toBeGreaterThan(runs(100));
    });

    it(`${writes}: expired keys purged at any moment (D9)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, purges: true, snapshots: true }, tally), { numRuns });
      expect(tally.purged).toBeGreaterThan(runs(2));
    });
  }
});
