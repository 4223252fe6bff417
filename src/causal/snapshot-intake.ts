import { nodeOf } from '../clock/origin.ts';
import { stampOfMs } from '../clock/stamp.ts';
import { CausewayError } from '../errors.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { PeerFrame } from './peer-frames.ts';
import type { Now, Replica } from './replica.ts';
import { SnapshotReceiver, type Snapshot } from './snapshot-receiver.ts';

/** From the request for a snapshot to the moment it may be merged: one at a time, checked whole, and held while its stamp is too far ahead. */
export class SnapshotIntake {
  readonly #replica: Replica;
  readonly #receiver: SnapshotReceiver;
  /** Whole, but its stamp is too far ahead. */
  #waiting: { readonly snapshot: Snapshot; readonly from: number } | null = null;

  constructor(replica: Replica, staging: () => SlabKeyspace) {
    this.#replica = replica;
    this.#receiver = new SnapshotReceiver(staging);
  }

  /** Whether frames of one are to come. */
  get isOnItsWay(): boolean {
    return this.#receiver.isBusy;
  }

  /** Whether one is on its way, or whole and not merged yet. */
  get isOpen(): boolean {
    return this.#receiver.isBusy || this.#waiting !== null;
  }

  /** Whether a snapshot is to be asked of this peer now. */
  begin(node: number): boolean {
    return this.#receiver.begin(node);
  }

  /** Forgets what came of a snapshot from this peer; says whether one was on its way. */
  dropFrom(node: number): boolean {
    return this.#receiver.dropFrom(node);
  }

  /** Forgets a whole one of this peer that waits, too (RULES D7). */
  shutOut(node: number): void {
    if (this.#waiting?.from === node) this.#waiting = null;
  }

  /** Takes one frame. Throws PROTOCOL for what was not asked for, and for a whole that cannot be. */
  take(node: number, frame: PeerFrame, checkClaims: (snapshot: Snapshot) => void): void {
    const snapshot = this.#receiver.take(node, frame);
    if (snapshot === null) return;
    for (const [origin] of snapshot.vector.entries()) {
      if (this.#replica.members.get(nodeOf(origin)) === undefined && !this.#replica.groupOrigins.has(origin))
        throw new CausewayError('PROTOCOL', 'a snapshot of no member');
    }
    checkClaims(snapshot);
    if (!snapshot.vector.covers(snapshot.stable))
      throw new CausewayError('PROTOCOL', 'a snapshot that lacks what it says to be stable');
    this.#waiting = { snapshot, from: node };
  }

  /** Gives a whole one out as soon as its stamp is not too far ahead of the clock here (RULES D3). */
  due(now: Now): Snapshot | null {
    const snapshot = this.#waiting?.snapshot ?? null;
    if (snapshot === null || snapshot.stamp > stampOfMs(now.wallMs + this.#replica.limits.skewMsMax)) return null;
    this.#waiting = null;
    return snapshot;
  }
}
