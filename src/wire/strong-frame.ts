const LIST_OF_2 = 0x92;
const BYTES_8 = 0xc4;
const BYTES_16 = 0xc5;
const BYTES_32 = 0xc6;
const HEAD_BYTES_MAX = 7;

/** A frame of quorum groups between peers: its type and its bytes, as msgpack. */
export function encodeStrong(type: number, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const sizeBytes = length <= 0xff ? 1 : length <= 0xffff ? 2 : 4;
  const head = 3 + sizeBytes;
  const frame = new Uint8Array(head + length);
  frame[0] = LIST_OF_2;
  frame[1] = type;
  frame[2] = sizeBytes === 1 ? BYTES_8 : sizeBytes === 2 ? BYTES_16 : BYTES_32;
  for (let at = head - 1, left = length; at > 2; at--, left >>>= 8) frame[at] = left;
  frame.set(bytes, head);
  return frame;
}

/** The bytes of such a frame, a view; null for all that is not just as it is written here. */
export function strongBytesOf(type: number, frame: Uint8Array): Uint8Array | null {
  if (frame.length < HEAD_BYTES_MAX || frame[0] !== LIST_OF_2 || frame[1] !== type) return null;
  const form = frame[2];
  const sizeBytes = form === BYTES_8 ? 1 : form === BYTES_16 ? 2 : form === BYTES_32 ? 4 : 0;
  if (sizeBytes === 0) return null;
  const head = 3 + sizeBytes;
  let length = 0;
  for (let at = 3; at < head; at++) length = length * 256 + (frame[at] as number);
  return head + length === frame.length ? frame.subarray(head) : null;
}
