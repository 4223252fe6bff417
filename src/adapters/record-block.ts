import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';

export const NUMBER_BYTES = 6;
const NUMBER_LIMIT = 2 ** 48;
export const CRC_BYTES = 4;

const PIECE_BYTES = 256 * 1024;

/** Terms and indexes: 6 bytes, big endian. */
export function writeNumber(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value < NUMBER_LIMIT, 'terms and indexes count up from 0');
  const high = Math.floor(value / 2 ** 32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  bytes[at + 2] = value >>> 24;
  bytes[at + 3] = value >>> 16;
  bytes[at + 4] = value >>> 8;
  bytes[at + 5] = value;
}

export function numberAt(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2);
}

/**
 * The values of one batch, written one after the other into one block: an allocation for each would cost more than the rest. Each
 * begins with a CRC-32 over what follows, seeded by its key, so that it is not taken for another's.
 */
export class RecordBlock {
  #bytes: Buffer;
  #start = 0;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Begins a value whose body has at most so many bytes. */
  begin(bodyBytesMax: number): this {
    // What was handed out before keeps the old bytes alive.
    if (this.#at + CRC_BYTES + bodyBytesMax > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(CRC_BYTES + bodyBytesMax, this.#bytes.length));
      this.#at = 0;
    }
    this.#start = this.#at;
    this.#at += CRC_BYTES;
    return this;
  }

  byte(value: number): this {
    this.#bytes[this.#at] = value;
    this.#at += 1;
    return this;
  }

  number(value: number): this {
    writeNumber(this.#bytes, this.#at, value);
    this.#at += NUMBER_BYTES;
    return this;
  }

  copy(part: Uint8Array): this {
    this.#bytes.set(part, this.#at);
    this.#at += part.length;
    return this;
  }

  /** The value. */
  end(seed: number): Uint8Array {
    const sum = crc32(this.#bytes.subarray(this.#start + CRC_BYTES, this.#at), seed);
    this.#bytes.writeUInt32BE(sum, this.#start);
    return this.#bytes.subarray(this.#start, this.#at);
  }
}

/** The body of a value, a view of plain bytes; null where it is not what was written with this seed. */
export function bodyOf(value: Uint8Array, seed: number): Uint8Array | null {
  if (value.length < CRC_BYTES) return null;
  const body = new Uint8Array(value.buffer, value.byteOffset + CRC_BYTES, value.length - CRC_BYTES);
  const sum = new DataView(value.buffer, value.byteOffset).getUint32(0);
  return crc32(body, seed) === sum ? body : null;
}

/** Bytes for blocks, cut from larger pieces: memory outside the heap is dear to get and to collect. */
export class BlockPool {
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;

  take(bytes: number): Buffer {
    if (bytes > PIECE_BYTES / 4) return Buffer.allocUnsafeSlow(bytes);
    if (this.#at + bytes > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      this.#at = 0;
    }
    this.#at += bytes;
    return this.#piece.subarray(this.#at - bytes, this.#at);
  }
}
