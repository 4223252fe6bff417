import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import type { LocalTransaction } from '../../src/keyspace/local-transaction.ts';
import { originOfLetter, type Transaction } from '../properties/values/transaction.ts';
import { START_MS, stampAt, VirtualReplica } from '../properties/values/virtual-replica.ts';

/** Writes as commands make them, with texts for keys, fields and values. Times are milliseconds of the schedule. */
export class ScheduledWrites {
  readonly #tx: LocalTransaction;

  constructor(tx: LocalTransaction) {
    this.#tx = tx;
  }

  set(key: string, value: string, expireAtMs = Infinity): this {
    this.#tx.set(bytes(key), 0, bytes(value), START_MS + expireAtMs);
    return this;
  }

  setKeepingExpiry(key: string, value: string): this {
    this.#tx.setKeepingExpiry(bytes(key), 0, bytes(value));
    return this;
  }

  fill(key: string, value: string, stamp: Stamp, expireAtMs = Infinity): this {
    this.#tx.fill(bytes(key), 0, bytes(value), START_MS + expireAtMs, stamp);
    return this;
  }

  /** A removal of a key that shows nothing. */
  invalidate(key: string): this {
    this.#tx.invalidate(bytes(key), 0);
    return this;
  }

  del(key: string): this {
    this.#tx.delete(bytes(key), 0);
    return this;
  }

  incr(key: string, by = 1): this {
    this.#tx.increment(bytes(key), 0, BigInt(by));
    return this;
  }

  /** Adds thousandths. */
  incrDecimal(key: string, thousandths: number): this {
    this.#tx.incrementDecimal(bytes(key), 0, BigInt(thousandths) * 10n ** 14n);
    return this;
  }

  expire(key: string, atMs: number): this {
    this.#tx.expire(bytes(key), 0, START_MS + atMs);
    return this;
  }

  persist(key: string): this {
    this.#tx.expire(bytes(key), 0, Infinity);
    return this;
  }

  hset(key: string, field: string, value: string): this {
    this.#tx.hashSet(bytes(key), 0, bytes(field), bytes(value));
    return this;
  }

  hdel(key: string, field: string): this {
    this.#tx.hashDelete(bytes(key), 0, bytes(field));
    return this;
  }

  hincr(key: string, field: string, by: number): this {
    this.#tx.hashIncrement(bytes(key), 0, bytes(field), BigInt(by));
    return this;
  }

  sadd(key: string, member: string): this {
    this.#tx.setAdd(bytes(key), 0, bytes(member));
    return this;
  }

  srem(key: string, member: string): this {
    this.#tx.setRemove(bytes(key), 0, bytes(member));
    return this;
  }

  /** Writes that have no short form here. */
  with(run: (tx: LocalTransaction) => void): this {
    run(this.#tx);
    return this;
  }

  flushAll(): this {
    this.#tx.flushAll();
    return this;
  }
}

const bytes = (text: string): ByteRange => latin1Range(text);

/**
 * A schedule of the rules: nodes A, B, C … that write and receive as told, on real keyspaces, so that every effect is the one
 * that a node makes in that state. What comes out is the set of transactions, to be applied in every other order.
 */
export class Schedule {
  readonly #nodes: Map<string, VirtualReplica> = new Map();
  readonly transactions: Transaction[] = [];

  constructor(nodes = 'ABC') {
    for (const letter of nodes) this.#nodes.set(letter, new VirtualReplica(originOfLetter(letter), 0));
  }

  node(letter: string): VirtualReplica {
    const node = this.#nodes.get(letter);
    if (node === undefined) throw new Error(`the schedule has no node ${letter}`);
    return node;
  }

  /** A transaction of a node at a time, which is its stamp's. */
  write(letter: string, atMs: number, run: (writes: ScheduledWrites) => void): this {
    const node = this.node(letter);
    node.seeStamp((stampAt(atMs) - 1) as Stamp);
    const transaction = node.transact((tx) => run(new ScheduledWrites(tx)));
    if (transaction === null) throw new Error(`${letter} wrote nothing at ${atMs}`);
    if (transaction.stamp !== stampAt(atMs)) throw new Error(`${letter} had already seen later than ${atMs}`);
    this.transactions.push(transaction);
    return this;
  }

  /** A node receives all that others have, as far as they have it now: `receive('C', 'AB')`. */
  receive(letter: string, from: string): this {
    const node = this.node(letter);
    const known = new Set(from.split('').flatMap((other) => [...this.node(other).history]));
    for (const transaction of this.transactions)
      if (known.has(transaction) && node.canApply(transaction)) node.apply(transaction);
    return this;
  }

  /** Everyone receives everything. */
  sync(): this {
    const all = [...this.#nodes.keys()];
    for (const letter of all) this.receive(letter, all.join(''));
    return this;
  }

  /** Time passes on every clock, up to the given one. */
  passTo(atMs: number): this {
    for (const node of this.#nodes.values()) node.passMs(START_MS + atMs - Math.min(node.nowMs, START_MS + atMs));
    for (const node of this.#nodes.values()) node.seeStamp(stampAt(atMs));
    return this;
  }

  /** These nodes hear what all have and forget and purge what they may. */
  forget(letters: string): this {
    const members = [...this.#nodes.values()].map((node) => node.origin);
    const rows = [...this.#nodes.values()].map((node) => ({ origin: node.origin, row: node.row() }));
    for (const letter of letters) {
      const node = this.node(letter);
      for (const { origin, row } of rows) node.hear(origin, row);
      // a key that waits for all of its transactions to be stable takes three looks: fence, quiet, gone
      for (let look = 0; look < 3; look++) {
        node.raiseStable(members);
        node.purge(members);
      }
    }
    return this;
  }
}
