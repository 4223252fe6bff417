import { CopyTarget } from '../../base/copied-bytes.ts';

/** Most replies fit in a small chunk; one that is larger than a large one grows a buffer of its own. */
const SMALL_BYTES = 2_048;
const LARGE_BYTES = 65_536;
/** Of small ones as many as clients are likely to be answered in one turn. */
const SMALL_KEPT = 1_024;
/** And of large ones as many as wait to be sent together. */
const LARGE_KEPT = 64;

/**
 * Output buffers that wait for use. A connection has one only while it has something to send, so that ten thousand idle ones
 * cost nothing, and the one used last, still in the processor's cache, is used next. New ones are dear: their pages are cleared, and
 * the collector is hurried by what it does not hold itself.
 */
export class OutputChunks {
  readonly #small: CopyTarget[] = [];
  readonly #large: CopyTarget[] = [];

  /** A buffer for so many bytes; null where there is none as large. */
  take(bytes: number): CopyTarget | null {
    if (bytes <= SMALL_BYTES) return this.#small.pop() ?? new CopyTarget(new Uint8Array(SMALL_BYTES));
    return bytes <= LARGE_BYTES ? (this.#large.pop() ?? new CopyTarget(new Uint8Array(LARGE_BYTES))) : null;
  }

  /** Takes a buffer back that nobody reads any more. */
  give(chunk: CopyTarget): void {
    const { length } = chunk.bytes;
    if (length === SMALL_BYTES) keep(this.#small, chunk, SMALL_KEPT);
    else if (length === LARGE_BYTES) keep(this.#large, chunk, LARGE_KEPT);
  }
}

function keep(free: CopyTarget[], chunk: CopyTarget, countMax: number): void {
  if (free.length < countMax) free.push(chunk);
}
