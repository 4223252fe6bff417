import { FRAME_ROOM_BYTES, type TransactionsFrame } from '../causal/peer-frames.ts';
import { isOrigin } from '../clock/origin.ts';

const FLOAT64 = 0xcb;
const UINT8 = 0xcc;
const UINT16 = 0xcd;
const UINT32 = 0xce;
const BIN8 = 0xc4;
const BIN16 = 0xc5;
const BIN32 = 0xc6;
const LIST = 0x90;
const FIXINT_MAX = 0x7f;

const head = new Uint8Array(FRAME_ROOM_BYTES);
const view = new DataView(head.buffer);
let length = 0;

function sized(value: number, type8: number, type16: number, type32: number): void {
  if (value <= 0xff) {
    head[length++] = type8;
    head[length++] = value;
  } else if (value <= 0xffff) {
    head[length++] = type16;
    view.setUint16(length, value);
    length += 2;
  } else {
    head[length++] = type32;
    view.setUint32(length, value);
    length += 4;
  }
}

/** A whole number as msgpackr writes it. */
function number(value: number): void {
  if (value <= FIXINT_MAX) {
    head[length++] = value;
  } else if (value <= 0xffff_ffff) {
    sized(value, UINT8, UINT16, UINT32);
  } else {
    head[length++] = FLOAT64;
    view.setFloat64(length, value);
    length += 8;
  }
}

/**
 * A frame of transactions as msgpack, which is nearly all that is sent: a few bytes and the columns. Written in front of these where there is
 * room, else into memory of just that size; an encoder that grows its memory as it goes takes several times as much, and it is memory outside the
 * heap that makes the collector run.
 */
export function encodeTransactions(type: number, frame: TransactionsFrame): Uint8Array {
  const { origin, first, last, asked, bytes, room = 0 } = frame;
  length = 0;
  head[length++] = LIST | 6;
  number(type);
  number(origin);
  number(first);
  // how many follow the first, which is one byte where the last would be five
  number(last - first);
  number(asked ? 1 : 0);
  sized(bytes.length, BIN8, BIN16, BIN32);
  // one that was asked for has another beginning, and the other may be on its way
  if (room >= length && !asked) {
    const from = bytes.byteOffset - length;
    const encoded = new Uint8Array(bytes.buffer, from, length + bytes.length);
    for (let at = 0; at < length; at++) encoded[at] = head[at] as number;
    return encoded;
  }
  const encoded = new Uint8Array(length + bytes.length);
  encoded.set(head.subarray(0, length));
  encoded.set(bytes, length);
  return encoded;
}

/** The place from which a frame is read. */
let readAt = 0;

function readBytes(frame: Uint8Array, bytes: number): number {
  let value = 0;
  for (const end = readAt + bytes; readAt < end; readAt++) value = value * 256 + (frame[readAt] as number);
  return value;
}

/** The next whole number; NaN for what `number` does not write, and where the frame ends within it. */
function readNumber(frame: Uint8Array): number {
  const type = frame[readAt++] as number;
  if (type <= FIXINT_MAX) return type;
  if (type === UINT8) return readBytes(frame, 1);
  if (type === UINT16) return readBytes(frame, 2);
  if (type === UINT32) return readBytes(frame, 4);
  if (type !== FLOAT64) return NaN;
  for (let at = 0; at < 8; at++) head[at] = frame[readAt++] as number;
  return view.getFloat64(0);
}

/** How many bytes follow; NaN where it does not say so. */
function readSize(frame: Uint8Array): number {
  const type = frame[readAt++];
  const sizeBytes = type === BIN8 ? 1 : type === BIN16 ? 2 : type === BIN32 ? 4 : 0;
  return sizeBytes === 0 ? NaN : readBytes(frame, sizeBytes);
}

/**
 * A frame of transactions; null for all that is not as `encodeTransactions` writes it, which may be one all the same. Read in one pass: for a
 * frame of a few writes an unpacker takes as long as it takes to apply them.
 */
export function transactionsOf(type: number, frame: Uint8Array): TransactionsFrame | null {
  if (frame[0] !== (LIST | 6) || frame[1] !== type) return null;
  readAt = 2;
  const origin = readNumber(frame);
  const first = readNumber(frame);
  const last = first + readNumber(frame);
  const asked = readNumber(frame);
  const bytes = readSize(frame);
  if (!isOrigin(origin) || !Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return null;
  if (first < 0 || last < first || (asked !== 0 && asked !== 1) || readAt + bytes !== frame.length) return null;
  return { type: 'transactions', origin, first, last, asked: asked === 1, bytes: ownBytes(frame, readAt) };
}

/** Bytes from a place on that stay in the log: a view, or a copy where that would pin a receive buffer of which they are a small part. */
export function ownBytes(bytes: Uint8Array, from = 0): Uint8Array {
  const { buffer, byteOffset } = bytes;
  const left = bytes.length - from;
  return left * 2 < buffer.byteLength ? bytes.slice(from) : new Uint8Array(buffer, byteOffset + from, left);
}
