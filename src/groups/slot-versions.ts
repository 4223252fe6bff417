import type { Slot } from '../keyspace/keyspace.ts';

const FIRST_SLOTS = 1_024;

/**
 * At which log index each key of a group was written last, by the slot that the group's keyspace has given it: a key that is written again is neither
 * made into a text nor looked up by it. 0 is that of a slot whose key shows nothing, so a slot that gets another key begins with it.
 */
export class SlotVersions {
  #versions: Float64Array = new Float64Array(FIRST_SLOTS);

  at(slot: Slot): number {
    return this.#versions[slot] ?? 0;
  }

  /** What a slot has was written by this entry, and shows; 0 where it shows nothing any more. */
  note(slot: Slot, index: number): void {
    if (slot >= this.#versions.length) {
      const versions = new Float64Array(Math.max(slot + 1, this.#versions.length * 2));
      versions.set(this.#versions);
      this.#versions = versions;
    }
    this.#versions[slot] = index;
  }
}
