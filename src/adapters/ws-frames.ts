/*
 * The frames of a WebSocket (RFC 6455, 5.2) that peers send each other, whole binary messages, past the streams of `ws`: of the CPU that a small
 * frame takes at both ends they are the largest part. Whatever else a WebSocket has is for `ws`.
 */

const WHOLE_BINARY = 0x82;
const OPCODE = 0x0f;
const CLOSE = 0x8;
const MASKED = 0x80;
const MASK_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const LENGTH_16_MAX = 0xffff;
const HEAD_BYTES_MAX = 14;

/** Frames that together have more are not copied into one piece. A chunk of the log, which is nearly all that is sent, is within it. */
export const JOINED_BYTES_MAX: number = 1024 * 1024;

/** Nobody keeps what lies there: it is with the kernel, or copied, before the next is put there. */
const joined = Buffer.allocUnsafeSlow(JOINED_BYTES_MAX);

/** What a frame takes at most, with its head. */
export const frameRoom = (frame: Uint8Array): number => HEAD_BYTES_MAX + frame.length;

/** The frames as they go over the wire, good until the next call; together they have room. Whoever dialled masks, here with zeros. */
export function joinFrames(frames: readonly Uint8Array[], isMasked: boolean): Buffer {
  let at = 0;
  for (const frame of frames) {
    joined[at++] = WHOLE_BINARY;
    const { length } = frame;
    const mask = isMasked ? MASKED : 0;
    joined[at++] = mask | (length > LENGTH_16_MAX ? LENGTH_64 : Math.min(length, LENGTH_16));
    if (length > LENGTH_16_MAX) at = joined.writeUInt32BE(length, joined.writeUInt32BE(0, at));
    else if (length >= LENGTH_16) at = joined.writeUInt16BE(length, at);
    if (isMasked) {
      joined.fill(0, at, at + MASK_BYTES);
      at += MASK_BYTES;
    }
    joined.set(frame, at);
    at += length;
  }
  return joined.subarray(0, at);
}

export interface FrameReaderOptions {
  /** Whether the other end masks. */
  readonly isMasked: boolean;
  /** Longer ones are for `ws`, which refuses those that are too long. */
  readonly frameBytesMax: number;
  /** Takes a message, a view of what was received. */
  readonly message: (bytes: Uint8Array) => void;
  /** Hands bytes to `ws`. */
  readonly rest: (chunk: Buffer) => void;
}

/** Takes whole binary messages out of what a socket receives; all else, and messages of several chunks, are handed on in their order. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  /** The beginning of a head. */
  #held: Buffer | null = null;
  /** Of a frame that is handed on. */
  #handedOn = 0;
  /** That is the other end's last one. */
  #isLast = false;
  #isOver = false;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Nothing is taken any more. */
  stop(): void {
    this.#isOver = true;
  }

  take(chunk: Buffer): void {
    const data = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = null;
    for (let at = 0; at < data.length && !this.#isOver;) {
      const next = this.#handedOn > 0 ? this.#handOn(data, at) : this.#begin(data, at);
      if (next === at) {
        this.#held = Buffer.from(data.subarray(at));
        return;
      }
      at = next;
      this.#isOver ||= this.#isLast && this.#handedOn === 0;
    }
  }

  #handOn(data: Buffer, at: number): number {
    const end = Math.min(at + this.#handedOn, data.length);
    this.#handedOn -= end - at;
    this.#options.rest(data.subarray(at, end));
    return end;
  }

  /** The end of what it took; where it begins while a head is not whole. */
  #begin(data: Buffer, at: number): number {
    const received = data.length - at;
    if (received < 2) return at;
    const first = data[at] as number;
    const second = data[at + 1] as number;
    const short = second & ~MASKED;
    const lengthBytes = short < LENGTH_16 ? 0 : short === LENGTH_16 ? 2 : 8;
    const isMasked = second >= MASKED;
    const headBytes = 2 + lengthBytes + (isMasked ? MASK_BYTES : 0);
    if (received < headBytes) return at;
    const length = lengthBytes === 0 ? short : lengthOf(data, at + 2, lengthBytes);
    const start = at + headBytes;
    const { frameBytesMax, message } = this.#options;
    const isWhole = received >= headBytes + length && length <= frameBytesMax;
    const isPlain = first === WHOLE_BINARY && isMasked === this.#options.isMasked;
    if (isWhole && isPlain && (!isMasked || data.readUInt32BE(start - MASK_BYTES) === 0)) {
      message(new Uint8Array(data.buffer, data.byteOffset + start, length));
      return start + length;
    }
    this.#handedOn = headBytes + length;
    this.#isLast = (first & OPCODE) === CLOSE;
    return this.#handOn(data, at);
  }
}

function lengthOf(data: Buffer, at: number, bytes: number): number {
  return bytes === 2 ? data.readUInt16BE(at) : data.readUInt32BE(at) * 2 ** 32 + data.readUInt32BE(at + 4);
}
