import type { StoredEntry } from '../base/packed-entries.ts';

/** What one step of a large batch takes. One entry is never split. */
const ENTRIES_MAX = 1_000;
const BYTES_MAX = 256 * 1024;

const LENGTH_BYTES = 4;
/** In place of a state's length, where the key is gone. */
const GONE = 0xffff_ffff;

/** A run of a batch's entries: as many as one step takes. */
export interface BatchPart {
  readonly entries: readonly StoredEntry[];
  /** Of their keys and states. */
  readonly bytes: number;
}

/** The parts of a batch, one at least. */
export function* partsOf(batch: Iterable<StoredEntry>): Generator<BatchPart, undefined> {
  let entries: StoredEntry[] = [];
  let bytes = 0;
  for (const entry of batch) {
    const length = entry[0].length + (entry[1]?.length ?? 0);
    if (entries.length === ENTRIES_MAX || (entries.length > 0 && bytes + length > BYTES_MAX)) {
      yield { entries, bytes };
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += length;
  }
  yield { entries, bytes };
}

/** A part as one value of the store: for each entry the lengths of key and state, 4 bytes big endian each, then both. */
export function encodePart({ entries, bytes }: BatchPart): Buffer {
  const encoded = Buffer.allocUnsafeSlow(bytes + entries.length * 2 * LENGTH_BYTES);
  let at = 0;
  for (const [key, state] of entries) {
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

/** What was encoded, in views of it; throws where it cannot have been written by `encodePart`. */
export function decodePart(encoded: Uint8Array): BatchPart {
  const entries: StoredEntry[] = [];
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
  return { entries, bytes: encoded.length - entries.length * 2 * LENGTH_BYTES };
}
