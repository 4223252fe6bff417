import type { ByteWriter } from './bytes.ts';

/** The longest: 53 bits by seven. */
const VARINT_BYTES_MAX = 8;
/** What has more bits does not go through 32-bit operators. */
const SHORT_MAX = 0x7fff_ffff;

/** Writes a whole number from 0 to `MAX_SAFE_INTEGER`, seven bits a byte, the lowest first; all bytes but the last have their high bit set. */
export function writeVarint(writer: ByteWriter, value: number): void {
  // by far the most
  if (value <= 0x7f) writer.byte(value);
  else writeLong(writer, value);
}

function writeLong(writer: ByteWriter, value: number): void {
  writer.reserve(VARINT_BYTES_MAX);
  const { buf } = writer;
  let at = writer.length;
  let rest = value;
  for (; rest > SHORT_MAX; rest = Math.floor(rest / 0x80)) buf[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) buf[at++] = (rest & 0x7f) | 0x80;
  buf[at++] = rest;
  writer.length = at;
}

/** A place in bytes from which numbers are read one after the other, without an object a number. */
export class VarintCursor {
  buf: Uint8Array;
  at: number;

  constructor(buf: Uint8Array, at: number) {
    this.buf = buf;
    this.at = at;
  }

  /** The next number; −1 where the bytes end within it or it is beyond a safe integer, and the place is then of no meaning. */
  next(): number {
    const byte = this.buf[this.at] as number;
    // by far the most: one comparison, which bytes that are not there do not pass either
    if (byte < 0x80) {
      this.at++;
      return byte;
    }
    return this.#nextLong();
  }

  #nextLong(): number {
    const { buf } = this;
    let at = this.at;
    let value = 0;
    for (let weight = 1; weight <= 2 ** 49; weight *= 0x80) {
      const byte = buf[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * weight;
      if (byte >= 0x80) continue;
      this.at = at;
      return value <= Number.MAX_SAFE_INTEGER ? value : -1;
    }
    return -1;
  }
}
