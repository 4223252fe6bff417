import { present } from '../base/assert.ts';
import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { Codec, NodeMeta } from '../causal/peer-frames.ts';
import type { Replica } from '../causal/replica.ts';
import type { MapKeyspace } from '../keyspace/map-keyspace.ts';
import type { SnapshotEntry } from '../keyspace/snapshot-cursor.ts';
import type { StoreBatch, StoredImage } from '../ports.ts';

/**
 * Write-behind: what changed since the batch before, as one cut of entries and vector. What a batch holds is durable when the
 * store says so, and only that is acknowledged as durable (RULES D5).
 */
export class Persistence {
  readonly #replica: Replica;
  readonly #keyspace: MapKeyspace;
  readonly #codec: Codec;
  readonly #hasStore: boolean;
  #inFlight: { readonly vector: VersionVector; readonly stampBound: Stamp; readonly members: number } | null = null;
  /** The version of the members that is on disk. */
  #membersDurable = 0;

  constructor(replica: Replica, keyspace: MapKeyspace, codec: Codec, hasStore: boolean) {
    this.#hasStore = hasStore;
    this.#replica = replica;
    this.#keyspace = keyspace;
    this.#codec = codec;
  }

  /** Puts in what the store holds. Earlier incarnations' transactions are known but not in the log. */
  restore(image: StoredImage): void {
    if (image.meta === null) return;
    const meta = this.#codec.decodeMeta(image.meta);
    for (const [key, state] of image.entries)
      this.#keyspace.restore(latin1Of(key, 0, key.length), this.#codec.decodeState(state));
    this.#keyspace.restoreFlush(meta.flush);
    const { vector, stable, log } = this.#replica;
    vector.merge(new VersionVector(meta.vector));
    stable.merge(new VersionVector(meta.stable));
    for (const [origin, deps] of meta.running) this.#replica.setRunning(origin, new VersionVector(deps));
    if (meta.membership !== undefined) this.#replica.membership.restore(meta.membership);
    for (const [origin, seq] of vector.dots()) log.startAfter(origin, seq);
    this.#replica.durable = vector.clone();
  }

  /** All keys with what they hold. */
  *states(): Generator<SnapshotEntry> {
    for (let slot = 0; slot < this.#keyspace.slotCount; slot++) {
      const entry = this.#keyspace.stateAt(slot);
      if (entry !== null) yield entry;
    }
  }

  /** Whether there is something to write and no batch on its way. */
  get isDue(): boolean {
    if (this.#inFlight !== null) return false;
    return (
      !this.areMembersDurable || this.#keyspace.dirtyCount > 0 || !this.#replica.durable.includes(this.#replica.vector)
    );
  }

  /** Whether the members as they are now are on disk. */
  get areMembersDurable(): boolean {
    return !this.#hasStore || this.#membersDurable === this.#replica.membership.version;
  }

  get isInFlight(): boolean {
    return this.#inFlight !== null;
  }

  /** The next batch, with a bound that is durable once it is. Not while one is on its way. */
  take(stampBound: Stamp): StoreBatch {
    const { clear, entries } = this.#keyspace.takeDirty();
    const { vector, membership } = this.#replica;
    this.#inFlight = { vector: vector.clone(), stampBound, members: membership.version };
    return {
      clear,
      entries: entries.map(
        ([key, state]) => [latin1Bytes(key), state === null ? null : this.#codec.encodeState(state)] as const,
      ),
      meta: this.#codec.encodeMeta(this.#meta()),
      stampBound,
    };
  }

  #meta(): NodeMeta {
    const { vector, stable, membership } = this.#replica;
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
    this.#inFlight = null;
    return batch.stampBound;
  }
}
