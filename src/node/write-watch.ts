import type { ByteRange } from '../base/bytes.ts';
import type { Replica } from '../causal/replica.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { WriteListener, WrittenKeys } from '../commands/written-keys.ts';
import type { Update, UpdateContext } from '../crdt/update.ts';
import type { LocalTransaction } from '../keyspace/local-transaction.ts';

/** Tells a listener, where there is one, of this node's writes within their transaction, and of what comes from elsewhere. */
export class WriteWatch implements WrittenKeys {
  listener: WriteListener | null = null;
  readonly earlierUntilMs: number;
  readonly skewMs: number;
  readonly #replica: Replica;

  /** `stampBound`: above every stamp of earlier lives of the node; 0 for none. */
  constructor(replica: Replica, stampBound: number, skewMs: number) {
    this.#replica = replica;
    this.skewMs = skewMs;
    this.earlierUntilMs = stampBound === 0 ? 0 : msOfStamp(stampBound as Stamp);
  }

  isDurable(seq: number): boolean {
    return this.#replica.durable.contains(this.#replica.origin, seq);
  }

  get epoch(): number {
    return this.#replica.membership.epoch;
  }

  floorMs(): number {
    return msOfStamp(this.#replica.members.clockFloor());
  }

  made(update: Update): void {
    if (this.listener !== null) this.listener.made(update);
  }

  beforeClose(transaction: LocalTransaction, context: UpdateContext): void {
    if (this.listener !== null) this.listener.beforeClose(transaction, context, transaction.nowMs);
  }

  came(key: ByteRange | null, update: Update | null, isOwn: boolean): void {
    if (this.listener !== null && (!isOwn || key === null)) this.listener.came(key, update);
  }
}
