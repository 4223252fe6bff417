import { writeLatin1, type ByteRange } from '../../base/bytes.ts';
import { REPLY_BYTES_MAX } from '../../base/client-limits.ts';
import { CopyTarget } from '../../base/copied-bytes.ts';
import { CausewayError } from '../../errors.ts';
import type { OutputChunks } from './output-chunks.ts';

const NONE = new CopyTarget(new Uint8Array(0));
const CR = 13;
const LF = 10;
const ZERO = 48;

const PLUS_SIGN = 43;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const PERCENT = 37;
const TILDE = 126;
const GREATER = 62;
const EQUALS = 61;

/** Largest integer that is written digit by digit. */
const DIGITS_MAX = 2 ** 31;
/** Up to this length bytes are copied one by one, which is cheaper than making a view of them. */
const COPY_BYTES_MAX = 36;

/**
 * Writes replies into one byte buffer, in RESP2 or RESP3. `mark` and `truncate` take back what a command wrote before it
 * failed. What was written leaves through `detach`; the writer holds no buffer while it is empty.
 */
export class ReplyWriter {
  respVersion: 2 | 3 = 2;
  #target: CopyTarget = NONE;
  /** Its bytes. */
  #buf: Uint8Array = NONE.bytes;
  #length = 0;
  readonly #chunks: OutputChunks;

  constructor(chunks: OutputChunks) {
    this.#chunks = chunks;
  }

  get length(): number {
    return this.#length;
  }

  /** A position to which `truncate` can go back. */
  mark(): number {
    return this.#length;
  }

  /** Takes back all that was written after a mark. */
  truncate(mark: number): void {
    this.#length = mark;
  }

  /** Takes out what was written between two marks, where it is still here. */
  retract(from: number, to: number): void {
    if (to > this.#length) return;
    this.#buf.copyWithin(from, to, this.#length);
    this.#length -= to - from;
  }

  /** Hands over the buffer, of which the first `length` bytes are written; the writer is empty afterwards. */
  detach(): CopyTarget {
    const target = this.#target;
    this.#target = NONE;
    this.#buf = NONE.bytes;
    this.#length = 0;
    return target;
  }

  /** Appends bytes that are replies already. */
  raw(buf: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#copy(buf, start, end);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buf.length) return;
    const chunk = this.#chunks.take(needed);
    if (chunk !== null) return this.#moveTo(chunk);
    if (needed > REPLY_BYTES_MAX) {
      throw new CausewayError('ERR', `reply is too large (limit reply-bytes-max ${REPLY_BYTES_MAX})`);
    }
    this.#moveTo(new CopyTarget(new Uint8Array(Math.min(Math.max(needed, this.#buf.length * 2), REPLY_BYTES_MAX))));
  }

  /** What is written goes on in a larger buffer. */
  #moveTo(larger: CopyTarget): void {
    const old = this.#target;
    if (this.#length > 0) larger.bytes.set(old.bytes.subarray(0, this.#length));
    this.#target = larger;
    this.#buf = larger.bytes;
    this.#chunks.give(old);
  }

  #copy(buf: Uint8Array, start: number, end: number): void {
    const into = this.#buf;
    let at = this.#length;
    if (end - start <= COPY_BYTES_MAX) for (let i = start; i < end; i++) into[at++] = buf[i] as number;
    else {
      into.set(buf.subarray(start, end), at);
      at += end - start;
    }
    this.#length = at;
  }

  #latin1(text: string): void {
    this.#reserve(text.length);
    this.#length = writeLatin1(text, this.#buf, this.#length);
  }

  /** One line: CR and LF in it would end it early, so they become spaces. */
  #line(text: string): void {
    this.#reserve(text.length + 2);
    const into = this.#buf;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const byte = text.charCodeAt(i);
      into[at++] = byte === CR || byte === LF ? 32 : byte;
    }
    into[at++] = CR;
    into[at++] = LF;
    this.#length = at;
  }

  /** `<sign><number>CR LF` */
  #header(sign: number, value: number): void {
    this.#reserve(26);
    const into = this.#buf;
    let at = this.#length;
    into[at++] = sign;
    if (Number.isInteger(value) && value >= 0 && value < DIGITS_MAX) {
      at = writeDigits(value, into, at);
    } else {
      const text = String(value);
      for (let i = 0; i < text.length; i++) into[at++] = text.charCodeAt(i);
    }
    into[at++] = CR;
    into[at++] = LF;
    this.#length = at;
  }

  #end(): void {
    this.#buf[this.#length++] = CR;
    this.#buf[this.#length++] = LF;
  }

  ok(): void {
    this.#reserve(5);
    const into = this.#buf;
    const at = this.#length;
    into[at] = PLUS_SIGN;
    into[at + 1] = 79;
    into[at + 2] = 75;
    into[at + 3] = CR;
    into[at + 4] = LF;
    this.#length = at + 5;
  }

  simple(text: string): void {
    this.#latin1('+');
    this.#line(text);
  }

  error(code: string, message: string): void {
    this.#latin1('-');
    this.#line(`${code} ${message}`);
  }

  integer(value: number | bigint): void {
    if (typeof value === 'number') {
      this.#header(COLON, value);
      return;
    }
    this.#latin1(':');
    this.#line(value.toString());
  }

  bulk(value: ByteRange): void {
    const length = value.end - value.start;
    this.#header(DOLLAR, length);
    this.#reserve(length + 2);
    const { memory } = value;
    if (memory !== null && memory.bytes === value.buf) {
      this.#target.copyFrom(memory, value.start, value.end, this.#length);
      this.#length += length;
    } else this.#copy(value.buf, value.start, value.end);
    this.#end();
  }

  bulkText(text: string): void {
    this.#header(DOLLAR, text.length);
    this.#latin1(text);
    this.#reserve(2);
    this.#end();
  }

  null(): void {
    this.#latin1(this.respVersion === 2 ? '$-1\r\n' : '_\r\n');
  }

  nullArray(): void {
    this.#latin1(this.respVersion === 2 ? '*-1\r\n' : '_\r\n');
  }

  array(length: number): void {
    this.#header(STAR, length);
  }

  map(pairs: number): void {
    if (this.respVersion === 2) this.#header(STAR, pairs * 2);
    else this.#header(PERCENT, pairs);
  }

  set(length: number): void {
    this.#header(this.respVersion === 2 ? STAR : TILDE, length);
  }

  push(length: number): void {
    this.#header(this.respVersion === 2 ? STAR : GREATER, length);
  }

  double(value: number): void {
    const text = doubleText(value);
    if (this.respVersion === 2) {
      this.bulkText(text);
      return;
    }
    this.#latin1(',');
    this.#line(text);
  }

  boolean(value: boolean): void {
    if (this.respVersion === 2) this.#header(COLON, value ? 1 : 0);
    else this.#latin1(value ? '#t\r\n' : '#f\r\n');
  }

  verbatim(text: string): void {
    if (this.respVersion === 2) {
      this.bulkText(text);
      return;
    }
    this.#header(EQUALS, text.length + 4);
    this.#latin1('txt:');
    this.#latin1(text);
    this.#reserve(2);
    this.#end();
  }
}

/** Digits of a whole number below 2^31; returns the position after them. */
function writeDigits(value: number, into: Uint8Array, start: number): number {
  if (value < 10) {
    into[start] = ZERO + value;
    return start + 1;
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
  let rest = value;
  for (let at = start + digits - 1; at >= start; at--) {
    const tenth = (rest / 10) | 0;
    into[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return start + digits;
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Infinity) return 'inf';
  return value === -Infinity ? '-inf' : String(value);
}
