/** Size of a chunk; a reply that is larger grows a buffer of its own. */
const OUTPUT_CHUNK_BYTES = 65_536;
const CHUNKS_KEPT = 32;

/**
 * Output buffers that wait for use. A connection has one only while it has something to send, so that ten thousand idle ones
 * cost nothing, and the one used last, still in the processor's cache, is used next.
 */
export class OutputChunks {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(OUTPUT_CHUNK_BYTES);
  }

  /** Takes a buffer back that nobody reads any more. */
  give(chunk: Uint8Array): void {
    if (chunk.length === OUTPUT_CHUNK_BYTES && this.#free.length < CHUNKS_KEPT) this.#free.push(chunk);
  }
}
