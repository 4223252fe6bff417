import type { CountedKeys } from './counted-keys.ts';
import type { Slot } from './keyspace.ts';
import type { PendingChanges } from './pending-changes.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable } from './slab/slab-table.ts';

/** The product's own keys among all slots, and what a slot's key is beside its content. */
export class SystemSlots {
  readonly #slots: SlabTable;
  readonly #counted: CountedKeys;
  readonly #pending: PendingChanges;

  constructor(slots: SlabTable, counted: CountedKeys, pending: PendingChanges) {
    this.#slots = slots;
    this.#counted = counted;
    this.#pending = pending;
  }

  /** Those that show something. */
  get count(): number {
    return this.#counted.systemCount;
  }

  /**
   * Visits system keys from a cursor on (0 begins), also those that have expired and are still kept, until `budget` places were looked at.
   * Returns the next cursor, 0 at the end. The visitor must not update.
   */
  scan(cursor: number, budget: number, visit: (slot: Slot, key: string) => void): number {
    this.#pending.settleSystem();
    if (this.#slots.systemCount === 0) return 0;
    const end = Math.min(this.#slots.length, cursor + budget);
    for (let slot = cursor; slot < end; slot++)
      if (this.#slots.isLive(slot) && this.#slots.isSystem(slot)) visit(slot, this.#slots.keyText(slot) ?? '');
    return end >= this.#slots.length ? 0 : end;
  }

  /** The transaction that changed a key last, as far as that is known: sequence 0 where it is not. */
  lastChange(slot: Slot): { readonly origin: number; readonly seq: number } {
    const seq = this.#slots.records.seq(slot);
    return { origin: seq === 0 ? 0 : this.#slots.originOf(slot), seq };
  }

  isPinned(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Pinned) !== 0;
  }

  isWeak(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Weak) !== 0;
  }
}
