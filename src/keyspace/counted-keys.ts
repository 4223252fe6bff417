import { ExpiryWheel } from './expiry-wheel.ts';
import type { Slot } from './keyspace.ts';
import { SlotFlag, type SlotRecords } from './slab/slot-records.ts';

interface Tally {
  count: number;
  expiring: number;
  system: number;
}

/** Keys that show something and were not yet found to be expired (DBSIZE), and when those of them that have an expiry are due. */
export class CountedKeys {
  readonly #records: SlotRecords;
  readonly #wheel: ExpiryWheel;
  #count = 0;
  #expiringCount = 0;
  #systemCount = 0;
  #pinnedCount = 0;
  /** What counts for nobody any more, though it is still there. */
  readonly #hidden: Tally = { count: 0, expiring: 0, system: 0 };

  constructor(records: SlotRecords) {
    this.#records = records;
    this.#wheel = new ExpiryWheel((slot) => records.expiryMs(slot));
  }

  get count(): number {
    return this.#count - this.#hidden.count;
  }

  get expiringCount(): number {
    return this.#expiringCount - this.#hidden.expiring;
  }

  /** The product's own keys that show something: none of `count`. */
  get systemCount(): number {
    return this.#systemCount - this.#hidden.system;
  }

  /** Those of quorum groups. */
  get pinnedCount(): number {
    return this.#pinnedCount;
  }

  /** From now on nothing is counted but what is pinned, or comes. A slot that goes, or stays after all, is to be shown first. */
  hide(): void {
    this.#hidden.count = this.#count - this.#pinnedCount;
    this.#hidden.expiring = this.#expiringCount;
    this.#hidden.system = this.#systemCount;
  }

  /** Counts a hidden slot again as it is. */
  show(slot: Slot): void {
    if (
      this.#hidden.count + this.#hidden.system === 0 ||
      this.#records.has(slot, SlotFlag.Counted | SlotFlag.Pinned) !== SlotFlag.Counted
    )
      return;
    if (this.#records.has(slot, SlotFlag.System) !== 0) this.#hidden.system--;
    else {
      this.#hidden.count--;
      if (this.#expires(slot)) this.#hidden.expiring--;
    }
  }

  /** Whether time takes a counted slot away. */
  #expires(slot: Slot): boolean {
    return this.#records.expiryMs(slot) !== Infinity && this.#records.has(slot, SlotFlag.Pinned) === 0;
  }

  /** Takes a slot in as its record has it now: `remove` before that changes. */
  add(slot: Slot): void {
    this.#records.mark(slot, SlotFlag.Counted);
    this.#tally(slot, 1);
    if (this.#expires(slot)) this.#wheel.add(slot);
  }

  remove(slot: Slot): void {
    if (this.#records.has(slot, SlotFlag.Counted) === 0) return;
    this.#records.unmark(slot, SlotFlag.Counted);
    this.#tally(slot, -1);
    if (this.#expires(slot)) this.#wheel.remove(slot);
  }

  /** The product's own keys expire as others do, and are no keys of anybody's. */
  #tally(slot: Slot, by: number): void {
    if (this.#records.has(slot, SlotFlag.System) !== 0) {
      this.#systemCount += by;
      return;
    }
    this.#count += by;
    if (this.#records.has(slot, SlotFlag.Pinned) !== 0) this.#pinnedCount += by;
    if (this.#expires(slot)) this.#expiringCount += by;
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
