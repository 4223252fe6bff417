import type { ByteRange } from '../base/bytes.ts';
import type { Update, UpdateContext } from '../crdt/update.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';

/** Is told of writes as they are made and come in. Views are good for the call. */
export interface WriteListener {
  /** A transaction of this node has one more update, which is not applied yet. */
  made(update: Update): void;
  /** The open transaction is about to be closed: what is written by `tx` is a part of it. */
  beforeClose(tx: TransactionWriter, context: UpdateContext, nowMs: number): void;
  /** A key shows something else by the hand of another node, or by what this one did by itself; null for any key. An expiry has no update. */
  came(key: ByteRange | null, update: Update | null): void;
}

/** Writes of a node, for what is done about them elsewhere. */
export interface WrittenKeys {
  /** Null where nobody asks. */
  listener: WriteListener | null;
  /** Whether this node's disk has a transaction of this node. */
  isDurable(seq: number): boolean;
  /** Unix milliseconds: whatever is applied here from now on was written later. */
  floorMs(): number;
  /** Of the members: rises with each change of them. */
  readonly epoch: number;
  /** Unix milliseconds: after the last write of this node's earlier lives; 0 where there were none. */
  readonly earlierUntilMs: number;
  /** How far clocks may be apart. */
  readonly skewMs: number;
}
