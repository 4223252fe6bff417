import type { Slot } from '../keyspace.ts';
import type { SlabTable } from './slab-table.ts';
import { KIND_FLAGS, SlotFlag } from './slot-records.ts';

/** Writes the mark of a slot's write; false where there is more than one, an expiry, or a key that is not as all are. */
export function markInto(slots: SlabTable, slot: Slot, marks: Float64Array, at: number): boolean {
  const { records } = slots;
  if (!slots.isRegister(slot) || records.has(slot, KIND_FLAGS) !== 0 || records.expiryMs(slot) !== Infinity)
    return false;
  marks[at] = slot;
  marks[at + 1] = records.stamp(slot);
  marks[at + 2] = records.origin(slot);
  marks[at + 3] = records.hash(slot);
  return true;
}

/** Whether the slot of a mark still holds that write of that key, and nothing else. */
export function isStill({ records }: SlabTable, marks: Float64Array, at: number): boolean {
  const slot = marks[at] as number;
  return (
    records.stamp(slot) === marks[at + 1] &&
    records.origin(slot) === marks[at + 2] &&
    records.hash(slot) === marks[at + 3] &&
    records.has(slot, SlotFlag.Live | SlotFlag.Object | SlotFlag.Counter) === SlotFlag.Live &&
    records.expiryMs(slot) === Infinity
  );
}
