import type { Origin } from '../../../src/clock/origin.ts';
import { HybridClock, msOfStamp, stampOfMs, type Stamp } from '../../../src/clock/stamp.ts';
import { VersionVector } from '../../../src/clock/version-vector.ts';
import type { EntryState } from '../../../src/crdt/entry.ts';
import type { UpdateContext } from '../../../src/crdt/update.ts';
import type { DirtyCut } from '../../../src/keyspace/dirty-keys.ts';
import { LocalTransaction } from '../../../src/keyspace/local-transaction.ts';
import type { SlabKeyspace } from '../../../src/keyspace/slab-keyspace.ts';
import { peerCodec } from '../../../src/wire/peer-codec.ts';
import { newKeyspace } from './keyspaces.ts';
import { effectOf, updateOf, type Effect, type Transaction } from './transaction.ts';
import { stagedFor } from '../../support/staged.ts';

/** What a replica said of itself: it has this, and what it makes later has a higher stamp. */
interface Row {
  readonly vector: VersionVector;
  readonly stamp: Stamp;
}

/**
 * One replica as a node has it, without network: a real keyspace and real local transactions, and beside them the plain list of
 * what it applied, from which a test can say what it has to show.
 */
export class VirtualReplica {
  readonly origin: Origin;
  keyspace: SlabKeyspace;
  readonly #newKeyspace: () => SlabKeyspace;
  readonly vector: VersionVector = new VersionVector();
  readonly stable: VersionVector = new VersionVector();
  readonly history: Set<Transaction> = new Set();
  readonly #clock: HybridClock = new HybridClock(0 as Stamp);
  /** Rows of every replica, the newest one that counts (RULES D5). */
  readonly #rows: Map<Origin, Row> = new Map();
  /** What is on disk: written behind, in batches of what changed. */
  readonly #store: Map<string, Uint8Array> = new Map();
  /** What is being written, with what the keyspace was when that was begun. */
  #cut: {
    readonly open: DirtyCut;
    readonly kept: ReadonlyMap<string, EntryState>;
    readonly vector: VersionVector;
  } | null = null;
  /** All that is on disk. */
  #durable: VersionVector = new VersionVector();
  /** Whether all that is on disk is evicted at once. */
  evictsValues = false;
  /** Whether there is room for what is read from disk. */
  #keepsRefills = false;
  #wallMs: number;
  #seq = 0;

  constructor(origin: Origin, wallMs: number, keyspaceOf: (origin: Origin) => SlabKeyspace = newKeyspace) {
    this.origin = origin;
    this.#newKeyspace = () => {
      const keyspace = keyspaceOf(origin);
      keyspace.stable = this.stable;
      return keyspace;
    };
    this.keyspace = this.#newKeyspace();
    this.#wallMs = wallMs;
    this.keyspace.collectsDirty = true;
  }

  /** What commands run at: the later of wall clock and hybrid clock. */
  get nowMs(): number {
    return Math.max(this.#wallMs, msOfStamp(this.#clock.last));
  }

  passMs(ms: number): void {
    this.#wallMs += ms;
  }

  /** Runs writes as one transaction; null when nothing was written. */
  transact(run: (tx: LocalTransaction, nowMs: number) => void): Transaction | null {
    const nowMs = this.nowMs;
    const effects: Effect[] = [];
    let context: UpdateContext | null = null;
    const open = (): UpdateContext => {
      if (context !== null) return context;
      const deps = new VersionVector([...this.vector.entries()].filter(([origin]) => origin !== this.origin));
      context = { origin: this.origin, seq: ++this.#seq, stamp: this.#clock.next(nowMs), deps };
      return context;
    };
    const tx = new LocalTransaction(this.keyspace, { open, record: (update) => effects.push(effectOf(update)) });
    tx.nowMs = nowMs;
    run(tx, nowMs);
    if (effects.length === 0) return null;
    const transaction = { ...open(), effects };
    this.vector.raise(this.origin, transaction.seq);
    this.history.add(transaction);
    return transaction;
  }

  /** Makes the next transaction carry a stamp of at least this one. */
  seeStamp(stamp: Stamp): void {
    this.#clock.see(stamp);
  }

  canApply(transaction: Transaction): boolean {
    const { origin, seq, deps } = transaction;
    return this.vector.get(origin) === seq - 1 && this.vector.covers(deps);
  }

  apply(transaction: Transaction): void {
    if (!this.canApply(transaction)) throw new Error('applied out of causal order');
    for (const effect of transaction.effects) this.keyspace.apply(updateOf(effect), transaction);
    this.vector.raise(transaction.origin, transaction.seq);
    this.#clock.see(transaction.stamp);
    this.history.add(transaction);
  }

  // ── stability ──

  row(): Row {
    return { vector: this.vector.clone(), stamp: this.#clock.next(this.#wallMs) };
  }

  /** Takes another's row in; it counts only when all that the other had made is here (RULES D5). */
  hear(from: Origin, row: Row): void {
    if (this.vector.get(from) < row.vector.get(from)) return;
    const known = this.#rows.get(from);
    if (known === undefined || row.stamp > known.stamp) this.#rows.set(from, row);
  }

  /** Raises `stable` to what all of the members have said they have. */
  raiseStable(members: readonly Origin[]): void {
    const least = this.vector.clone();
    for (const member of members) {
      if (member !== this.origin) least.lowerTo(this.#rows.get(member)?.vector ?? new VersionVector());
    }
    this.stable.merge(least);
  }

  /** The time that every member's clock has passed, with all that it made before here. */
  #clockFloorMs(members: readonly Origin[]): number {
    let least = this.nowMs;
    for (const member of members) {
      if (member !== this.origin) least = Math.min(least, msOfStamp(this.#rows.get(member)?.stamp ?? (0 as Stamp)));
    }
    return least;
  }

  forget(): void {
    // nothing is forgotten while a change of all keys is on its way
    this.keyspace.pending.settleAll();
    this.keyspace.forgetStable(this.vector, this.stable, 1_000);
  }

  /** What a tick does (RULES D9). */
  purge(members: readonly Origin[]): void {
    this.keyspace.pending.settleAll();
    this.keyspace.expireDue(this.nowMs, 1_000, () => {});
    this.keyspace.purgeExpired(this.#clockFloorMs(members), 1_000);
    this.forget();
  }

  // ── the store ──

  /** Begins to write what changed since the last time, which goes on while the keyspace changes; what was begun before comes to its end. */
  persist(): void {
    this.#finishCut();
    this.#cut = { open: this.keyspace.cutDirty(), kept: snapshotOf(this.keyspace), vector: this.vector.clone() };
    if (this.#cut.open.clear) this.#store.clear();
  }

  /** Writes on for so many keys. At the end the store holds exactly what the keyspace did when it was begun. */
  storeOn(keys: number): void {
    if (this.#cut === null) return;
    const { open, kept, vector } = this.#cut;
    for (const [key, state] of open.next(keys)) {
      if (state === null) this.#store.delete(key);
      else this.#store.set(key, peerCodec.encodeState(state));
    }
    if (!open.isRead) return;
    this.#durable = vector;
    this.#cut = null;
    const isSame = [...kept].every(([key, state]) => {
      const stored = this.#store.get(key);
      return stored !== undefined && JSON.stringify(peerCodec.decodeState(stored)) === JSON.stringify(state);
    });
    if (!isSame || kept.size !== this.#store.size) throw new Error('the store is not what the keyspace was');
  }

  #finishCut(): void {
    while (this.#cut !== null) this.storeOn(2);
  }

  /** Evicts all that can be evicted, where it does that at all, and then it also writes behind all the time; returns how many values. Those that are asked for come back. */
  evict(): number {
    if (!this.evictsValues) return 0;
    if (this.#cut === null) this.persist();
    const { eviction } = this.keyspace;
    const before = eviction.evicted;
    eviction.keepsValuesIn((key) => {
      const state = this.#store.get(key);
      return state === undefined ? null : peerCodec.decodeState(state);
    });
    eviction.limit.bytes = 1;
    eviction.wake();
    eviction.step(this.#durable);
    // what is read then stays by turns, or is read without being kept
    this.#keepsRefills = !this.#keepsRefills;
    if (this.#keepsRefills) eviction.limit.bytes = Number.MAX_SAFE_INTEGER;
    return eviction.evicted - before;
  }

  /** Ends and begins again with what is in the store. */
  restart(): void {
    this.persist();
    this.#finishCut();
    const flush = this.keyspace.flushMark;
    this.keyspace = this.#newKeyspace();
    for (const [key, state] of this.#store) this.keyspace.restore(key, peerCodec.decodeState(state));
    this.keyspace.restoreFlush(flush);
    this.#durable = this.vector.clone();
    this.keyspace.collectsDirty = true;
  }

  // ── snapshots ──

  /** Takes another's snapshot in as it comes over the wire (RULES D6). */
  merge(from: VirtualReplica): void {
    const sides = { local: this.vector.clone(), remote: from.vector.clone() };
    this.keyspace.mergeSnapshot(stagedFor(this.keyspace, snapshotOf(from.keyspace)), from.keyspace.flushMark, sides);
    this.vector.merge(from.vector);
    this.stable.merge(from.stable);
    this.#clock.see(from.#clock.last);
    for (const transaction of from.history) this.history.add(transaction);
  }
}

/** A whole snapshot of a keyspace, carried by the wire's codec. */
export function snapshotOf(keyspace: SlabKeyspace): Map<string, EntryState> {
  const cursor = keyspace.openSnapshot();
  const entries = new Map<string, EntryState>();
  for (let part = cursor.next(2, Infinity); part !== null; part = cursor.next(2, Infinity)) {
    const frame = peerCodec.decodeFrame(peerCodec.encodeFrame({ type: 'snapshot-entries', entries: part }));
    if (frame.type !== 'snapshot-entries') throw new Error('the codec turned entries into something else');
    for (const [key, state] of frame.entries) entries.set(key, state);
  }
  keyspace.closeSnapshot(cursor);
  return entries;
}

/** 2027-01-15: where virtual clocks begin. */
export const START_MS = 1_800_000_000_000;

/** A stamp near the start, for schedules that give stamps by hand. */
export function stampAt(stepMs: number): Stamp {
  return stampOfMs(START_MS + stepMs);
}
