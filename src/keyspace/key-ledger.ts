import type { Entry } from '../crdt/entry.ts';
import { ContentType } from '../crdt/entry.ts';
import { CountedKeys } from './counted-keys.ts';
import { DirtyKeys } from './dirty-keys.ts';
import { ForgetQueue } from './forget-queue.ts';
import type { Slot } from './keyspace.ts';
import { PurgeQueue } from './purge-queue.ts';
import { QuietKeys } from './quiet-keys.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable } from './slab/slab-table.ts';

/**
 * What is kept of keys beside what they hold: counts, expiries, what is to be written behind, purged or forgotten. All of it by slots and
 * by flags in their records, so that a write notes it without a string, an object or a map.
 */
export class KeyLedger {
  readonly #slots: SlabTable;
  readonly counted: CountedKeys;
  readonly forget: ForgetQueue;
  readonly purge: PurgeQueue;
  /** Those whose losing types can be forgotten, and those that can be purged. */
  readonly quiet: QuietKeys;
  readonly dirty: DirtyKeys;
  /** Told before a key goes of which changes may be noted (RULES S1). */
  onNotedGone: (slot: Slot) => void = () => {};

  constructor(slots: SlabTable) {
    this.#slots = slots;
    const { records } = slots;
    this.counted = new CountedKeys(records);
    this.forget = new ForgetQueue(records);
    this.purge = new PurgeQueue(records);
    this.quiet = new QuietKeys(records);
    this.dirty = new DirtyKeys(slots);
  }

  /** Whether a slot shows something that does not expire: writing that over again changes nothing but the store. */
  isSteady(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Counted | SlotFlag.Expires | SlotFlag.Purge) === SlotFlag.Counted;
  }

  /** Whether a slot shows something and was not found to be expired: what is written to a hash or set leaves it so. */
  isShown(slot: Slot): boolean {
    return this.#slots.records.has(slot, SlotFlag.Counted | SlotFlag.Purge) === SlotFlag.Counted;
  }

  /** A plain string is about to be written over, or a new slot to become one. */
  beforeWrite(slot: Slot): void {
    this.counted.remove(slot);
    this.purge.drop(slot);
  }

  /** It was. */
  written(slot: Slot): void {
    this.counted.add(slot);
    this.dirty.note(slot);
  }

  /** Takes in an opened entry that changed, and closes it; a slot that holds nothing any more goes. */
  changed(slot: Slot, entry: Entry): void {
    this.#takeIn(slot, entry);
    if (entry.hasSeveralTypes) this.quiet.note(slot);
  }

  #takeIn(slot: Slot, entry: Entry): void {
    const isWeak = this.#slots.records.has(slot, SlotFlag.Weak) !== 0;
    this.counted.remove(slot);
    this.purge.drop(slot);
    if (entry.isEmpty) {
      this.#gone(slot, isWeak);
      return;
    }
    this.#slots.close(slot, entry);
    if (!isWeak) this.dirty.note(slot);
    if (entry.type !== ContentType.None) this.counted.add(slot);
    // what is left after the last field or member went: nobody will ever see it, so it goes as if it had expired
    else if (entry.expiries !== null) this.waitForPurge(slot);
  }

  #gone(slot: Slot, isWeak: boolean): void {
    if (!isWeak && this.dirty.wantsGone) this.dirty.noteGone(this.#slots.keyText(slot) ?? '');
    if (this.#slots.records.has(slot, SlotFlag.Noted) !== 0) this.onNotedGone(slot);
    this.#slots.remove(slot);
  }

  /** A plain slot goes with all that is known of it. */
  drop(slot: Slot): void {
    this.counted.remove(slot);
    this.purge.drop(slot);
    this.#gone(slot, this.#slots.records.has(slot, SlotFlag.Weak) !== 0);
  }

  waitForPurge(slot: Slot): void {
    this.purge.add(slot);
    this.quiet.note(slot);
  }

  /** Forgetting changes nothing that shows: a key that was found expired stays so. */
  forgotten(slot: Slot, entry: Entry): void {
    if (!this.purge.has(slot) || entry.isEmpty) {
      this.#takeIn(slot, entry);
      return;
    }
    this.#slots.close(slot, entry);
    this.dirty.note(slot);
  }

  /** The latest time that is known of a slot on its way out. */
  lastExpiryMs(slot: Slot): number {
    const { records } = this.#slots;
    if (records.type(slot) !== ContentType.None) return records.expiryMs(slot);
    return this.#slots.entryAt(slot).expiries?.latestMs ?? -Infinity;
  }
}
