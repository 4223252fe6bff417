import type { EntryState } from '../crdt/entry.ts';
import type { Slot } from './keyspace.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable } from './slab/slab-table.ts';
import { SlotQueue } from './slot-queue.ts';

/** What changed since the last time it was asked, for the store behind. */
export interface DirtyEntries {
  /** Everything is to be dropped before the entries are put in. */
  readonly clear: boolean;
  readonly entries: (readonly [key: string, state: EntryState | null])[];
}

/** The keys that the store behind does not have as they are: slots of those that are there, names of those that are gone. */
export class DirtyKeys {
  readonly #slots: SlabTable;
  readonly #changed: SlotQueue = new SlotQueue();
  #gone: Set<string> = new Set();
  #clear = false;
  /** Whether there is a store to collect for. */
  isCollecting = false;

  constructor(slots: SlabTable) {
    this.#slots = slots;
  }

  /** About how many there are, 0 for none. */
  get size(): number {
    return this.#changed.length + this.#gone.size + (this.#clear ? 1 : 0);
  }

  note(slot: Slot): void {
    const { records } = this.#slots;
    if (!this.isCollecting || records.has(slot, SlotFlag.Dirty) !== 0) return;
    records.mark(slot, SlotFlag.Dirty);
    this.#changed.push(slot);
  }

  /** A key that is to be dropped: it has no slot, or none for long. */
  noteGone(key: string): void {
    if (this.isCollecting) this.#gone.add(key);
  }

  /** Nothing is kept any more. */
  noteClear(): void {
    if (!this.isCollecting) return;
    while (this.#changed.length > 0) this.#slots.records.unmark(this.#changed.shift(), SlotFlag.Dirty);
    this.#gone = new Set();
    this.#clear = true;
  }

  /** What changed since the last call, as it is now. */
  take(isKept: (slot: Slot) => boolean): DirtyEntries {
    const entries: [key: string, state: EntryState | null][] = [];
    for (const key of this.#gone) {
      const slot = this.#slots.slotOfText(key);
      if (slot < 0 || !isKept(slot)) entries.push([key, null]);
    }
    while (this.#changed.length > 0) {
      const slot = this.#changed.shift();
      this.#slots.records.unmark(slot, SlotFlag.Dirty);
      const key = this.#slots.keyText(slot);
      if (key !== null && isKept(slot)) entries.push([key, this.#slots.stateAt(slot)]);
    }
    const clear = this.#clear;
    this.#gone = new Set();
    this.#clear = false;
    return { clear, entries };
  }
}
