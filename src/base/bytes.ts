import { CopyTarget } from './copied-bytes.ts';

/**
 * A view of bytes that somebody else owns: `buf[start..end)`. Views are reused as cursors, so whoever wants to keep the
 * bytes past the call copies them. This is how keys and values move: no object is made for an argument.
 */
export class ByteRange {
  buf: Uint8Array;
  /** Where the bytes may be copied from by words: if it is what `buf` is of. */
  memory: CopyTarget | null = null;
  start: number;
  end: number;

  constructor(buf: Uint8Array = EMPTY, start = 0, end: number = buf.length) {
    this.buf = buf;
    this.start = start;
    this.end = end;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Points this view at `buf[start..end)` and returns it. */
  set(buf: Uint8Array, start: number, end: number): this {
    // nearly always the same: that it is one of this object's need not be noted for the collector then
    if (this.buf !== buf) this.buf = buf;
    this.start = start;
    this.end = end;
    return this;
  }

  /** As `set`, for what others may copy by words. */
  setTo(memory: CopyTarget, start: number, end: number): this {
    if (this.memory !== memory) this.memory = memory;
    return this.set(memory.bytes, start, end);
  }

  setFrom(other: ByteRange): this {
    return this.set(other.buf, other.start, other.end);
  }

  /** The bytes as a latin1 string: one char a byte, so it is lossless and compares as the bytes do. */
  toLatin1(): string {
    return latin1Of(this.buf, this.start, this.end);
  }

  /** The bytes themselves, as an array of their own. */
  view(): Uint8Array {
    return this.buf.subarray(this.start, this.end);
  }

  /** A copy of the bytes. */
  toBytes(): Uint8Array {
    return this.buf.slice(this.start, this.end);
  }
}

const EMPTY = new Uint8Array(0);
const CHUNK = 4096;

/** Bytes to a string of one char a byte and back: the same by any means, so a platform may bring quicker ones. */
export interface Latin1Means {
  decode(buf: Uint8Array, start: number, end: number): string;
  write(text: string, buf: Uint8Array, at: number): void;
}

/** Shorter texts are quicker char by char. */
const MEANS_FROM_BYTES = 20;

let means: Latin1Means = { decode: decodeByLists, write: writeByChars };

/** To be called once at the start of a process. What it is given is right: nothing is checked. */
export function useLatin1Means(quicker: Latin1Means): void {
  means = quicker;
}

/** `buf[start..end)` as a latin1 string, one char a byte. */
export function latin1Of(buf: Uint8Array, start: number, end: number): string {
  return end - start < MEANS_FROM_BYTES ? decodeByChars(buf, start, end) : means.decode(buf, start, end);
}

/** Writes a latin1 string to `buf` at `at`; the caller has made room. Returns the position after it. */
export function writeLatin1(text: string, buf: Uint8Array, at: number): number {
  if (text.length < MEANS_FROM_BYTES) writeByChars(text, buf, at);
  else means.write(text, buf, at);
  return at + text.length;
}

function decodeByChars(buf: Uint8Array, start: number, end: number): string {
  let text = '';
  let at = start;
  // eight at a time: each call makes a string
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      buf[at] as number,
      buf[at + 1] as number,
      buf[at + 2] as number,
      buf[at + 3] as number,
      buf[at + 4] as number,
      buf[at + 5] as number,
      buf[at + 6] as number,
      buf[at + 7] as number,
    );
  }
  for (; at < end; at++) text += String.fromCharCode(buf[at] as number);
  return text;
}

function decodeByLists(buf: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += CHUNK)
    text += String.fromCharCode.apply(null, buf.subarray(at, Math.min(end, at + CHUNK)) as unknown as number[]);
  return text;
}

function writeByChars(text: string, buf: Uint8Array, at: number): void {
  for (let i = 0; i < text.length; i++) buf[at + i] = text.charCodeAt(i);
}

/** The bytes of a latin1 string. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** A view of the bytes of a latin1 string. */
export function latin1Range(text: string): ByteRange {
  return new ByteRange(latin1Bytes(text));
}

/** A growable byte buffer that is written front to back and reused. */
export class ByteWriter {
  buf: Uint8Array;
  #target: CopyTarget;
  length = 0;

  constructor(capacityBytes = 1024) {
    this.buf = new Uint8Array(capacityBytes);
    this.#target = new CopyTarget(this.buf);
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buf.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buf.length * 2));
    grown.set(this.buf.subarray(0, this.length));
    this.buf = grown;
    this.#target = new CopyTarget(grown);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buf[this.length++] = value;
  }

  bytes(buf: Uint8Array, start = 0, end: number = buf.length): void {
    this.reserve(end - start);
    this.#target.copy(buf, start, end, this.length);
    this.length += end - start;
  }

  range(range: ByteRange): void {
    this.bytes(range.buf, range.start, range.end);
  }

  latin1(text: string): void {
    this.reserve(text.length);
    this.length = writeLatin1(text, this.buf, this.length);
  }

  /** The bytes written so far, copied. */
  toBytes(): Uint8Array {
    return this.buf.slice(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }
}

/** Whether two views hold the same bytes. */
export function sameBytes(left: ByteRange, right: ByteRange): boolean {
  const length = left.end - left.start;
  if (right.end - right.start !== length) return false;
  for (let i = 0; i < length; i++) {
    if (left.buf[left.start + i] !== right.buf[right.start + i]) return false;
  }
  return true;
}
