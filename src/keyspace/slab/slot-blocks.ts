import type { Slot } from '../keyspace.ts';
import { SlabMemory } from './slab-memory.ts';
import type { SlotRecords } from './slot-records.ts';

export const NO_BLOCK = -1;

/** The block of each slot: its key, and behind it what its value needs. */
export class SlotBlocks {
  readonly memory: SlabMemory = new SlabMemory();
  readonly #records: SlotRecords;
  /** The block that `reserve` replaced, until what was read from it is written. */
  replaced: number = NO_BLOCK;
  #replacedClass = 0;
  /** Told by how many bytes a slot's block grows or shrinks, also when it gets its first and before it loses its last; null for nobody. */
  onResize: ((slot: Slot, bytes: number) => void) | null = null;

  constructor(records: SlotRecords) {
    this.#records = records;
  }

  /** Sees to it that the slot's block is one for its key and so many bytes; returns where they begin. `freeReplaced` is to follow. */
  reserve(slot: Slot, valueLength: number): number {
    const { memory } = this;
    const records = this.#records;
    const keyLength = records.keyLength(slot);
    const before = records.address(slot);
    const classBefore = records.sizeClass(slot);
    const sizeClass = SlabMemory.classFor(keyLength + valueLength);
    if (sizeClass === classBefore && memory.isRoomFor(keyLength + valueLength, before, classBefore))
      return memory.offset(before) + keyLength;
    const address = memory.allocate(slot, keyLength + valueLength, sizeClass);
    const at = memory.offset(address);
    const keyAt = memory.offset(before);
    memory.target(address).copyFrom(memory.target(before), keyAt, keyAt + keyLength, at);
    records.setAddress(slot, address);
    records.setSizeClass(slot, sizeClass);
    this.replaced = before;
    this.#replacedClass = classBefore;
    if (this.onResize !== null) this.onResize(slot, this.sizeOf(slot) - memory.sizeAt(before, classBefore));
    return at + keyLength;
  }

  /** The bytes that a slot's block takes. */
  sizeOf(slot: Slot): number {
    return this.memory.sizeAt(this.#records.address(slot), this.#records.sizeClass(slot));
  }

  /** A slot has its first block, with its key in it. */
  added(slot: Slot): void {
    this.onResize?.(slot, this.sizeOf(slot));
  }

  /** Frees the block of a slot whose key goes. */
  free(slot: Slot): void {
    this.onResize?.(slot, -this.sizeOf(slot));
    this.memory.free(this.#records.address(slot), this.#records.sizeClass(slot));
  }

  freeReplaced(): void {
    if (this.replaced === NO_BLOCK) return;
    this.memory.free(this.replaced, this.#replacedClass);
    this.replaced = NO_BLOCK;
  }
}
