/** Longer runs are copied by the engine's own means, which take more to begin with. */
const BY_WORDS_MAX = 128;

let lastFrom: Uint8Array = new Uint8Array(0);
let lastView: DataView = new DataView(lastFrom.buffer);

/** Requests, and the transactions of a frame, are many runs of one buffer: its view is made once. */
function viewOf(from: Uint8Array): DataView {
  if (from === lastFrom) return lastView;
  lastFrom = from;
  lastView = new DataView(from.buffer, from.byteOffset, from.byteLength);
  return lastView;
}

/** Where bytes are copied to again and again: memory with a view of it. */
export class CopyTarget {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Copies `from[start..end)` to a place where there is room for it: four bytes a step, and without an object, which `subarray` would make. */
  copy(from: Uint8Array, start: number, end: number, at: number): void {
    if (end - start > BY_WORDS_MAX) {
      this.bytes.set(from.subarray(start, end), at);
      return;
    }
    let next = start;
    let to = at;
    if (end - start >= 8) {
      const source = viewOf(from);
      const target = this.#view;
      for (; next + 4 <= end; next += 4, to += 4) target.setInt32(to, source.getInt32(next, true), true);
    }
    for (; next < end; next++) this.bytes[to++] = from[next] as number;
  }
}
