import { assert } from './assert.ts';
import { writeLatin1 } from './bytes.ts';
import { SortedRuns } from './sorted-runs.ts';

/** A key with its encoded state, null where it is gone. */
export type StoredEntry = readonly [key: Uint8Array, state: Uint8Array | null];

const BLOCK_BYTES_MIN: number = 4 * 1024;
const BLOCK_BYTES_MAX: number = 256 * 1024;

/** Numbers of an entry: its block, where it begins there, the bytes of its key, and those of its state or -1 where it is gone. */
const PLACE = 4;

/**
 * Entries for the store, in a few blocks of memory: a hundred thousand of them may wait for seconds, and as objects of their own they
 * would be copied by the collector, which stops the node meanwhile.
 */
export class PackedEntries implements Iterable<StoredEntry> {
  readonly #blocks: Uint8Array[] = [];
  /** Of the last block. */
  #used = 0;
  #places: Int32Array = new Int32Array(32 * PLACE);
  #count = 0;
  readonly #runs: SortedRuns = new SortedRuns((left, right) => this.#compare(left, right));

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Whether a run was ended. */
  get hasRuns(): boolean {
    return this.#runs.count > 0;
  }

  /** Adds one, with its key as a latin1 string. */
  add(key: string, state: Uint8Array | null): void {
    const block = this.#blockFor(key.length + (state?.length ?? 0));
    const place = PLACE * this.#count++;
    if (place === this.#places.length) {
      const grown = new Int32Array(2 * place);
      grown.set(this.#places);
      this.#places = grown;
    }
    this.#places[place] = this.#blocks.length - 1;
    this.#places[place + 1] = this.#used;
    this.#places[place + 2] = key.length;
    this.#places[place + 3] = state?.length ?? -1;
    const at = writeLatin1(key, block, this.#used);
    if (state !== null) block.set(state, at);
    this.#used = at + (state?.length ?? 0);
  }

  /**
   * What was added since the last run is one, sorted by the bytes of its keys. Where runs are ended, the last entry included, all are walked in that order: a
   * store that keeps its keys so writes a page once for the neighbours on it.
   */
  endRun(): void {
    this.#runs.end(this.#count);
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

  /** By the bytes of the keys; below 0 where the left one is before the right one. */
  #compare(left: number, right: number): number {
    const places = this.#places;
    const leftBytes = this.#blocks[places[PLACE * left] as number] as Uint8Array;
    const rightBytes = this.#blocks[places[PLACE * right] as number] as Uint8Array;
    const leftAt = places[PLACE * left + 1] as number;
    const rightAt = places[PLACE * right + 1] as number;
    const leftLength = places[PLACE * left + 2] as number;
    const rightLength = places[PLACE * right + 2] as number;
    const shorter = Math.min(leftLength, rightLength);
    for (let at = 0; at < shorter; at++) {
      const difference = (leftBytes[leftAt + at] as number) - (rightBytes[rightAt + at] as number);
      if (difference !== 0) return difference;
    }
    return leftLength - rightLength;
  }

  /** Views of them, good as long as nothing is added. Those of one key are in the order in which they were added. */
  *[Symbol.iterator](): Generator<StoredEntry> {
    if (!this.hasRuns) {
      for (let entry = 0; entry < this.#count; entry++) yield this.#entry(entry);
      return;
    }
    assert(this.#runs.ended === this.#count, 'the last entry is in a run');
    const merge = this.#runs.merged();
    for (let entry = merge.next(); entry !== -1; entry = merge.next()) yield this.#entry(entry);
  }

  #entry(entry: number): StoredEntry {
    const place = PLACE * entry;
    const block = this.#blocks[this.#places[place] as number] as Uint8Array;
    const keyAt = this.#places[place + 1] as number;
    const stateAt = keyAt + (this.#places[place + 2] as number);
    const stateLength = this.#places[place + 3] as number;
    return [block.subarray(keyAt, stateAt), stateLength < 0 ? null : block.subarray(stateAt, stateAt + stateLength)];
  }
}
