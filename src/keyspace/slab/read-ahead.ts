import type { SlotIndex } from '../../base/slot-index.ts';
import { READ_AHEAD_MAX } from '../keyspace.ts';
import type { SlabMemory } from './slab-memory.ts';
import type { SlotRecords } from './slot-records.ts';

const LINE_BYTES = 64;

/**
 * Asks the memory for what look-ups of several keys will read, one step of all of them after the other. A look-up asks for each of its three places only when it
 * has the one before, and memory answers several questions in the time of one.
 */
export class ReadAhead {
  readonly #index: SlotIndex;
  readonly #records: SlotRecords;
  readonly #memory: SlabMemory;
  readonly #found: Float64Array = new Float64Array(READ_AHEAD_MAX);
  /** Of all bytes that were read: what nobody wants would not be. */
  sum = 0;

  constructor(index: SlotIndex, records: SlotRecords, memory: SlabMemory) {
    this.#index = index;
    this.#records = records;
    this.#memory = memory;
  }

  /** For keys of the first `count` of these hashes. */
  readAhead(hashes: Int32Array, count: number): void {
    const found = this.#found;
    let sum = this.sum;
    for (let at = 0; at < count; at++) found[at] = this.#index.guess(hashes[at] as number);
    for (let at = 0; at < count; at++) {
      const slot = found[at] as number;
      if (slot < 0) continue;
      found[at] = this.#records.address(slot);
      // a record of 40 bytes lies across two lines as often as not
      sum += this.#records.edges(slot);
    }
    for (let at = 0; at < count; at++) {
      const address = found[at] as number;
      if (address < 0) continue;
      const memory = this.#memory.buffer(address);
      const offset = this.#memory.offset(address);
      // the value goes on in the next line of the cache
      const next = offset + LINE_BYTES;
      sum += (memory[offset] as number) + (next < memory.length ? (memory[next] as number) : 0);
    }
    this.sum = sum % 256;
  }
}
