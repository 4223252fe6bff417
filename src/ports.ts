import type { StoredEntry } from './base/packed-entries.ts';
import type { CausewayError } from './errors.ts';

/** Where time comes from. */
export interface Clock {
  /** Unix milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds that never go back, with fractions; for durations. */
  monotonicMs(): number;
}

/** Where randomness comes from. */
export interface Entropy {
  /** [0, 1) */
  unit(): number;
  bytes(count: number): Uint8Array;
}

/** What a store holds when it is opened: one consistent cut. */
export interface StoredImage {
  /** The node's own bookkeeping at the cut (vector, running deps …), null for an empty store. */
  readonly meta: Uint8Array | null;
  /** Stored stamp bound, 0 for none: above every stamp ever given out. */
  readonly stampBound: number;
  /** Every key with its encoded state. May be walked once. */
  readonly entries: Iterable<readonly [key: Uint8Array, state: Uint8Array]>;
  /** What is kept beside them, absent where nothing ever was. */
  readonly aside?: Uint8Array;
}

/** What changed since the batch before: applied as one atomic step. */
export interface StoreBatch {
  /** All entries go first (after FLUSHALL). */
  readonly clear: boolean;
  /** Key with its new state, null where the key is gone. Each is made when it is asked for: whoever keeps them all has that many objects. */
  readonly entries: Iterable<StoredEntry>;
  readonly meta: Uint8Array;
  readonly stampBound: number;
  /** What is kept beside the entries from now on; absent where that stays as it is. */
  readonly aside?: Uint8Array;
}

/**
 * The durable store of one node. A batch is atomic: after a crash the store is at one batch's end. `commit` calls `done` once
 * the batch is on disk, and its bytes must not change until then; a store that failed once takes nothing more, because it would go on with less.
 */
export interface Store {
  load(): StoredImage;
  /** The encoded state of a key as of the last batch that is on disk, or a later one; null for none. At once. */
  read(key: Uint8Array): Uint8Array | null;
  /** Raises the incarnation to at least `atLeast`, on disk before it returns. */
  nextIncarnation(atLeast: number): number;
  /** The first incarnation on this disk, while an earlier one may have promised something to a quorum on a disk that was lost; 0 where that is known. */
  votesSince(): number;
  /** What was promised before this disk is settled: on disk before it returns. */
  settleVotes(): void;
  /** On disk before it returns. */
  raiseStampBound(stampBound: number): void;
  /** As a batch of a bound alone, and may be asked for while a batch is on its way, for which it does not wait. */
  raiseStampBoundSoon(stampBound: number, done: (error: CausewayError | null) => void): void;
  commit(batch: StoreBatch, done: (error: CausewayError | null) => void): void;
  close(done: () => void): void;
}

export type LinkKind = 'bulk' | 'control';

/** One connection to a peer. */
export interface PeerConnection {
  /** Unique in this process's life. */
  readonly id: number;
  readonly kind: LinkKind;
  /** The node number that this end dialled, null for one that was accepted. */
  readonly dialledNode: number | null;
  /** Hands a frame over; order is kept. The bytes may change once they were flushed. */
  send(frame: Uint8Array): void;
  /** Gives what was handed over to the kernel at once; otherwise that is done after this piece of work. */
  flush(): void;
  /** Bytes handed over and not yet given to the kernel. */
  readonly bufferedBytes: number;
  /** Closes it; a dialled one is dialled again with backoff. */
  close(reason: string): void;
}

export interface TransportEvents {
  opened(connection: PeerConnection): void;
  frame(connection: PeerConnection, frame: Uint8Array): void;
  closed(connection: PeerConnection, reason: string): void;
}

/** One entry of a quorum group's log on disk: numbers and bytes that the store does not look into. */
export interface StoredLogEntry {
  readonly index: number;
  readonly term: number;
  /** 0 … 255 */
  readonly kind: number;
  /** Nobody changes them: they are kept as they are. */
  readonly data: Uint8Array;
}

/** What a voter promised. */
export interface StoredHardState {
  readonly term: number;
  /** Node number, 0 for nobody in this term. */
  readonly votedFor: number;
  readonly commit: number;
}

/** The end of the log that a group's stored state contains; `meta` is opaque (members there …). */
export interface StoredSnapshot {
  readonly index: number;
  readonly term: number;
  readonly meta: Uint8Array;
}

/** What a change of a group's state machine leaves on disk, in one step with the log. */
export interface StoredStateChange {
  /** What was kept aside takes the place of all entries and rows first. */
  readonly takesAside: boolean;
  /** Key with its new state, null where the key is gone. */
  readonly entries: readonly (readonly [key: Uint8Array, state: Uint8Array | null])[];
  /** What it keeps beside its keys, by short keys of its own: requests already answered …; null where it is gone. */
  readonly rows: readonly (readonly [key: Uint8Array, row: Uint8Array | null])[];
  /** Opaque, whole each time: how far it is applied … */
  readonly meta: Uint8Array;
}

/** A part of a state that is coming in: kept apart, no part of an image, and gone after a restart. */
export interface StoredAside {
  /** What was kept aside before goes first. */
  readonly begins: boolean;
  readonly entries: readonly (readonly [key: Uint8Array, state: Uint8Array])[];
  readonly rows: readonly (readonly [key: Uint8Array, row: Uint8Array])[];
}

/** What changed in one group. Carried out in the order of the members here. */
export interface QuorumGroupBatch {
  /** The group's name, 1 … 255 bytes of UTF-8 without a zero. */
  readonly group: string;
  /** Null where it is as before. */
  readonly hardState: StoredHardState | null;
  /** Whether the whole log goes first: what `snapshot` and `state` bring takes its place. */
  readonly dropsLog: boolean;
  /** Where the durable state ends from here on; null where it is as before. */
  readonly snapshot: StoredSnapshot | null;
  /** Entries from this index on go; null for none. */
  readonly truncateFrom: number | null;
  /** Consecutive, following on what is there then; after `dropsLog` on the snapshot. */
  readonly entries: readonly StoredLogEntry[];
  /** Entries up to this index go, which the snapshot then contains; null for none. */
  readonly compactTo: number | null;
  readonly aside: StoredAside | null;
  readonly state: StoredStateChange | null;
  /** Records to keep for ever, by log index; none ever goes, and one that is there already stays as it is. */
  readonly audit: readonly (readonly [index: number, record: Uint8Array])[];
}

/** One step of all groups of a node: all of it is on disk or none. */
export interface QuorumBatch {
  readonly groups: readonly QuorumGroupBatch[];
}

/** What is on disk of one group, all of it checked against its checksums. */
export interface QuorumImage {
  /** Null for a group that never promised anything here. */
  readonly hardState: StoredHardState | null;
  /** Consecutive. The first is 1 or at most the one after `snapshot`. */
  readonly log: readonly StoredLogEntry[];
  readonly snapshot: StoredSnapshot | null;
  /** Every key of the state machine. May be walked once; throws STORE at a damaged one. */
  readonly state: Iterable<readonly [key: Uint8Array, state: Uint8Array]>;
  /** What it keeps beside them. May be walked once; throws STORE at a damaged one. */
  readonly rows: Iterable<readonly [key: Uint8Array, row: Uint8Array]>;
  readonly stateMeta: Uint8Array | null;
  /** The newest audit record, which the next one's chain goes on from. */
  readonly lastAudit: readonly [index: number, record: Uint8Array] | null;
}

/**
 * The durable store of all quorum groups of one node. `commit` may be called while another commit is on its way: what waits goes
 * to disk together, in order; `done` is called once it is there, never before `commit` returns. The bytes of a batch must not change until
 * then. Commits that bring promises alone (hard state, entries, what goes of the log) are done in order, and so are those that bring more;
 * the first may pass the second, and be found after a crash without them, but never one that they build on in the same group. After one failure everything is refused with STORE: a voter must not go on with less
 * than it promised, and what a failed flush left on disk is not known.
 */
export interface QuorumStore {
  /** The names of all groups that have anything here, in order. */
  groups(): readonly string[];
  /** Empty for a group that was never committed. Throws STORE where it is damaged. */
  load(group: string): QuorumImage;
  /** The audit records of a group from an index on, in order. Throws STORE at a damaged one. */
  audit(group: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]>;
  commit(batch: QuorumBatch, done: (error: CausewayError | null) => void): void;
  /** Finishes the commits on their way. */
  close(done: () => void): void;
}

/**
 * A durable number outside the quorum's folder that goes on in step with one inside: when only one of the two was put back from
 * a backup, or lost, they no longer agree.
 */
export interface QuorumWitness {
  /** The mark set last, 0 for none. */
  quorumMark(): number;
  /** On disk before it returns. */
  setQuorumMark(mark: number): void;
}

/** What a key shows in the second level; `gone` takes it away. */
export type SecondLevelKind = 'string' | 'hash' | 'set' | 'gone';

/** One key as the second level is to show it. */
export interface SecondLevelWrite {
  /** Latin1, without the prefix that the second level puts before it. */
  readonly key: string;
  readonly kind: SecondLevelKind;
  /** A string: its value. A hash: field, value, field … A set: its members. They must not change until the write is done. */
  readonly parts: readonly Uint8Array[];
  /** Unix milliseconds, Infinity for never. */
  readonly expiresAtMs: number;
  /** `stamp-origin-seq` of the write that a plain string shows; empty for all else. */
  readonly version: string;
  /** Rises with every write of one holder. */
  readonly seq: number;
}

/**
 * What became of a write: it is there; all of it was there; a later one of the same holder is there; a later holder's is there; it came
 * when the lease was over; another holder before wrote a later version; or the second level refused it.
 */
export type SecondLevelVerdict = 'written' | 'same' | 'old' | 'fenced' | 'late' | 'newer' | 'refused';

/** Whether this node is the one that writes. */
export interface SecondLevelLease {
  readonly isHeld: boolean;
  /** The number of the holder's time in office: each later holder has a higher one. */
  readonly epoch: number;
  /** Until when writes are taken, by the second level's own clock. */
  readonly untilMs: number;
  /** Changes when the second level may have lost something: another process answers now. */
  readonly identity: string;
}

/** A value as it was mirrored, found unchanged. */
export interface SecondLevelValue {
  readonly value: Uint8Array;
  readonly version: string;
  readonly expiresAtMs: number;
}

export type SecondLevelDone<T> = (error: CausewayError | null, result: T | null) => void;

/**
 * A store beside the node that may be slow, away, restarted empty, or written by others. Every call ends, within a bound, by `done`: never
 * before it returns. Calls are refused at once where the ones before have failed.
 */
export interface SecondLevel {
  /** Takes or keeps the right to write. An epoch that is given is at least `epochMin`. */
  hold(epochMin: number, done: SecondLevelDone<SecondLevelLease>): void;
  /** Verdicts in the order of the writes. `isRepair` asks for what is there to be compared first. */
  write(
    writes: readonly SecondLevelWrite[],
    lease: SecondLevelLease,
    isRepair: boolean,
    done: SecondLevelDone<readonly SecondLevelVerdict[]>,
  ): void;
  /** The values of keys, null where there is none, it is not ours, or it is no plain string. */
  read(keys: readonly string[], done: SecondLevelDone<readonly (SecondLevelValue | null)[]>): void;
  /** About `count` keys that were mirrored from a cursor on ('' begins); the next cursor, null at the end. */
  scan(
    cursor: string,
    count: number,
    done: SecondLevelDone<{ readonly keys: readonly string[]; readonly next: string | null }>,
  ): void;
  /** Tells who listens on a channel. */
  publish(channel: string, message: string, done: SecondLevelDone<number>): void;
  /** Gives up the right to write and the connections. */
  close(done: () => void): void;
}
