import type { Stamp } from '../clock/stamp.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { MessageFrame, PeerFrame } from './peer-frames.ts';
import type { Now } from './replica.ts';
import type { Snapshot } from './snapshot-receiver.ts';

/** What the replicator does to the node around it. */
export interface ReplicatorHost {
  send(link: number, frame: PeerFrame): void;
  closeLink(link: number, reason: string): void;
  /** Applies all that hold-back can deliver. */
  deliver(now: Now): void;
  /** A keyspace for a snapshot that comes in. */
  staging(): SlabKeyspace;
  mergeSnapshot(snapshot: Snapshot): void;
  /** A stamp above all that this node gave out, and a promise that all to come are above it. */
  nextStamp(wallMs: number): Stamp;
  /** What a peer's quorum groups say. Throws PROTOCOL. */
  strong(from: number, bytes: Uint8Array): void;
  /** What a peer tells beside its stream. */
  message(frame: MessageFrame): void;
  /** The highest sequence made by this node in this incarnation. */
  lastSeqOf(): number;
}
