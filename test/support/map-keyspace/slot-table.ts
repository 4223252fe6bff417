import { present } from '../../../src/base/assert.ts';
import { Entry } from '../../../src/crdt/entry.ts';
import { NO_SLOT, type Slot } from '../../../src/keyspace/keyspace.ts';

/** Who is told before a slot changes or is reused. */
export interface SlotObserver {
  beforeChange(slot: Slot): void;
}

/** Which entry stands where: a slot number for each key, reused when its key is gone. */
export class SlotTable {
  readonly #slots: Map<string, Slot> = new Map();
  readonly #keys: (string | null)[] = [];
  readonly #entries: (Entry | null)[] = [];
  readonly #free: Slot[] = [];
  readonly observers: Set<SlotObserver> = new Set();

  /** Slots given out so far; those of keys that are gone included. */
  get length(): number {
    return this.#entries.length;
  }

  /** Keys that have a slot. */
  get keyCount(): number {
    return this.#slots.size;
  }

  slotOf(key: string): Slot | undefined {
    return this.#slots.get(key);
  }

  /** The entry in a slot, null or undefined where there is none. */
  entry(slot: Slot): Entry | null | undefined {
    return this.#entries[slot];
  }

  entryAt(slot: Slot): Entry {
    return present(this.#entries[slot], 'a slot handed out holds an entry until the next update');
  }

  entryOf(key: string): Entry | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.entryAt(slot);
  }

  slotOfText(key: string): Slot {
    return this.#slots.get(key) ?? NO_SLOT;
  }

  /** The key of a slot, null where there is none. */
  keyText(slot: Slot): string | null {
    return this.#keys[slot] ?? null;
  }

  keyAt(slot: Slot): string {
    return present(this.#keys[slot], 'a slot handed out has a key');
  }

  /** The slot that the next new key gets. */
  get nextSlot(): Slot {
    return this.#free.at(-1) ?? this.#entries.length;
  }

  /** Gives a key that has none a slot, with an empty entry. */
  add(key: string, keepsSiblings: boolean): Slot {
    const slot = this.#free.pop() ?? this.#entries.length;
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#entries[slot] = new Entry(keepsSiblings);
    return slot;
  }

  /** To be called before an entry changes or a slot is reused. */
  beforeChange(slot: Slot): void {
    for (const observer of this.observers) observer.beforeChange(slot);
  }

  /** The first slot from a part of all on, of [0, 1), that is wanted; round to its beginning. */
  nextFrom(unit: number, isWanted: (slot: Slot) => boolean): Slot {
    const start = Math.min(this.length - 1, Math.floor(unit * this.length));
    for (let step = 0; step < this.length; step++) {
      const slot = (start + step) % this.length;
      if (isWanted(slot)) return slot;
    }
    return NO_SLOT;
  }

  put(slot: Slot, entry: Entry): void {
    this.#entries[slot] = entry;
  }

  remove(slot: Slot, key: string): void {
    this.#slots.delete(key);
    this.#entries[slot] = null;
    this.#keys[slot] = null;
    this.#free.push(slot);
  }

  /** All keys with their slots, as of now: good while they change. */
  all(): [key: string, slot: Slot][] {
    return [...this.#slots];
  }
}
