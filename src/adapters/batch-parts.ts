import type { StoreBatch } from '../ports.ts';

/** What one step of a large batch takes. One entry is never split. */
const ENTRIES_MAX = 1_000;
const BYTES_MAX = 256 * 1024;

const LENGTH_BYTES = 4;
/** In place of a state's length, where the key is gone. */
const GONE = 0xffff_ffff;

type Entry = StoreBatch['entries'][number];

/** A run of a batch's entries, from `first` to before `end`. */
export interface BatchPart {
  readonly first: number;
  readonly end: number;
  readonly bytes: number;
}

/** The part of a batch that begins with its entry `first`: as many entries as one step takes. */
export function partFrom(entries: readonly Entry[], first: number): BatchPart {
  let bytes = 0;
  let end = first;
  for (; end < entries.length && end - first < ENTRIES_MAX; end++) {
    const [key, state] = entries[end] as Entry;
    const length = key.length + (state?.length ?? 0);
    if (end > first && bytes + length > BYTES_MAX) break;
    bytes += length;
  }
  return { first, end, bytes };
}

/** A part as one value of the store: for each entry the lengths of key and state, 4 bytes big endian each, then both. */
export function encodePart(entries: readonly Entry[], { first, end, bytes }: BatchPart): Buffer {
  const encoded = Buffer.allocUnsafeSlow(bytes + (end - first) * 2 * LENGTH_BYTES);
  let at = 0;
  for (let next = first; next < end; next++) {
    const [key, state] = entries[next] as Entry;
    at = encoded.writeUInt32BE(key.length, at);
    at = encoded.writeUInt32BE(state?.length ?? GONE, at);
    encoded.set(key, at);
    at += key.length;
    if (state === null) continue;
    encoded.set(state, at);
    at += state.length;
  }
  return encoded;
}

/** The entries of an encoded part; throws where it cannot have been written by `encodePart`. */
export function entriesOf(encoded: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const take = (from: number, length: number): Uint8Array => {
    if (from + length > encoded.length) throw new Error('a part of a batch has an impossible shape');
    return encoded.subarray(from, from + length);
  };
  for (let at = 0; at < encoded.length;) {
    take(at, 2 * LENGTH_BYTES);
    const [keyLength, stateLength] = [view.getUint32(at), view.getUint32(at + LENGTH_BYTES)];
    const key = take(at + 2 * LENGTH_BYTES, keyLength);
    const stateAt = at + 2 * LENGTH_BYTES + keyLength;
    const state = stateLength === GONE ? null : take(stateAt, stateLength);
    entries.push([key, state]);
    at = stateAt + (state?.length ?? 0);
  }
  return entries;
}
