import type { Slot } from './keyspace.ts';
import { SlotFlag, type SlotRecords } from './slab/slot-records.ts';
import { SlotQueue } from './slot-queue.ts';

/**
 * Keys on their way out (RULES D9): found expired and hidden for good, or showing nothing with an expiry left. Each waits until
 * all that was applied to it is stable, and then until every member's clock has passed its time.
 */
export class PurgeQueue {
  readonly #records: SlotRecords;
  /** Those that wait, or waited, for the clocks only. */
  readonly #quiet: SlotQueue = new SlotQueue();

  constructor(records: SlotRecords) {
    this.#records = records;
  }

  has(slot: Slot): boolean {
    return this.#records.has(slot, SlotFlag.Purge) !== 0;
  }

  add(slot: Slot): void {
    this.#records.unmark(slot, SlotFlag.PurgeQuiet);
    this.#records.mark(slot, SlotFlag.Purge);
  }

  /** The key changed. */
  drop(slot: Slot): void {
    this.#records.unmark(slot, SlotFlag.Purge | SlotFlag.PurgeQuiet);
  }

  /** All that was applied to the key is stable. */
  markQuiet(slot: Slot): void {
    if (!this.has(slot)) return;
    this.#records.mark(slot, SlotFlag.PurgeQuiet);
    this.#quiet.push(slot);
  }

  /** Visits up to `budget` keys that can go; the visitor drops them. `expiryOf` is the latest time that is known of one. */
  drain(membersClockMs: number, budget: number, expiryOf: (slot: Slot) => number, purge: (slot: Slot) => void): void {
    for (let left = Math.min(budget, this.#quiet.length); left > 0; left--) {
      const slot = this.#quiet.shift();
      if (this.#records.has(slot, SlotFlag.PurgeQuiet) === 0) continue;
      if (expiryOf(slot) < membersClockMs) purge(slot);
      else this.#quiet.push(slot);
    }
  }
}
