import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../../src/base/bytes.ts';
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
import { declaredKeys, shownKeys, type ShownKeys } from './shown-keys.ts';
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

/** What a replica shows before a step, and the keys that it tells a change of: what WATCH and notifications live on. */
interface ChangeNotes {
  readonly replica: VirtualReplica;
  readonly shown: ShownKeys;
  readonly told: Set<string | null>;
}

function noteChanges(replica: VirtualReplica): ChangeNotes {
  const told = new Set<string | null>();
  replica.keyspace.onChange = (key) => told.add(key);
  return { replica, shown: shownKeys(replica.keyspace, KEYS, NOTHING_EXPIRED_MS), told };
}

function checkChangesWereTold(history: RandomHistory, { replica, shown, told }: ChangeNotes): void {
  const now = shownKeys(replica.keyspace, KEYS, NOTHING_EXPIRED_MS);
  const untold = KEYS.filter((key) => now[key] !== shown[key] && !told.has(key) && !told.has(null));
  const made = untold.length === 0 ? [] : history.transactions.map(transactionText);
  expect({ untold, made }).toEqual({ untold: [], made });
}

/** When all is stable and every expiry has passed, nothing is kept but what shows. */
function checkNothingIsLeft(history: RandomHistory, replica: VirtualReplica): void {
  checkReplica(history, replica, replica.nowMs);
  const shown = Object.keys(declaredKeys(replica.history, KEYS, replica.nowMs));
  expect(replica.keyspace.entryCount, 'entries').toBe(shown.length);
  expect(replica.keyspace.count, 'entries that count').toBe(shown.length);
  for (const key of shown) {
    const entry = replica.keyspace.entryOf(latin1Range(key));
    expect(entry?.isSettled(replica.stable), `${key} is settled`).toBe(true);
    const { origin, seq } = entry?.string ?? { origin: 0, seq: 0 };
    const stale = (entry?.expiries?.writes ?? []).filter(
      (write) => write.baseOrigin !== 0 && (write.baseOrigin !== origin || write.baseSeq !== seq),
    );
    expect(stale, `expiries of registers that ${key} has no more`).toEqual([]);
  }
}

/** Runs steps, compares the replica that changed with the declaration after each, and all of them at the end. */
function checkRun(mix: StepMix, tally: Tally): fc.IProperty<[Parameters<RandomHistory['run']>[0][]]> {
  return fc.property(stepsArbitrary(mix), (steps) => {
    const history = new RandomHistory(tally);
    // what is purged shows no more, so with purges only what is not expired can be compared
    const nowOf = (replica: VirtualReplica): number => (mix.purges === true ? replica.nowMs : NOTHING_EXPIRED_MS);
    for (const step of steps) {
      const before = history.replicas.map((replica) => noteChanges(replica));
      const changed = history.run(step);
      if (changed !== null) checkReplica(history, changed, nowOf(changed));
      // what is purged does not show any more, and was told of when it expired
      if (mix.purges !== true) for (const notes of before) checkChangesWereTold(history, notes);
    }
    history.quiesce();
    const nowMs = Math.max(...history.replicas.map(nowOf));
    for (const replica of history.replicas) {
      checkReplica(history, replica, nowMs);
      expect(replica.keyspace.digest(nowMs)).toBe(history.replica(0).keyspace.digest(nowMs));
      expect(replica.keyspace.forgetWaiting, 'all is stable, so nothing waits to be forgotten').toBe(0);
      expect(replica.keyspace.flushMark).toBe(null);
    }
    history.outliveExpiries();
    for (const replica of history.replicas) checkNothingIsLeft(history, replica);
  });
}

const mixes: readonly Mix[] = ['string', 'counter', 'hash', 'set', 'types', 'flush'];

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
