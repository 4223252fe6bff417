import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../support/fast-check-runs.ts';
import { checkRun } from './check-run.ts';
import { emptyTally, type Mix } from './random-history.ts';

const numRuns = runs(150);
const timeout = runs(60_000);

const mixes: readonly Mix[] = ['string', 'counter', 'types', 'flush'];

describe('siblings are the writes that no other write and no removal has seen, in any causal order (V5)', () => {
  for (const writes of mixes) {
    it(`${writes}: forgetting what is stable at any moment`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, siblings: true }, tally), { numRuns });
      expect(tally.concurrent).toBeGreaterThan(runs(100));
      expect(tally.severalSiblings).toBeGreaterThan(runs(200));
    });

    it(`${writes}: snapshots merged at any moment (D6)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, siblings: true, snapshots: true }, tally), { numRuns });
      expect(tally.merged).toBeGreaterThan(runs(100));
      expect(tally.severalSiblings).toBeGreaterThan(runs(200));
    });

    it(`${writes}: expired keys purged at any moment (D9)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, siblings: true, purges: true, snapshots: true }, tally), { numRuns });
      expect(tally.purged).toBeGreaterThan(runs(2));
      expect(tally.severalSiblings).toBeGreaterThan(runs(50));
    });
  }
});
