import { assert } from '../base/assert.ts';
import type { Entry, GroupConfig, HardState, SnapshotMeta } from './messages.ts';

/** Terms and indexes of messages are below these: what is beyond is not of this protocol and would not count up. */
export const TERM_MAX: number = 2 ** 48;
export const INDEX_MAX: number = 2 ** 48;

/** Voters and learners of a group. */
export const MEMBERS_MAX = 255;

/** What an entry costs beside its data, in memory and in a message. */
export const ENTRY_OVERHEAD_BYTES = 48;

/** Rounds that reads begin while none is confirmed; further reads share the next one. */
export const ROUNDS_UNDER_WAY_MAX = 64;

/** With more than so much to be sent a leader does not gather: it gains nothing then. */
export const GATHERED_BYTES_MAX: number = 64 * 1024;

/** Messages that wait for the disk, a batch; past it they are dropped, as a network may. */
export const HELD_MESSAGES_MAX = 1024;

/** All in milliseconds of a monotonic clock. */
export interface RaftTiming {
  /** The shortest time without a leader before an election, and how long a follower of a leader votes for no other. */
  readonly electionMs: number;
  /** Each wait for an election is longer than `electionMs` by a random part of this. */
  readonly electionSpreadMs: number;
  readonly heartbeatMs: number;
  /**
   * How long a leader may keep to itself that more is committed, so that the next entries bring it along: a message for that alone would cost both
   * ends as much as one with entries. 0 for not at all; who waits for it is told at once (`Raft.tellCommit`).
   */
  readonly commitNoteMs: number;
  /**
   * How long a leader gathers what is proposed while a follower has an append not answered: the answer lets it leave before that. Many clients' entries
   * go together then, each append, write to the disk and answer being for all of them; one that is alone never waits. 0 for not at all.
   */
  readonly gatherMs: number;
  /**
   * How long a leader may keep entries from a voter that no majority needs, since it was sent some: see `spares.ts`. So much longer at most takes a write
   * while one that is needed does not answer. 0 for not at all.
   */
  readonly spareMs: number;
  /** How long after sending a round that a quorum echoed no other leader can be. Less than `electionMs` by the drift of clocks. */
  readonly leaseMs: number;
  /** Time that jumps by more than this between two calls voids the lease: the process stood still. */
  readonly pauseMs: number;
}

/** Bounds of memory and messages. */
export interface RaftLimits {
  /** Entries of one append; a single entry may be larger. */
  readonly appendBytesMax: number;
  /** Appends under way to one follower. */
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
  /** Data of one entry; larger proposals are refused. */
  readonly entryBytesMax: number;
  /** Entries that are not yet handed out as committed; proposals are refused above. */
  readonly unappliedBytesMax: number;
  readonly snapshotChunkBytes: number;
  /** Of a snapshot what a turn makes, and what it takes in, is about so much: a pause is to be short. */
  readonly snapshotTurnBytes: number;
  /** The largest snapshot that a follower takes. */
  readonly snapshotBytesMax: number;
  /** Entries that stay when the log is compacted, so that a follower just behind needs no snapshot. */
  readonly slackBytesMax: number;
  /** Reads that wait; more get no index. */
  readonly readsMax: number;
}

/** What is on disk. */
export interface Restored {
  readonly hardState: HardState;
  /** Consecutive; they may begin before the snapshot's index, and may be none. */
  readonly entries: readonly Entry[];
  /** The newest state of the state machine that is durable. */
  readonly snapshotMeta: SnapshotMeta | null;
  /** Up to here the state machine has what is on disk: it is not handed out again. */
  readonly applied: number;
}

export interface RaftOptions {
  /** Own node number. */
  readonly id: number;
  /** Of a group that has no log yet: the same on all of its first members. */
  readonly config: GroupConfig;
  /** Null for a member without a disk so far. */
  readonly restored: Restored | null;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** [0, 1) */
  readonly random: () => number;
}

/** Times and limits must fit each other: a fault of ours, so an assertion. */
export function assertOptions({ timing, limits }: RaftOptions): void {
  assert(
    timing.heartbeatMs > 0 && timing.heartbeatMs < timing.electionMs,
    'heartbeats are more frequent than elections',
  );
  assert(
    timing.commitNoteMs >= 0 && timing.commitNoteMs < timing.heartbeatMs,
    'a heartbeat says what is committed, so waiting for it is no use',
  );
  assert(timing.gatherMs >= 0 && timing.gatherMs < timing.heartbeatMs, 'what is gathered leaves before a heartbeat');
  assert(timing.spareMs >= 0 && timing.spareMs < timing.heartbeatMs, 'what a spare lacks leaves before a heartbeat');
  assert(timing.leaseMs >= 0 && timing.leaseMs < timing.electionMs, 'a lease is shorter than the shortest election');
  assert(timing.electionSpreadMs > 0, 'elections are spread');
  assert(timing.pauseMs > timing.heartbeatMs, 'the time between two heartbeats is no pause');
  assert(
    Object.values(limits).every((limit) => limit > 0),
    'every limit is above zero',
  );
}
