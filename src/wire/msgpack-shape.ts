import { CausewayError } from '../errors.ts';

/** Lists within lists; our deepest, a hash's writes in a snapshot, has 8. */
const DEPTH_MAX = 16;

const refuse = (what: string): never => {
  throw new CausewayError('PROTOCOL', `frame refused: ${what}`);
};

/** Bytes of the payload after the first byte, by type, for the types of fixed size; −1 for the rest and for what we never send. */
const FIXED: Int8Array = (() => {
  const sizes = new Int8Array(256).fill(-1);
  sizes.fill(0, 0x00, 0x80); // positive fixint
  sizes.fill(0, 0xe0, 0x100); // negative fixint
  for (const type of [0xc0, 0xc2, 0xc3]) sizes[type] = 0; // nil, false, true
  for (const [type, size] of [
    [0xca, 4], // floats
    [0xcb, 8],
    [0xcc, 1], // unsigned and signed integers
    [0xcd, 2],
    [0xce, 4],
    [0xcf, 8],
    [0xd0, 1],
    [0xd1, 2],
    [0xd2, 4],
    [0xd3, 8],
  ] as const) {
    sizes[type] = size;
  }
  return sizes;
})();

/**
 * Checks, before anything is decoded, that bytes are one msgpack value of the kinds that peers send: numbers, nil, booleans, text, bytes
 * and lists of them, not too deep, nothing declared longer than the bytes that are there. A decoder that believed a declared
 * length would make room for it; maps and extensions (dates, patterns, references) are of no use here and refused. Throws PROTOCOL.
 */
export function checkShape(bytes: Uint8Array): void {
  const open: number[] = [];
  let wanted = 1;
  let at = 0;
  const length = (size: number): number => {
    if (at + size > bytes.length) refuse('it ends too early');
    let value = 0;
    const end = at + size;
    for (; at < end; at++) value = value * 256 + (bytes[at] as number);
    return value;
  };
  const skip = (count: number): void => {
    if (count > bytes.length - at) refuse('it ends too early');
    at += count;
  };
  for (;;) {
    while (wanted === 0) {
      const outer = open.pop();
      if (outer === undefined) {
        if (at !== bytes.length) refuse('something follows it');
        return;
      }
      wanted = outer;
    }
    wanted--;
    const type = bytes[at++];
    if (type === undefined) return refuse('it ends too early');
    const size = FIXED[type] as number;
    let list = -1;
    if (size >= 0) skip(size);
    else if (type >= 0xa0 && type <= 0xbf) skip(type - 0xa0);
    else if (type === 0xd9 || type === 0xc4) skip(length(1));
    else if (type === 0xda || type === 0xc5) skip(length(2));
    else if (type === 0xdb || type === 0xc6) skip(length(4));
    else if (type >= 0x90 && type <= 0x9f) list = type - 0x90;
    else if (type === 0xdc) list = length(2);
    else if (type === 0xdd) list = length(4);
    else refuse(`it has a part of type ${type}`);
    if (list < 0) continue;
    if (list > bytes.length - at) refuse('a list is longer than its bytes');
    if (open.length >= DEPTH_MAX) refuse(`it is deeper than ${DEPTH_MAX}`);
    open.push(wanted);
    wanted = list;
  }
}
