import type { ByteRange } from '../base/bytes.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import type { NodeView } from './node-view.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';

/**
 * The arguments of one request, read through a cursor over the receive buffer. Argument 0 is the command's name.
 * The views are the parser's own, one an index: good until the command returns, never kept.
 */
export interface Args {
  readonly count: number;
  /** What the keyspace's `hashOf` gives for argument 1, where that is known already, else 0. */
  readonly keyHash: number;
  /** A view of argument `index`, 0 ≤ index < count; the same object for the same index. */
  range(index: number): ByteRange;
  /** Argument `index` as a latin1 string (for names, options and numbers, not for values). */
  text(index: number): string;
  /** Argument `index` in ASCII upper case, for option words. */
  word(index: number): string;
}

/**
 * Writes one reply, RESP2 or RESP3 as the connection asked. Headers say how many elements follow; in RESP2 a map is an
 * array of twice the size, a double a bulk string, a boolean an integer, a null `$-1` and so on.
 */
export interface Reply {
  readonly respVersion: 2 | 3;
  /** A position to which `truncate` takes the output back. */
  mark(): number;
  truncate(mark: number): void;
  /** Takes out what was written between two marks; what came after it stays. Nothing where that has left already. */
  retract(from: number, to: number): void;
  /** Bytes that are replies already, in this connection's protocol. */
  raw(buf: Uint8Array, start: number, end: number): void;
  /** `+OK` */
  ok(): void;
  simple(text: string): void;
  /** `-CODE message`; CR and LF become spaces. */
  error(code: string, message: string): void;
  integer(value: number | bigint): void;
  bulk(value: ByteRange): void;
  /** A bulk string of latin1 text. */
  bulkText(text: string): void;
  null(): void;
  /** RESP2 `*-1`, RESP3 `_`. */
  nullArray(): void;
  array(length: number): void;
  map(pairs: number): void;
  set(length: number): void;
  push(length: number): void;
  double(value: number): void;
  boolean(value: boolean): void;
  verbatim(text: string): void;
}

/** What a command runs in. One context a request; the time stands still within a command and within an EXEC. */
export interface CommandContext {
  /** Unix milliseconds: max(clock, HLC), what expiry is judged by. */
  readonly nowMs: number;
  /** A number in [0, 1) from the node's injected entropy. */
  random(): number;
  readonly args: Args;
  readonly reply: Reply;
  readonly keys: KeyspaceReader;
  readonly tx: TransactionWriter;
  readonly session: Session;
  readonly node: NodeView;
  readonly server: ServerState;
  /** Whether this is where the log of a quorum group is applied: what is found here is found everywhere (RULES T1). */
  readonly isInLog: boolean;
  /** The longest string that a command may make, in bytes. */
  readonly bulkBytesMax: number;
  /** A key was looked up to be read: a hit or a miss. */
  countLookup(key: ByteRange, isHit: boolean): void;
  /** A keyspace notification, Redis's class letter (`g $ s h x` …) and event name, e.g. ('$', 'append', key). */
  notify(classLetter: string, event: string, key: ByteRange): void;
}
