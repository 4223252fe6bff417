import type { ByteRange } from '../base/bytes.ts';
import type { Stamp } from '../clock/stamp.ts';
import { NO_SLOT, type KeyspaceReader, type Slot, type TransactionWriter } from '../keyspace/keyspace.ts';
import type { Operation } from '../crdt/document-edits.ts';
import type { KeyspaceNotifier } from './keyspace-notifier.ts';

/**
 * Passes writes on and tells of keys that they bring into being: the class `n` of notifications. It looks at every key
 * before it is written, so it is only put in the way while that class is asked for.
 */
export class NewKeyWriter implements TransactionWriter {
  readonly #tx: TransactionWriter;
  readonly #nowMs: number;
  readonly #keys: KeyspaceReader;
  readonly #notifier: KeyspaceNotifier;

  constructor(tx: TransactionWriter, nowMs: number, keys: KeyspaceReader, notifier: KeyspaceNotifier) {
    this.#tx = tx;
    this.#nowMs = nowMs;
    this.#keys = keys;
    this.#notifier = notifier;
  }

  #announce(key: ByteRange, hash: number): void {
    if (this.#keys.find(key, hash, this.#nowMs) === NO_SLOT) this.#notifier.notify('n', 'new', key);
  }

  set(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number): void {
    this.#announce(key, hash);
    this.#tx.set(key, hash, value, expireAtMs);
  }

  setKeepingExpiry(key: ByteRange, hash: number, value: ByteRange): void {
    this.#announce(key, hash);
    this.#tx.setKeepingExpiry(key, hash, value);
  }

  delete(key: ByteRange, hash: number): void {
    this.#tx.delete(key, hash);
  }

  fill(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number, stamp: Stamp): void {
    this.#tx.fill(key, hash, value, expireAtMs, stamp);
  }

  invalidate(key: ByteRange, hash: number): void {
    this.#tx.invalidate(key, hash);
  }

  increment(key: ByteRange, hash: number, delta: number | bigint, slot?: Slot): void {
    this.#announce(key, hash);
    this.#tx.increment(key, hash, delta, slot);
  }

  incrementDecimal(key: ByteRange, hash: number, deltaUnits: bigint): void {
    this.#announce(key, hash);
    this.#tx.incrementDecimal(key, hash, deltaUnits);
  }

  expire(key: ByteRange, hash: number, atMs: number): void {
    this.#tx.expire(key, hash, atMs);
  }

  hashSet(key: ByteRange, hash: number, field: ByteRange, value: ByteRange, slot?: Slot): boolean {
    this.#announce(key, hash);
    return this.#tx.hashSet(key, hash, field, value, slot);
  }

  hashDelete(key: ByteRange, hash: number, field: ByteRange): void {
    this.#tx.hashDelete(key, hash, field);
  }

  hashIncrement(key: ByteRange, hash: number, field: ByteRange, delta: bigint): void {
    this.#announce(key, hash);
    this.#tx.hashIncrement(key, hash, field, delta);
  }

  hashIncrementDecimal(key: ByteRange, hash: number, field: ByteRange, deltaUnits: bigint): void {
    this.#announce(key, hash);
    this.#tx.hashIncrementDecimal(key, hash, field, deltaUnits);
  }

  setAdd(key: ByteRange, hash: number, member: ByteRange, slot?: Slot): boolean {
    this.#announce(key, hash);
    return this.#tx.setAdd(key, hash, member, slot);
  }

  setRemove(key: ByteRange, hash: number, member: ByteRange): void {
    this.#tx.setRemove(key, hash, member);
  }

  documentSet(key: ByteRange, hash: number, json: ByteRange): void {
    this.#announce(key, hash);
    this.#tx.documentSet(key, hash, json);
  }

  documentEdit(key: ByteRange, hash: number, operations: readonly Operation[]): void {
    this.#tx.documentEdit(key, hash, operations);
  }

  flushAll(): void {
    this.#tx.flushAll();
  }

  publish(channel: ByteRange, message: ByteRange): void {
    this.#tx.publish(channel, message);
  }
}
