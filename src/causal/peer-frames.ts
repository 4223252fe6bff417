import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import type { Columns } from './columns.ts';
import type { Row } from './members.ts';
import type { LostList } from './lost-list.ts';
import type { MembershipRecord, MembershipState } from './membership-record.ts';
import type { TokenCodec } from './session-token.ts';

/** Entries of a vector as pairs. */
export type VectorEntries = readonly (readonly [Origin, number])[];

/** The first frame of every connection, both ways. */
export interface HelloFrame {
  readonly type: 'hello';
  readonly protocol: number;
  readonly clusterId: string;
  readonly kind: 'bulk' | 'control';
  readonly nodeId: string;
  readonly nodeNumber: number;
  readonly incarnation: number;
  /** Random for each start of a process: tells two processes that claim one incarnation apart. */
  readonly startId: string;
  /** Digest of the rules that all members must share. */
  readonly rules: string;
  readonly applied: VectorEntries;
  /** The epoch at which the sender had joined when its keyspace began; 0 for one that was never removed. */
  readonly beganAtEpoch: number;
  /** Whether the sender takes frames of the type `message`. */
  readonly takesMessages: boolean;
}

/** Replaces what the sender of this frame wants sent: all origins of these nodes, after the vector. */
export interface WantFrame {
  readonly type: 'want';
  readonly nodes: readonly number[];
  readonly after: VectorEntries;
}

/** Asks for transactions that something held back waits for. */
export interface FetchFrame {
  readonly type: 'fetch';
  readonly origin: Origin;
  readonly after: number;
  readonly upTo: number;
}

/** What members have (acknowledgements), and the heartbeat. */
export interface RowsFrame {
  readonly type: 'rows';
  readonly rows: readonly Row[];
  /** The sender's monotonic clock, to be echoed. */
  readonly sentMs: number;
  /** The newest `sentMs` heard from the receiver, −1 for none, and how long ago that was. */
  readonly echoMs: number;
  readonly echoHeldMs: number;
  /** Bytes taken from the bulk connection in its life: opens the window. */
  readonly receivedBytes: number;
}

/** What the receiver wants is no longer in the sender's log: it needs a snapshot. */
export interface TruncatedFrame {
  readonly type: 'truncated';
}

export interface SnapshotRequestFrame {
  readonly type: 'snapshot-request';
}

/** What comes before the columns in a frame of transactions takes at most this. */
export const FRAME_ROOM_BYTES = 40;

/** Transactions `first … last` of one origin, as encoded columns. */
export interface TransactionsFrame {
  readonly type: 'transactions';
  readonly origin: Origin;
  readonly first: number;
  readonly last: number;
  readonly asked: boolean;
  readonly bytes: Uint8Array;
  /** Bytes before `bytes` in their memory that are the frame's to write to; absent for none. */
  readonly room?: number;
}

export interface SnapshotBeginFrame {
  readonly type: 'snapshot-begin';
  readonly vector: VectorEntries;
  /** Each origin's running deps at the vector. */
  readonly running: readonly (readonly [Origin, VectorEntries])[];
  readonly stable: VectorEntries;
  readonly flush: FlushMark | null;
  readonly stamp: Stamp;
}

export interface SnapshotEntriesFrame {
  readonly type: 'snapshot-entries';
  readonly entries: readonly (readonly [key: string, state: EntryState])[];
}

export interface SnapshotEndFrame {
  readonly type: 'snapshot-end';
  readonly count: number;
}

/** Who is a member, once that is not what the topology says: at the start of a session and after each change. */
export interface MembershipFrame extends MembershipRecord {
  readonly type: 'membership';
}

/** Something of the quorum groups, as they encode it themselves: on the control connection. */
export interface StrongBytesFrame {
  readonly type: 'strong';
  readonly bytes: Uint8Array;
}

/** What a node tells another one beside its stream: in no order with that, and lost with the connection. On the control connection. */
export interface MessageFrame {
  readonly type: 'message';
  readonly channel: string;
  readonly bytes: Uint8Array;
}

export type PeerFrame =
  | HelloFrame
  | WantFrame
  | FetchFrame
  | RowsFrame
  | TruncatedFrame
  | SnapshotRequestFrame
  | TransactionsFrame
  | SnapshotBeginFrame
  | SnapshotEntriesFrame
  | SnapshotEndFrame
  | MembershipFrame
  | StrongBytesFrame
  | MessageFrame;

/** What a node keeps of itself beside the entries: one cut with them. */
export interface NodeMeta {
  readonly vector: VectorEntries;
  readonly running: readonly (readonly [Origin, VectorEntries])[];
  readonly stable: VectorEntries;
  readonly flush: FlushMark | null;
  /** Absent where the members never changed. */
  readonly membership?: MembershipState;
}

/** Bytes to frames and back. Decoding throws PROTOCOL for whatever is malformed, before anything is made of it. */
export interface Codec {
  encodeFrame(frame: PeerFrame): Uint8Array;
  decodeFrame(bytes: Uint8Array): PeerFrame;
  /** Checked columns of `transactions` transactions, in these bytes. */
  decodeColumns(bytes: Uint8Array, transactions: number): Columns;
  encodeState(state: EntryState): Uint8Array;
  decodeState(bytes: Uint8Array): EntryState;
  encodeMeta(meta: NodeMeta): Uint8Array;
  decodeMeta(bytes: Uint8Array): NodeMeta;
  encodeLost(list: LostList): Uint8Array;
  decodeLost(bytes: Uint8Array): LostList;
  readonly tokens: TokenCodec;
}

/**
 * Versions of the peer protocol. A hello of another one is refused, and says which this node speaks.
 *
 *     1  the first
 *     2  columns are bytes of their own (`columns.ts`) in place of lists of numbers
 */
export const PEER_PROTOCOL = 2;
