import { ByteRange, latin1Range } from '../base/bytes.ts';
import { NO_SLOT, type OrderedKeys, type Slot } from './keyspace.ts';
import type { PendingChanges } from './pending-changes.ts';
import type { SlabTable } from './slab/slab-table.ts';

/** Slots that the order takes in while somebody waits for it: a keyspace of so many has it at once. */
const ORDERED_AT_ONCE = 2_000;

/** Visits of keys that show something, one after the other: in the order of their slots, or of their bytes. The product's own are left out. */
export class KeyVisits implements OrderedKeys {
  readonly #slots: SlabTable;
  readonly #pending: PendingChanges;
  readonly #key: ByteRange = new ByteRange();

  constructor(slots: SlabTable, pending: PendingChanges) {
    this.#slots = slots;
    this.#pending = pending;
  }

  #isShown(slot: Slot, nowMs: number): boolean {
    if (this.#pending.isOpen) this.#pending.settleSlots(slot, slot + 1);
    return this.#slots.records.isVisible(slot, nowMs) && !this.#slots.isSystem(slot);
  }

  scan(cursor: number, budget: number, nowMs: number, visit: (slot: Slot) => void): number {
    const end = Math.min(this.#slots.length, cursor + Math.max(1, budget));
    for (let slot = cursor; slot < end; slot++) if (this.#isShown(slot, nowMs)) visit(slot);
    return end >= this.#slots.length ? 0 : end;
  }

  /** The first from a part of all on, of [0, 1); round to its beginning. */
  random(unit: number, nowMs: number): Slot {
    const { length } = this.#slots;
    const start = Math.min(length - 1, Math.floor(unit * length));
    for (let step = 0; step < length; step++) {
      const slot = (start + step) % length;
      if (this.#isShown(slot, nowMs)) return slot;
    }
    return NO_SLOT;
  }

  /** Null while the order is not whole; asking brings it on. */
  ordered(): OrderedKeys | null {
    const { access, order } = this.#slots;
    return order.use(access.nowMs, ORDERED_AT_ONCE) ? this : null;
  }

  visit(
    prefix: string,
    after: string | null,
    budget: number,
    nowMs: number,
    visitor: (slot: Slot) => void,
  ): string | null {
    const begin = latin1Range(prefix);
    let left = budget;
    let last: Slot = NO_SLOT;
    this.#slots.order.visit(after === null ? begin : latin1Range(after), after !== null, (slot) => {
      if (!beginsWith(this.#slots.keyInto(slot, this.#key), begin)) {
        last = NO_SLOT;
        return false;
      }
      if (left-- <= 0) return false;
      last = slot;
      if (this.#isShown(slot, nowMs)) visitor(slot);
      return true;
    });
    return left >= 0 ? null : this.#slots.keyText(last);
  }
}

function beginsWith(key: ByteRange, prefix: ByteRange): boolean {
  if (key.length < prefix.length) return false;
  for (let at = 0; at < prefix.length; at++)
    if (key.buf[key.start + at] !== prefix.buf[prefix.start + at]) return false;
  return true;
}
