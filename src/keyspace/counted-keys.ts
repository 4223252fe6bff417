import { ExpiryWheel } from './expiry-wheel.ts';
import type { Slot } from './keyspace.ts';
import { SlotFlag, type SlotRecords } from './slab/slot-records.ts';

/** Keys that show something and were not yet found to be expired (DBSIZE), and when those of them that have an expiry are due. */
export class CountedKeys {
  readonly #records: SlotRecords;
  readonly #wheel: ExpiryWheel;
  #count = 0;
  #expiringCount = 0;

  constructor(records: SlotRecords) {
    this.#records = records;
    this.#wheel = new ExpiryWheel((slot) => records.expiryMs(slot));
  }

  get count(): number {
    return this.#count;
  }

  get expiringCount(): number {
    return this.#expiringCount;
  }

  /** Whether time takes a counted slot away. */
  #expires(slot: Slot): boolean {
    return this.#records.expiryMs(slot) !== Infinity && this.#records.has(slot, SlotFlag.Pinned) === 0;
  }

  /** Takes a slot in as its record has it now: `remove` before that changes. */
  add(slot: Slot): void {
    this.#records.mark(slot, SlotFlag.Counted);
    this.#count++;
    if (!this.#expires(slot)) return;
    this.#expiringCount++;
    this.#wheel.add(slot);
  }

  remove(slot: Slot): void {
    if (this.#records.has(slot, SlotFlag.Counted) === 0) return;
    this.#records.unmark(slot, SlotFlag.Counted);
    this.#count--;
    if (!this.#expires(slot)) return;
    this.#expiringCount--;
    this.#wheel.remove(slot);
  }

  /** Not above when the next expiry is due, in Unix milliseconds; Infinity for none. */
  get nextMs(): number {
    return this.#wheel.nextMs;
  }

  /** Takes out up to `budget` slots that expired by `nowMs`, and visits each. */
  expire(nowMs: number, budget: number, visit: (slot: Slot) => void): void {
    this.#wheel.expire(nowMs, budget, (slot) => {
      this.remove(slot);
      visit(slot);
    });
  }
}
