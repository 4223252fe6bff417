/** What an entry of the log is. The numbers are on the wire and on disk: never renumber, only add. */
export const EntryKind = {
  /** What the group's state machine executes. */
  Command: 1,
  /** The first entry of every term: commits what earlier terms left (Raft paper, section 8). */
  Noop: 2,
  /** Who the members are from here on (thesis, chapter 4): takes effect when it is appended. */
  Config: 3,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  /** Opaque for Raft; empty for a Noop. A Config's is `encodeConfig` of a `GroupConfig`. */
  readonly data: Uint8Array;
}

/** Who takes part: node numbers. Learners get the log and do not count. */
export interface GroupConfig {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}

/** The end of what a snapshot contains. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly config: GroupConfig;
  /** The entry that `config` was made by, 0 for the first one. */
  readonly configIndex: number;
}

/** What stands for the vote of a member that votes for nobody, in any term: no node has this number. */
export const ABSTAINS: number = 2 ** 20 - 1;

/** What must be on disk before any message that promises it. */
export interface HardState {
  readonly term: number;
  /** Node number, 0 for nobody in this term, `ABSTAINS` for nobody at all. */
  readonly votedFor: number;
  /** Only a hint: on disk so that a restart applies at once what was known to be committed. */
  readonly commit: number;
}

interface MessageBase {
  readonly from: number;
  readonly to: number;
  readonly term: number;
}

/** Asks whether one could win, without raising terms (thesis 9.6), or for the vote itself. */
export interface VoteRequest extends MessageBase {
  readonly type: 'vote';
  readonly isPreVote: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** A transfer of leadership: the rule that a follower of a live leader does not vote is lifted (thesis 3.10). */
  readonly isTransfer: boolean;
}

export interface VoteResponse extends MessageBase {
  readonly type: 'vote-response';
  readonly isPreVote: boolean;
  readonly isGranted: boolean;
}

export interface AppendRequest extends MessageBase {
  readonly type: 'append';
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /**
   * Counts the leader's rounds, from 1 on: echoed, so that leases and reads are counted from the time of sending. 0 where nobody
   * waits for an answer: it only tells how far the log is committed, and is refused where it does not match.
   */
  readonly round: number;
}

export interface AppendResponse extends MessageBase {
  readonly type: 'append-response';
  readonly isAccepted: boolean;
  /** Of the request: tells a late refusal from one that counts. */
  readonly previousIndex: number;
  /** Accepted: the last index that matches and is durable. Refused: the last index that may match. */
  readonly index: number;
  /** Refused: the term of the own entry at `index`, 0 for none: the leader goes back to where it has no later one. */
  readonly conflictTerm: number;
  readonly round: number;
}

export interface SnapshotChunk extends MessageBase {
  readonly type: 'snapshot';
  /** Counts the leader's snapshots of its term: the bytes of two of them differ, for one index too. */
  readonly transfer: number;
  readonly meta: SnapshotMeta;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Whether none follows; it may be empty. */
  readonly isLast: boolean;
  readonly round: number;
}

export interface SnapshotResponse extends MessageBase {
  readonly type: 'snapshot-response';
  readonly transfer: number;
  readonly index: number;
  /** Bytes that are durable without a gap. */
  readonly received: number;
  /** It is whole, installed and durable. */
  readonly isDone: boolean;
  readonly round: number;
}

/** The receiver is to campaign at once (thesis 3.10). */
export interface TimeoutNow extends MessageBase {
  readonly type: 'timeout-now';
}

/** A follower or learner asks for an index that a read at this time must wait for. */
export interface ReadIndexRequest extends MessageBase {
  readonly type: 'read-index';
  readonly id: number;
}

export interface ReadIndexResponse extends MessageBase {
  readonly type: 'read-index-response';
  readonly id: number;
  /** 0: no leader here that could say. */
  readonly index: number;
}

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | SnapshotChunk
  | SnapshotResponse
  | TimeoutNow
  | ReadIndexRequest
  | ReadIndexResponse;

/** Bytes of a snapshot that is on its way, in order; at `offset` 0 it begins. */
export interface SnapshotPart {
  readonly meta: SnapshotMeta;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One atomic step on disk: the old entries from `entries[0].index` on, if any, are replaced. */
export interface PersistBatch {
  /** Null where it is as before. */
  readonly hardState: HardState | null;
  /** Entries from this index on go first; null for none. */
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
  /** To be kept aside, in the place of what was kept of another snapshot; a restart loses them. */
  readonly parts: readonly SnapshotPart[];
  /** An installed snapshot: the whole log goes, this is where it begins now. What was kept aside is the state machine's state. */
  readonly snapshot: { readonly meta: SnapshotMeta } | null;
}
