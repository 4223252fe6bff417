import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../support/fast-check-runs.ts';
import {
  emptyTally,
  KEYS,
  RandomHistory,
  stepsArbitrary,
  type Mix,
  type StepMix,
  type Tally,
} from './random-history.ts';
import { declaredKeys, shownKeys } from './shown-keys.ts';
import { transactionText } from './transaction.ts';
import type { VirtualReplica } from './virtual-replica.ts';

const numRuns = runs(150);
const timeout = runs(60_000);

/** Before every expiry: what shows then is all that is kept. */
const NOTHING_EXPIRED_MS = 0;

function checkReplica(history: RandomHistory, replica: VirtualReplica, nowMs: number): void {
  const shown = shownKeys(replica.keyspace, KEYS, nowMs);
  const declared = declaredKeys(replica.history, KEYS, nowMs);
  // the history is long to write out, so only for a failure
  const made = JSON.stringify(shown) === JSON.stringify(declared) ? [] : history.transactions.map(transactionText);
  expect({ shown, made }).toEqual({ shown: declared, made });
}

/** Runs steps, compares the replica that changed with the declaration after each, and all of them at the end. */
function checkRun(mix: StepMix, tally: Tally): fc.IProperty<[Parameters<RandomHistory['run']>[0][]]> {
  return fc.property(stepsArbitrary(mix), (steps) => {
    const history = new RandomHistory(tally);
    // what is purged shows no more, so with purges only what is not expired can be compared
    const nowOf = (replica: VirtualReplica): number => (mix.purges === true ? replica.nowMs : NOTHING_EXPIRED_MS);
    for (const step of steps) {
      const changed = history.run(step);
      if (changed !== null) checkReplica(history, changed, nowOf(changed));
    }
    history.quiesce();
    const nowMs = Math.max(...history.replicas.map(nowOf));
    for (const replica of history.replicas) {
      checkReplica(history, replica, nowMs);
      expect(replica.keyspace.digest(nowMs)).toBe(history.replica(0).keyspace.digest(nowMs));
      expect(replica.keyspace.forgetWaiting, 'all is stable, so nothing waits to be forgotten').toBe(0);
      expect(replica.keyspace.flushMark).toBe(null);
    }
  });
}

const mixes: readonly Mix[] = ['string', 'counter', 'hash', 'set', 'types', 'flush'];

describe('replicas that applied the same transactions in any causal order agree and show what is declared', () => {
  for (const writes of mixes) {
    it(`${writes}: forgetting what is stable at any moment`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes }, tally), { numRuns });
      expect(tally.concurrent).toBeGreaterThan(100);
      expect(tally.forgot).toBeGreaterThan(20);
    });

    it(`${writes}: snapshots merged at any moment (D6)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, snapshots: true }, tally), { numRuns });
      expect(tally.merged).toBeGreaterThan(100);
    });

    it(`${writes}: expired keys purged at any moment (D9)`, { timeout }, () => {
      const tally = emptyTally();
      fc.assert(checkRun({ writes, purges: true, snapshots: true }, tally), { numRuns });
      expect(tally.purged).toBeGreaterThan(writes === 'flush' ? 2 : 5);
    });
  }
});
