import type { ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { CausewayError } from '../errors.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';
import type { NodeView } from './node-view.ts';

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

/** What the dispatcher runs commands on: the node, seen from its clients. Everything is synchronous. */
export interface Engine {
  readonly node: NodeView;
  readonly keys: KeyspaceReader;
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
  /** Why a command cannot run now (LOADING, CLOCKSKEW, …), null when it can. */
  refusal(write: boolean, allowedWhileLoading: boolean): CausewayError | null;
  /** Tells `events` from now on. Once. */
  listen(events: EngineEvents): void;
}
