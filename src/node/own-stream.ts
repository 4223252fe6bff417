import { assert } from '../base/assert.ts';
import { ColumnsBuilder } from '../causal/columns.ts';
import type { ReplicationLimits } from '../causal/limits.ts';
import { FRAME_ROOM_BYTES } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Update, UpdateContext } from '../crdt/update.ts';
import { StampBound } from './stamp-bound.ts';

export interface OwnStreamOptions {
  readonly replica: Replica;
  readonly limits: ReplicationLimits;
  /** Above every stamp ever given out by this node in earlier lives; 0 for none. */
  readonly stampBound: number;
  /** Makes a higher bound durable before it returns (RELIABILITY 6.2). */
  readonly raiseStampBound: (stampBound: number) => void;
  /** A transaction was made. */
  readonly made: () => void;
}

const NOTHING: readonly [Origin, number][] = [];

/** One record for all transactions: whoever is given it has it while the transaction is open. */
class OwnTransaction implements UpdateContext {
  readonly origin: Origin;
  seq = 0;
  stamp: Stamp = 0 as Stamp;
  readonly deps: VersionVector;

  constructor(origin: Origin, deps: VersionVector) {
    this.origin = origin;
    this.deps = deps;
  }
}

/**
 * The stream of transactions of this node's own origin: dots, stamps and deps as they are given out, and the chunks that they become
 * at the end of a turn. No stamp above the durable bound is ever given out.
 */
export class OwnStream {
  readonly #options: OwnStreamOptions;
  readonly #replica: Replica;
  readonly #builder: ColumnsBuilder = new ColumnsBuilder();
  /** The running deps as the transaction made last had them: those of the own origin, for snapshots and the store too (RULES D1). */
  readonly #deps: VersionVector;
  #vectorChanged = false;
  /** The transaction that is open, or was last. */
  readonly #transaction: OwnTransaction;
  #isOpen = false;
  #wallMs = 0;
  #lastSeq = 0;
  #writtenSeq = 0;
  #builtFrom = 0;
  readonly bound: StampBound;

  constructor(options: OwnStreamOptions) {
    this.#options = options;
    this.#replica = options.replica;
    this.bound = new StampBound({
      stampBound: options.stampBound,
      raiseStampBound: options.raiseStampBound,
      clock: this.#replica.clock,
      skewMsMax: options.limits.skewMsMax,
    });
    this.#deps = this.#replica.running(this.#replica.origin);
    this.#transaction = new OwnTransaction(this.#replica.origin, this.#deps);
  }

  /** The sequence of the last transaction, 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The vector was raised by others' transactions: the next one depends on more. */
  noteVectorChanged(): void {
    this.#vectorChanged = true;
  }

  /** The wall clock by which the next transaction is stamped. */
  at(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** The transaction that is open, begun where none is. */
  open(): UpdateContext {
    const transaction = this.#transaction;
    if (this.#isOpen) return transaction;
    transaction.stamp = this.nextStamp(this.#wallMs);
    transaction.seq = this.#lastSeq + 1;
    if (this.#builder.transactionCount === 0) this.#builtFrom = transaction.seq;
    this.#builder.begin(transaction.stamp, this.#vectorChanged ? this.#seenSince() : NOTHING);
    this.#isOpen = true;
    return transaction;
  }

  /** What came of others since the transaction before. */
  #seenSince(): readonly [Origin, number][] {
    const { origin, vector } = this.#replica;
    const changes = vector.changesSince(this.#deps).filter(([other]) => other !== origin);
    for (const [other, known] of changes) this.#deps.raise(other, known);
    this.#vectorChanged = false;
    return changes;
  }

  record(update: Update): void {
    this.#builder.add(update);
  }

  /** Ends the open transaction. Says whether what was made is worth a chunk of its own. */
  close(): boolean {
    assert(this.#isOpen, 'a transaction is open');
    const { origin, seq } = this.#transaction;
    this.#isOpen = false;
    this.#lastSeq = seq;
    this.#writtenSeq = seq;
    this.#replica.vector.raise(origin, seq);
    this.#options.made();
    return this.#builder.contentBytes >= this.#options.limits.chunkBytesMax;
  }

  /** The sequence of the transaction that was closed since the last call, 0 for none. */
  takeWritten(): number {
    const seq = this.#writtenSeq;
    this.#writtenSeq = 0;
    return seq;
  }

  nextStamp(wallMs: number): Stamp {
    const stamp = this.#replica.clock.next(wallMs);
    this.bound.cover(stamp);
    return stamp;
  }

  /** The transactions since the last call become one chunk of the log, encoded once for all peers. */
  seal({ monotonicMs }: Now): void {
    if (this.#builder.transactionCount === 0) return;
    const { origin, chunkMemory } = this.#replica;
    const bytes = this.#builder.take(FRAME_ROOM_BYTES, chunkMemory);
    const [first, last] = [this.#builtFrom, this.#lastSeq];
    this.#replica.log.append({ origin, first, last, bytes, room: FRAME_ROOM_BYTES, atMs: monotonicMs });
  }
}
