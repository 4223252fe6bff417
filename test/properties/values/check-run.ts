import fc from 'fast-check';
import { expect } from 'vitest';
import { latin1Range } from '../../../src/base/bytes.ts';
import { keysOf, RandomHistory, stepsArbitrary, type Step, type StepMix, type Tally } from './random-history.ts';
import { declaredKeys, shownKeys, type ShownKeys } from './shown-keys.ts';
import { transactionText } from './transaction.ts';
import type { VirtualReplica } from './virtual-replica.ts';

/** Before every expiry: what shows then is all that is kept. */
const NOTHING_EXPIRED_MS = 0;

/** What a replica shows before a step, and the keys that it tells a change of: what WATCH and notifications live on. */
interface ChangeNotes {
  readonly replica: VirtualReplica;
  readonly shown: ShownKeys;
  readonly told: Set<string | null>;
}

/** Compares the replicas of a history with the declaration. */
class Checker {
  readonly #history: RandomHistory;
  readonly #keys: readonly string[];

  constructor(history: RandomHistory, keys: readonly string[]) {
    this.#history = history;
    this.#keys = keys;
  }

  replica(replica: VirtualReplica, nowMs: number): void {
    const shown = shownKeys(replica.keyspace, this.#keys, nowMs);
    const declared = declaredKeys(replica.history, this.#keys, nowMs);
    this.#history.tally.severalSiblings += Object.values(shown).filter((text) => text.startsWith('siblings')).length;
    // the history is long to write out, so only for a failure
    const made =
      JSON.stringify(shown) === JSON.stringify(declared) ? [] : this.#history.transactions.map(transactionText);
    expect({ shown, made }).toEqual({ shown: declared, made });
  }

  noteChanges(replica: VirtualReplica): ChangeNotes {
    const told = new Set<string | null>();
    replica.keyspace.onChange = (key) => told.add(key?.toLatin1() ?? null);
    return { replica, shown: shownKeys(replica.keyspace, this.#keys, NOTHING_EXPIRED_MS), told };
  }

  changesWereTold({ replica, shown, told }: ChangeNotes): void {
    const now = shownKeys(replica.keyspace, this.#keys, NOTHING_EXPIRED_MS);
    const untold = this.#keys.filter((key) => now[key] !== shown[key] && !told.has(key) && !told.has(null));
    const made = untold.length === 0 ? [] : this.#history.transactions.map(transactionText);
    expect({ untold, made }).toEqual({ untold: [], made });
  }

  /** When all is stable and every expiry has passed, nothing is kept but what shows. */
  nothingIsLeft(replica: VirtualReplica): void {
    this.replica(replica, replica.nowMs);
    const shown = Object.keys(declaredKeys(replica.history, this.#keys, replica.nowMs));
    expect(replica.keyspace.entryCount, 'entries').toBe(shown.length);
    expect(replica.keyspace.count, 'entries that count').toBe(shown.length);
    for (const key of shown) {
      const entry = replica.keyspace.entryOf(latin1Range(key));
      expect(entry?.isSettled(replica.stable), `${key} is settled`).toBe(true);
      const stale = (entry?.expiries?.writes ?? []).filter(
        (write) => write.baseOrigin !== 0 && entry?.string.hasRegister(write.baseOrigin, write.baseSeq) !== true,
      );
      expect(stale, `expiries of registers that ${key} has no more`).toEqual([]);
    }
  }
}

/** Runs steps, compares the replica that changed with the declaration after each, and all of them at the end. */
export function checkRun(mix: StepMix, tally: Tally): fc.IProperty<[Step[]]> {
  return fc.property(stepsArbitrary(mix), (steps) => {
    const history = new RandomHistory(tally);
    const check = new Checker(history, keysOf(mix));
    // what is purged shows no more, so with purges only what is not expired can be compared
    const nowOf = (replica: VirtualReplica): number => (mix.purges === true ? replica.nowMs : NOTHING_EXPIRED_MS);
    for (const step of steps) {
      const before = history.replicas.map((replica) => check.noteChanges(replica));
      const changed = history.run(step);
      if (changed !== null) check.replica(changed, nowOf(changed));
      // what is purged does not show any more, and was told of when it expired
      if (mix.purges !== true) for (const notes of before) check.changesWereTold(notes);
    }
    history.quiesce();
    const nowMs = Math.max(...history.replicas.map(nowOf));
    for (const replica of history.replicas) {
      check.replica(replica, nowMs);
      expect(replica.keyspace.digest(nowMs)).toBe(history.replica(0).keyspace.digest(nowMs));
      expect(replica.keyspace.forgetWaiting, 'all is stable, so nothing waits to be forgotten').toBe(0);
      expect(replica.keyspace.flushMark).toBe(null);
    }
    history.outliveExpiries();
    for (const replica of history.replicas) check.nothingIsLeft(replica);
  });
}
