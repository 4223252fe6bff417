import type { ByteRange } from '../base/bytes.ts';
import type { DeliveryTarget, HeldChunk } from '../causal/hold-back.ts';
import type { Chunk } from '../causal/op-log.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { Update, UpdateKind, type UpdateContext } from '../crdt/update.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { AppliedAhead } from './applied-ahead.ts';
import { isExpiry } from './change-events.ts';
import type { ClosedIncarnations } from './closed-incarnations.ts';
import type { OwnStream } from './own-stream.ts';
import type { Invalidations } from './invalidations.ts';

/** Keys of a change of many that are put in their places in a turn: few enough that nobody waits for them. */
const MADE_A_TURN = 500;
/** What an update of a document counts for: Yjs merges it. */
const DOCUMENT_COST = 50;

export interface DeliveryEvents {
  /** So many transactions of others were applied. */
  applied(count: number): void;
  /** A message was published elsewhere. */
  message(channel: Update['field'], message: Update['value']): void;
  /** An update was applied that is more than a change of its key. */
  readonly invalidations: Pick<Invalidations, 'concerns' | 'heard'>;
}

/** The transaction that is being applied: one record for all of them, good while it is. */
class AppliedTransaction implements UpdateContext {
  origin: Origin = 0 as Origin;
  seq = 0;
  stamp: Stamp = 0 as Stamp;
  deps: VersionVector;

  constructor(deps: VersionVector) {
    this.deps = deps;
  }
}

/** Applies others' transactions to the keyspace as their causes come, so many updates a turn: the rest goes on in the next one. */
export class Delivery implements DeliveryTarget {
  readonly #replica: Replica;
  readonly #keyspace: SlabKeyspace;
  readonly #closed: ClosedIncarnations;
  readonly #events: DeliveryEvents;
  readonly #update: Update = new Update();
  readonly #ahead: AppliedAhead;
  readonly #transaction: AppliedTransaction;
  readonly #apply = (update: Update): void => this.#applyUpdate(update);
  #left: number;
  #cost = 0;
  #isBehind = false;
  /** What changes the keyspace at the moment: notifications differ. */
  applying: 'own' | 'remote' | 'expiry' = 'own';

  constructor(replica: Replica, keyspace: SlabKeyspace, closed: ClosedIncarnations, events: DeliveryEvents) {
    this.#replica = replica;
    this.#keyspace = keyspace;
    this.#ahead = new AppliedAhead(keyspace);
    this.#closed = closed;
    this.#events = events;
    this.#transaction = new AppliedTransaction(replica.vector);
    this.#left = replica.limits.appliedPerTurn;
  }

  /** Whether something could be applied that was left for the next turn. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Whether what concerns all keys goes on in the next turn. */
  get hasMore(): boolean {
    return this.#keyspace.pending.isOpen || this.#keyspace.digests.isOpen;
  }

  /** Delivers what can be, as far as this turn goes. */
  deliver(now: Now): void {
    const { holdBack, vector, closedHere } = this.#replica;
    // what was left may have come another way meanwhile, with a snapshot
    if (holdBack.bytes === 0) this.#isBehind = false;
    else this.#isBehind = this.#left <= 0 || holdBack.drain(vector, closedHere, now, this.#left, this);
    this.applying = 'own';
  }

  /** The turn is over: what was left in it is gone on with, and the next one has its own budget. */
  endTurn(now: Now, pace: number): void {
    if (this.#isBehind) this.deliver(now);
    this.#replica.pace = pace;
    this.#left = Math.ceil(this.#replica.limits.appliedPerTurn * pace);
    this.#keyspace.pending.advance(Math.ceil(MADE_A_TURN * pace));
    this.#keyspace.digests.step(pace);
  }

  /** The transaction that changes a key now, others' or the own; null for what is none, and for a key that never leaves this node. */
  changing(key: ByteRange, own: OwnStream): Dot | null {
    if (this.#keyspace.kinds.isWeak(key)) return null;
    if (this.applying !== 'own') return this.#transaction;
    return own.isOpen ? own.open() : null;
  }

  // ── DeliveryTarget ──

  running(origin: Origin): VersionVector {
    return this.#replica.running(origin);
  }

  deliverNext(held: HeldChunk, deps: VersionVector): number {
    const transaction = this.#transaction;
    transaction.origin = held.chunk.origin;
    transaction.seq = held.nextSeq;
    transaction.stamp = held.reader.stamp;
    transaction.deps = deps;
    this.#cost = 1;
    this.#ahead.begin(held.reader);
    held.reader.next(this.#update, this.#apply);
    this.#left -= this.#cost;
    return this.#cost;
  }

  delivered(origin: Origin, last: number, count: number, stamp: Stamp): void {
    this.#replica.vector.raise(origin, last);
    this.#replica.clock.see(stamp);
    this.#events.applied(count);
  }

  done(chunk: Chunk): void {
    this.#ahead.end();
    this.#replica.log.append(chunk);
  }

  #applyUpdate(update: Update): void {
    const { kind } = update;
    this.#ahead.hash(update);
    this.#cost += kind >= UpdateKind.DocumentSet ? DOCUMENT_COST : 1;
    if (kind === UpdateKind.CloseIncarnations) this.#closed.note(update.atMs, this.#transaction);
    this.applying = isExpiry(update, this.#transaction, this.#keyspace) ? 'expiry' : 'remote';
    this.#keyspace.apply(update, this.#transaction);
    if (kind === UpdateKind.Publish) this.#events.message(update.field, update.value);
    const { invalidations } = this.#events;
    if (invalidations.concerns(update, this.#transaction)) invalidations.heard(update, this.#transaction);
  }
}
