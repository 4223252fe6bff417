import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { CausewayError } from '../errors.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { PeerFrame } from './peer-frames.ts';

/** A whole snapshot, staged aside until its end came. */
export interface Snapshot {
  readonly vector: VersionVector;
  readonly running: ReadonlyMap<Origin, VersionVector>;
  readonly stable: VersionVector;
  readonly flush: FlushMark | null;
  readonly stamp: Stamp;
  readonly keyspace: SlabKeyspace;
}

/**
 * Collects a snapshot from one peer at a time; nothing of it is used before it is whole (RULES D6). It lies in a keyspace of its own, so outside of
 * what the garbage collector looks at: as objects five million keys were pauses of seconds.
 */
export class SnapshotReceiver {
  readonly #staging: () => SlabKeyspace;
  #from: number | null = null;
  #staged: Snapshot | null = null;
  #count = 0;

  constructor(staging: () => SlabKeyspace) {
    this.#staging = staging;
  }

  get isBusy(): boolean {
    return this.#from !== null;
  }

  /** Whether a snapshot is to be asked of this peer now. */
  begin(node: number): boolean {
    if (this.#from !== null) return false;
    this.#from = node;
    return true;
  }

  /** Forgets what came of a snapshot from this peer; says whether one was on its way. */
  dropFrom(node: number): boolean {
    if (this.#from !== node) return false;
    this.#from = null;
    this.#staged = null;
    return true;
  }

  /** Takes one frame of the snapshot; returns the whole at its end. */
  take(node: number, frame: PeerFrame): Snapshot | null {
    if (this.#from !== node) throw new CausewayError('PROTOCOL', 'a snapshot that was not asked for');
    if (frame.type === 'snapshot-begin') {
      this.#staged = {
        vector: new VersionVector(frame.vector),
        running: new Map(frame.running.map(([origin, deps]) => [origin, new VersionVector(deps)])),
        stable: new VersionVector(frame.stable),
        flush: frame.flush,
        stamp: frame.stamp,
        keyspace: this.#staging(),
      };
      this.#count = 0;
      return null;
    }
    const staged = this.#staged;
    if (staged === null) throw new CausewayError('PROTOCOL', 'a snapshot without its beginning');
    if (frame.type === 'snapshot-entries') {
      for (const [key, state] of frame.entries) staged.keyspace.restore(key, state);
      this.#count += frame.entries.length;
      return null;
    }
    if (frame.type !== 'snapshot-end' || frame.count !== this.#count) {
      throw new CausewayError('PROTOCOL', `a snapshot of ${this.#count} entries that says otherwise`);
    }
    this.#from = null;
    this.#staged = null;
    return staged;
  }
}
