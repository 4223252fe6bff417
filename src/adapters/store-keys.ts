import { createHash } from 'node:crypto';

/**
 * How an entry's key becomes a key of the store, whose keys are never empty and have at most 1978 bytes, while ours have
 * 0 … 512 KiB. A short key is stored as it is behind a mark; a long one under its digest, and its value begins with the
 * whole key.
 *
 *     short:  key = 00 ‖ key                      value = state
 *     long:   key = 01 ‖ SHA-256(key), 32 bytes   value = length of key, 4 bytes big endian ‖ key ‖ state
 */
const STORE_KEY_BYTES_MAX = 1978;
const MARK_SHORT = 0;
const MARK_LONG = 1;
const LENGTH_BYTES = 4;

/** Bytes written one after the other into one block, so that a batch is one allocation for the store to look at. */
export class BatchBlock {
  #bytes: Buffer;
  #used = 0;

  constructor(capacityBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** A copy of the parts, one after the other, that stays as it is until the block is dropped. */
  add(...parts: readonly Uint8Array[]): Buffer {
    let length = 0;
    for (const part of parts) length += part.length;
    if (this.#used + length > this.#bytes.length) {
      // What was handed out before keeps the old block alive.
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(length, this.#bytes.length));
      this.#used = 0;
    }
    const start = this.#used;
    for (const part of parts) {
      this.#bytes.set(part, this.#used);
      this.#used += part.length;
    }
    return this.#bytes.subarray(start, this.#used);
  }
}

/** The store's key for a key of ours. */
export function storeKeyOf(key: Uint8Array): Uint8Array {
  const isShort = key.length < STORE_KEY_BYTES_MAX;
  const body = isShort ? key : createHash('sha256').update(key).digest();
  const stored = new Uint8Array(1 + body.length);
  stored[0] = isShort ? MARK_SHORT : MARK_LONG;
  stored.set(body, 1);
  return stored;
}

/** The store's value for a key of ours and its state. */
export function storeValueOf(key: Uint8Array, state: Uint8Array, block: BatchBlock): Uint8Array {
  if (key.length < STORE_KEY_BYTES_MAX) return block.add(state);
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, key.length);
  return block.add(length, key, state);
}

/** Our key and its state from what the store holds; null when it cannot have been written by `storeKeyOf` and `storeValueOf`. */
export function readStored(storeKey: Uint8Array, value: Uint8Array): [key: Uint8Array, state: Uint8Array] | null {
  if (storeKey[0] === MARK_SHORT) return [storeKey.slice(1), value];
  if (storeKey[0] !== MARK_LONG || value.length < LENGTH_BYTES) return null;
  const keyEnd = LENGTH_BYTES + new DataView(value.buffer, value.byteOffset).getUint32(0);
  if (keyEnd > value.length) return null;
  return [value.slice(LENGTH_BYTES, keyEnd), value.slice(keyEnd)];
}
