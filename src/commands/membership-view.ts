import type { VectorEntries } from '../causal/peer-frames.ts';
import type { Origin } from '../clock/origin.ts';

/** One node of the topology as this node sees it. */
export interface MemberStatus {
  readonly id: string;
  readonly region: string;
  /** The newest that is known, 0 for none. */
  readonly incarnation: number;
  readonly state: 'self' | 'live' | 'silent' | 'fenced' | 'removed';
  /** Milliseconds since it was last heard of; null for never, and for this node itself. */
  readonly silentMs: number | null;
  /** The epoch that began with its removal, 0 where it was not removed. */
  readonly removedAtEpoch: number;
  /** Transactions here that it has not said it applied; 0 for a removed one and for this node itself. */
  readonly lagTransactions: number;
}

/** How far a removal is at this node. */
export interface RemovalProgress {
  readonly epoch: number;
  readonly state: MemberStatus['state'];
  /** Whether that, and what this node has of the other's origins, is on disk. */
  readonly isDurable: boolean;
  readonly incarnation: number;
  /** What this node applied of each of its open origins; of a removed node, where it was cut. */
  readonly has: VectorEntries;
}

/** A write that only this node has, which was removed without it. */
export interface LostWrite {
  /** Latin1 text of its bytes, as the value's. */
  readonly key: string;
  /** `string`, `field NAME`, `member`, `increment`, `document`, `removal`. */
  readonly what: string;
  readonly origin: Origin;
  readonly seq: number;
  /** Null for a removal, and for a document's root. */
  readonly value: string | null;
}

/** What an operator's commands ask and change of the members (RULES D7). Nodes are named as in the topology, `us-east-1/a`. */
export interface MembershipView {
  readonly epoch: number;
  list(): MemberStatus[];
  /** Throws ERR for an unknown node. */
  progress(id: string): RemovalProgress;
  /** What this node wrote beyond where it was cut and still holds. Throws ERR where it was not removed. */
  lost(): LostWrite[];
  /** From now on nothing is taken from the node's own connections. Throws ERR where that may not be. */
  fence(id: string, expectedEpoch: number): void;
  /** Takes a fence back; says whether there was one. */
  unfence(id: string): boolean;
  /** Removes a fenced node, cut there; `epoch` begins with it. Throws ERR where that may not be. */
  remove(id: string, epoch: number, incarnation: number, cut: VectorEntries): void;
}
