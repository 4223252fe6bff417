import type { ByteRange } from '../base/bytes.ts';
import type { KeyClass } from '../classes/key-class.ts';
import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { CausewayError } from '../errors.ts';
import type { MemoryView } from '../keyspace/eviction/memory-limit.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';
import type { NodeView } from './node-view.ts';
import type { WrittenKeys } from './written-keys.ts';

/** A keyspace notification that a change causes: Redis's class letter and event name, as ('$', 'set'). */
export interface ChangeEvent {
  readonly classLetter: string;
  readonly event: string;
}

/** What the engine says as it happens, inside `transact` or an apply of another node's transaction. Views are good for the call. */
export interface EngineEvents {
  /**
   * A key's visible state changed, here or by another node. `event` names the notification of a change that no command
   * of this node announces by itself: a remote update, an expired key that was found. It is null for a command's own update.
   * A key that expired (class `x`) has not changed for those who watch it: EXEC judges that by the time.
   */
  keyChanged(key: ByteRange, event: ChangeEvent | null): void;
  /** FLUSHALL was applied, here or by another node. */
  flushed(): void;
  /** A PUBLISH was applied, here or by another node. */
  message(channel: ByteRange, message: ByteRange): void;
}

/** A load from outside that has begun. */
export interface Load {
  /** Latin1. */
  readonly key: string;
  /** The place in the order of writes of what it brings. */
  readonly stamp: Stamp;
}

/**
 * What became of what a load brought: it is kept; the key was changed here since the load began, so that it may be too old; or it is not to be kept, because
 * something that was there before is later in the order (a removal of the last moments), or the key shows no string, or nothing may be written now.
 */
export type LoadEnd = 'kept' | 'changed' | 'refused';

/** What a fill is part of: an open transaction, and the tags (latin1) that its key gets with it. */
export interface FillPlace {
  readonly tx: TransactionWriter;
  readonly tags: readonly string[];
}

/** Loads on their way (SPEC V8). */
export interface LoadsInFlight {
  /** A load of a key begins: before anything is asked. To be ended. `nowMs` is the time that commands run at. */
  begin(key: ByteRange, nowMs: number): Load;
  /** Whether what a load brings would not be too old by now: nothing was done to its key since it began. */
  isGood(load: Load, nowMs: number): boolean;
  /** How long ago, at least, the load began that brought what has this stamp. */
  ageMs(stamp: number, nowMs: number): number;
  /** How long what a load brought for a key of a class is fresh, where the class says that by the key's changes; else what all its other keys have. */
  ttlMsOf(keyClass: KeyClass, key: ByteRange, value: ByteRange, nowMs: number): number | null;
  /** A load is over. `value` null where it brought nothing; then it tells `changed` or `refused`. The fill is a transaction of its own where no place is given. */
  end(load: Load, value: ByteRange | null, expireAtMs: number, nowMs: number, place?: FillPlace): LoadEnd;
}

/** What the dispatcher runs commands on: the node, seen from its clients. Everything is synchronous. */
export interface Engine {
  readonly node: NodeView;
  readonly keys: KeyspaceReader;
  readonly loads: LoadsInFlight;
  readonly writes: WrittenKeys;
  /** What the keyspace takes and may take. */
  readonly memory: MemoryView;
  /** The origin of the transactions made now. */
  readonly origin: Origin;
  /** Keys that this node found to be expired since it started. */
  readonly expiredKeys: number;
  /** The time that commands run at, Unix milliseconds: max(clock, HLC). Never goes back. */
  nowMs(wallMs: number): number;
  /**
   * Calls `run` once and at once; what it writes is applied as it goes and is one transaction of `origin`. Returns the sequence of
   * that transaction, 0 when nothing was written. An error of `run` passes through; what was written before it stands.
   */
  transact(nowMs: number, run: (tx: TransactionWriter, nowMs: number) => void): number;
  /**
   * Adds the dots of all that is read from now on to `reader` (SPEC S1); null ends that. `byClass` leaves out the keys whose class says
   * that their reads are not carried along.
   */
  readFor(reader: DotSink | null, byClass: boolean): void;
  /** Inside `keyChanged`: the transaction that changed the key; null for what is none, as time, or a key that never leaves this node. */
  changing(key: ByteRange): Dot | null;
  /** Why a command cannot run now (LOADING, CLOCKSKEW, …), null when it can. */
  refusal(write: boolean, allowedWhileLoading: boolean): CausewayError | null;
  /** Tells `events` from now on. Once. */
  listen(events: EngineEvents): void;
}
