import type { Slot } from './keyspace.ts';

const CHUNK_SLOTS = 8_192;
const FIRST_SLOTS = 64;

/** Slots in a row, first in, first out: in chunks, so that it never grows by a copy of all of it. */
export class SlotQueue {
  readonly #chunks: Uint32Array[] = [];
  /** Of the first chunk and of the last. */
  #from = 0;
  #to = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(slot: Slot): void {
    const last = this.#chunks.at(-1);
    const chunk = last === undefined || this.#to === last.length ? this.#addChunk() : last;
    chunk[this.#to++] = slot;
    this.#length++;
  }

  #addChunk(): Uint32Array {
    const chunk = new Uint32Array(this.#chunks.length === 0 ? FIRST_SLOTS : CHUNK_SLOTS);
    this.#chunks.push(chunk);
    this.#to = 0;
    return chunk;
  }

  /** The next one; there must be one. */
  shift(): Slot {
    const first = this.#chunks[0] as Uint32Array;
    const slot = first[this.#from++] as Slot;
    this.#length--;
    if (this.#length === 0) {
      this.#from = 0;
      this.#to = 0;
      this.#chunks.length = 1;
    } else if (this.#from === first.length) {
      this.#chunks.shift();
      this.#from = 0;
    }
    return slot;
  }
}
