import { present } from '../base/assert.ts';
import { latin1Bytes, latin1Of, latin1Range } from '../base/bytes.ts';
import { PackedEntries } from '../base/packed-entries.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { Codec, NodeMeta, VectorEntries } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { DirtyCut } from '../keyspace/dirty-keys.ts';
import type { Durable } from '../keyspace/eviction/evictor.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { StoreBatch, StoredImage } from '../ports.ts';
import type { KeyOwners } from './key-owners.ts';
import { LostDesk, type CutKeyspace } from './lost-desk.ts';

/** What nobody waits for is written this often, in milliseconds: each batch is a sync of the disk that promises of quorum groups go to. */
const CALM_EVERY_MS = 10_000;

/** Entries that come in from the store between two looks at what memory they take. */
const RESTORED_A_STEP = 512;
const ALL: Durable = { contains: () => true };

/** A batch on its way together: all but the rest of its entries is as of the moment at which it was begun. */
interface GatheredBatch {
  /** The moment of the cut, monotonic. */
  readonly atMs: number;
  readonly cut: DirtyCut;
  readonly entries: PackedEntries;
  readonly clear: boolean;
  readonly vector: VersionVector;
  readonly members: number;
  readonly meta: Uint8Array;
  readonly aside: Uint8Array | null;
}

/**
 * Write-behind: what changed since the batch before, as one cut of entries and vector. What a batch holds is durable when the
 * store says so, and only that is acknowledged as durable (RULES D5).
 */
export class Persistence {
  readonly #replica: Replica;
  readonly #keyspace: SlabKeyspace;
  readonly #codec: Codec;
  readonly #hasStore: boolean;
  readonly lost: LostDesk = new LostDesk();
  /** Whether the next batch is the first of a keyspace that begins empty. */
  #beginsAnew = false;
  #inFlight: (Pick<GatheredBatch, 'vector' | 'members' | 'atMs'> & { readonly stampBound: Stamp }) | null = null;
  /** The batch that is being gathered. */
  #gathering: GatheredBatch | null = null;
  #takenAtMs = -Infinity;
  /** Monotonic: what clients wrote before it is on disk. Infinity until a turn is over: nothing was written yet. */
  #savedMs = Infinity;
  /** The version of the members that is on disk. */
  #membersDurable = 0;

  constructor(replica: Replica, keyspace: SlabKeyspace, codec: Codec, hasStore: boolean) {
    this.#hasStore = hasStore;
    this.#replica = replica;
    this.#keyspace = keyspace;
    this.#codec = codec;
  }

  /** Puts in what the store holds, if its keys' owners are as they were. Earlier incarnations' transactions are known but not in the log. */
  restore(image: StoredImage, owners: KeyOwners): void {
    if (image.meta === null) return;
    const meta = this.#codec.decodeMeta(image.meta);
    if (image.aside !== undefined) this.lost.restore(this.#codec.decodeLost(image.aside));
    const { membership } = this.#replica;
    if (meta.membership !== undefined) membership.restore(meta.membership);
    if (membership.mustBeginAnew) {
      this.#beginAnew(meta, image.entries);
      return;
    }
    let restored = 0;
    for (const [key, bytes] of image.entries) {
      const [name, state] = [latin1Of(key, 0, key.length), this.#codec.decodeState(bytes)];
      owners.note(name, state);
      this.#keyspace.restore(name, state);
      // what comes in is all on disk: no more of it comes into memory than may
      if (++restored % RESTORED_A_STEP === 0) this.#keyspace.eviction.step(ALL);
    }
    owners.refuse();
    this.#keyspace.restoreFlush(meta.flush);
    const { vector, stable, log } = this.#replica;
    vector.merge(new VersionVector(meta.vector));
    stable.merge(new VersionVector(meta.stable));
    for (const [origin, deps] of meta.running) this.#replica.setRunning(origin, new VersionVector(deps));
    for (const [origin, seq] of vector.dots()) log.startAfter(origin, seq);
    this.#replica.durable = vector.clone();
  }

  /**
   * This node joined again: nothing of its keyspace comes in, for others' floors count what it wrote as had. What of it nobody else
   * has is set aside. Ended before its first batch is on disk, the next start does the same.
   */
  #beginAnew(meta: NodeMeta, entries: StoredImage['entries']): void {
    const { identity, membership } = this.#replica;
    const codec = this.#codec;
    this.lost.setAside({
      node: identity.nodeNumber,
      cut: membership.joinOf(identity.nodeNumber)?.cut ?? [],
      vector: new VersionVector(meta.vector),
      running: meta.running.map(([origin, deps]) => [origin, new VersionVector(deps)] as const),
      *states() {
        for (const [key, state] of entries) yield [0, latin1Of(key, 0, key.length), codec.decodeState(state)];
      },
    });
    membership.beginAnew();
    this.#beginsAnew = true;
  }

  /** From now on values may be evicted that `read` finds in the store. */
  evictsTo(read: (key: Uint8Array) => Uint8Array | null): void {
    const stateOf = (key: string): EntryState | null => {
      const state = read(latin1Bytes(key));
      return state === null ? null : this.#codec.decodeState(state);
    };
    this.#keyspace.eviction.keepsValuesIn(stateOf);
  }

  /** The keyspace here as one that was cut. */
  cutAt(cut: VectorEntries): CutKeyspace {
    const { identity, vector } = this.#replica;
    const keyspace = this.#keyspace;
    keyspace.pending.settleAll();
    return {
      node: identity.nodeNumber,
      cut,
      vector,
      running: this.#replica.runningEntries(),
      *states(from) {
        for (let slot = from; slot < keyspace.slotCount; slot++) {
          const entry = keyspace.stateAt(slot);
          if (entry !== null) yield [slot, ...entry];
        }
      },
    };
  }

  /** What a key holds, null for nothing. */
  stateOf(key: string): EntryState | null {
    return this.#keyspace.entryOf(latin1Range(key))?.toState() ?? null;
  }

  /** Whether there is something to write and no batch on its way. */
  get isWaiting(): boolean {
    if (this.#inFlight !== null) return false;
    if (this.#gathering !== null) return true;
    // a cut is of one moment, and until such a change is made there is none
    if (this.#keyspace.pending.isOfAll) return false;
    if (!this.areMembersDurable || this.lost.isDirty) return true;
    const { durable, vector } = this.#replica;
    return this.#keyspace.dirtyCount > 0 || !durable.includes(vector);
  }

  /** Whether it is to be written now: what is not urgent is gathered for a while. */
  isDue({ monotonicMs }: Now): boolean {
    if (this.#inFlight !== null) return false;
    if (this.#gathering !== null) return true;
    const { isWaiting } = this;
    const isUrgent = isWaiting ? this.#isUrgent() : this.#keyspace.pending.isOfAll;
    if (!isUrgent) this.#savedMs = monotonicMs;
    if (!isWaiting) return false;
    const isCalm = this.areMembersDurable && !this.lost.isDirty && !isUrgent;
    return !isCalm || monotonicMs - this.#takenAtMs >= CALM_EVERY_MS;
  }

  /** How old what is not on disk yet may be: everything that was written longer ago is. Null where nothing is kept. */
  unsavedMs(monotonicMs: number): number | null {
    if (!this.#hasStore) return null;
    return this.#isAllSaved ? 0 : Math.max(0, monotonicMs - this.#savedMs);
  }

  get #isAllSaved(): boolean {
    return this.#inFlight === null && !this.isWaiting && !this.#keyspace.pending.isOfAll;
  }

  /** Whether something changed that is nowhere else on this disk: what quorum groups wrote is in their own store. */
  #isUrgent(): boolean {
    const { durable, groupOrigins, vector } = this.#replica;
    for (const [origin, seq] of vector.entries())
      if (durable.get(origin) < seq && !groupOrigins.has(origin)) return true;
    return false;
  }

  /** Whether the members as they are now are on disk. */
  get areMembersDurable(): boolean {
    return !this.#hasStore || this.#membersDurable === this.#replica.membership.version;
  }

  get isInFlight(): boolean {
    return this.#inFlight !== null;
  }

  /** Whether a batch is gathered or on its way. */
  get isBusy(): boolean {
    return this.#inFlight !== null || this.#gathering !== null;
  }

  /**
   * The next batch, with a bound that is durable once it is. Not while one is on its way. It is a cut of one moment, the first call's, and
   * gathered by so many keys a call, so that no batch is a pause: null until it is whole.
   */
  take(stampBound: Stamp, { monotonicMs }: Now, keys: number): StoreBatch | null {
    const batch = (this.#gathering ??= this.#begin(monotonicMs));
    const { cut, entries: gathered } = batch;
    for (const [key, state] of cut.next(keys))
      gathered.add(key, state === null ? null : this.#codec.encodeState(state));
    // what is gathered at once is few, and written as one
    if (!cut.isRead || gathered.hasRuns) gathered.endRun();
    if (!cut.isRead) return null;
    this.#gathering = null;
    const { vector, members, clear, entries, meta, aside } = batch;
    this.#inFlight = { atMs: batch.atMs, vector, stampBound, members };
    return { clear, entries, meta, stampBound, ...(aside === null ? {} : { aside }) };
  }

  #begin(monotonicMs: number): GatheredBatch {
    this.#takenAtMs = monotonicMs;
    const cut = this.#keyspace.cutDirty();
    const vector = this.#storedVector();
    const clear = cut.clear || this.#beginsAnew;
    this.#beginsAnew = false;
    return {
      atMs: monotonicMs,
      cut,
      entries: new PackedEntries(),
      clear,
      vector,
      members: this.#replica.membership.version,
      meta: this.#codec.encodeMeta(this.#meta(vector)),
      aside: this.lost.isDirty ? this.#codec.encodeLost(this.lost.take()) : null,
    };
  }

  /** A state that is not all in its place yet is not said to be stored: a start shows it anew (RULES T1). */
  #storedVector(): VersionVector {
    const { before } = this.#keyspace.pending;
    const entries = [...this.#replica.vector.entries()];
    return new VersionVector(entries.map(([origin, seq]) => [origin, before.get(origin) ?? seq] as const));
  }

  #meta(vector: VersionVector): NodeMeta {
    const { stable, membership } = this.#replica;
    const members = membership.state;
    return {
      vector: [...vector.entries()],
      running: [...this.#replica.runningEntries()].map(([origin, deps]): [Origin, [Origin, number][]] => [
        origin,
        [...deps.entries()],
      ]),
      stable: [...stable.entries()],
      flush: this.#keyspace.flushMark,
      ...(members === null ? {} : { membership: members }),
    };
  }

  /** The batch taken last is on disk; returns its bound. */
  committed(): Stamp {
    const batch = present(this.#inFlight, 'a batch is on its way');
    this.#replica.durable = batch.vector;
    this.#membersDurable = batch.members;
    this.#savedMs = batch.atMs;
    this.#inFlight = null;
    this.#keyspace.eviction.wake();
    return batch.stampBound;
  }
}
