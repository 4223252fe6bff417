import { writeLatin1 } from './bytes.ts';

/** A key with its encoded state, null where it is gone. */
export type StoredEntry = readonly [key: Uint8Array, state: Uint8Array | null];

const BLOCK_BYTES_MIN: number = 4 * 1024;
const BLOCK_BYTES_MAX: number = 256 * 1024;

/**
 * Entries for the store, in their order, in a few blocks of memory: a hundred thousand of them may wait for seconds, and as objects of their own they
 * would be copied by the collector, which stops the node meanwhile.
 */
export class PackedEntries implements Iterable<StoredEntry> {
  readonly #blocks: Uint8Array[] = [];
  /** Of the last block. */
  #used = 0;
  /** Of each entry the bytes of its key, and those of its state or -1 where it is gone. */
  #lengths: Int32Array = new Int32Array(64);
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds one, with its key as a latin1 string. */
  add(key: string, state: Uint8Array | null): void {
    const block = this.#blockFor(key.length + (state?.length ?? 0));
    const at = writeLatin1(key, block, this.#used);
    if (state !== null) block.set(state, at);
    this.#used = at + (state?.length ?? 0);
    const place = 2 * this.#count++;
    if (place === this.#lengths.length) {
      const grown = new Int32Array(2 * place);
      grown.set(this.#lengths);
      this.#lengths = grown;
    }
    this.#lengths[place] = key.length;
    this.#lengths[place + 1] = state?.length ?? -1;
  }

  /** The block that the next entry goes to: it lies in one, and begins a new one where the last has no room. */
  #blockFor(bytes: number): Uint8Array {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#used + bytes <= last.length) return last;
    const usual = last === undefined ? BLOCK_BYTES_MIN : Math.min(BLOCK_BYTES_MAX, last.length * 2);
    const block = new Uint8Array(Math.max(bytes, usual));
    this.#blocks.push(block);
    this.#used = 0;
    return block;
  }

  /** Views of them, good as long as nothing is added. */
  *[Symbol.iterator](): Generator<StoredEntry> {
    let next = 0;
    let block: Uint8Array = new Uint8Array(0);
    let at = 0;
    for (let place = 0; place < 2 * this.#count; place += 2) {
      const keyLength = this.#lengths[place] as number;
      const stateLength = this.#lengths[place + 1] as number;
      // as they were put in: one that has no room begins a block
      while (next === 0 || at + keyLength + Math.max(0, stateLength) > block.length) {
        block = this.#blocks[next++] as Uint8Array;
        at = 0;
      }
      const stateAt = at + keyLength;
      const end = stateAt + Math.max(0, stateLength);
      yield [block.subarray(at, stateAt), stateLength < 0 ? null : block.subarray(stateAt, end)];
      at = end;
    }
  }
}
