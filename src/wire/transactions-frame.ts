import { FRAME_ROOM_BYTES, type TransactionsFrame } from '../causal/peer-frames.ts';

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
