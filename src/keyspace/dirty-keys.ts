import { assert } from '../base/assert.ts';
import type { EntryState } from '../crdt/entry.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import { SlotFlag } from './slab/slot-records.ts';
import type { SlabTable, SlotObserver } from './slab/slab-table.ts';
import { SlotQueue } from './slot-queue.ts';

/** A key with its state, null where it is gone. */
export type DirtyEntry = readonly [key: string, state: EntryState | null];

/** What changed since the last time it was asked, for the store behind. */
export interface DirtyEntries {
  /** Everything is to be dropped before the entries are put in. */
  readonly clear: boolean;
  /** In this order: a key that went, came again and changed while a cut was read may be there twice. */
  readonly entries: readonly DirtyEntry[];
}

/** What changed, as it was at one moment, read bit by bit while changes go on. */
export interface DirtyCut {
  readonly clear: boolean;
  /** Whether all of it was read: then the next one may be made. */
  readonly isRead: boolean;
  /** The next entries, in order, about so many. */
  next(keys: number): readonly DirtyEntry[];
}

/** What it costs to pass a slot that was copied, where to read one is 1. */
const PASSED_COST = 0.02;

/** A key that changes before the cut came by is copied first, as in a `SnapshotCursor`. */
class OpenCut implements DirtyCut, SlotObserver {
  readonly clear: boolean;
  readonly #slots: SlabTable;
  readonly #isKept: (slot: Slot) => boolean;
  readonly #gone: Iterator<string>;
  #goneLeft: number;
  readonly #changed: SlotQueue;
  /** What marks the slots that the cut is still to read. */
  readonly #mark: number;
  readonly #copies: DirtyEntry[] = [];
  readonly #close: () => void;
  isRead: boolean = false;

  constructor(
    slots: SlabTable,
    what: { clear: boolean; gone: ReadonlySet<string>; changed: SlotQueue; mark: number },
    isKept: (slot: Slot) => boolean,
    close: () => void,
  ) {
    this.#slots = slots;
    this.clear = what.clear;
    this.#gone = what.gone.values();
    this.#goneLeft = what.gone.size;
    this.#changed = what.changed;
    this.#mark = what.mark;
    this.#isKept = isKept;
    this.#close = close;
  }

  beforeChange(slot: Slot): void {
    if (slot >= this.#slots.length) return;
    const entry = this.#read(slot);
    if (entry !== null) this.#copies.push(entry);
  }

  #read(slot: Slot): DirtyEntry | null {
    const { records } = this.#slots;
    if (records.has(slot, this.#mark) === 0) return null;
    records.unmark(slot, this.#mark);
    const key = this.#slots.keyText(slot);
    return key !== null && this.#isKept(slot) ? [key, this.#slots.stateAt(slot)] : null;
  }

  #isToRead(key: string): boolean {
    const slot = this.#slots.slotOfText(key);
    return slot !== NO_SLOT && this.#slots.records.has(slot, this.#mark) !== 0;
  }

  next(keys: number): readonly DirtyEntry[] {
    const entries: DirtyEntry[] = [];
    let left = Math.max(1, keys);
    // first: one of them that was there again at the cut comes behind with its state
    for (; left > 0 && this.#goneLeft > 0; left--, this.#goneLeft--) {
      const { value: key } = this.#gone.next() as IteratorYieldResult<string>;
      if (!this.#isToRead(key)) entries.push([key, null]);
    }
    while (left > 0 && (this.#copies.length > 0 || this.#changed.length > 0)) {
      const entry = this.#copies.pop() ?? this.#read(this.#changed.shift());
      if (entry !== null) entries.push(entry);
      left -= entry === null ? PASSED_COST : 1;
    }
    this.isRead = this.#goneLeft + this.#copies.length + this.#changed.length === 0;
    if (this.isRead) this.#close();
    return entries;
  }
}

/** The keys that the store behind does not have as they are: slots of those that are there, names of those that are gone. */
export class DirtyKeys {
  readonly #slots: SlabTable;
  #changed: SlotQueue = new SlotQueue();
  /** That of the cut before, which is empty unless one is open. */
  #other: SlotQueue = new SlotQueue();
  #gone: Set<string> = new Set();
  #clear = false;
  #cut: OpenCut | null = null;
  /** What marks the slots in `changed`; those of an open cut have the other mark. */
  #mark: number = SlotFlag.Dirty;
  /** Whether there is a store to collect for. */
  isCollecting = false;

  constructor(slots: SlabTable) {
    this.#slots = slots;
  }

  /** About how many there are, 0 for none; without those of an open cut. */
  get size(): number {
    return this.#changed.length + this.#gone.size + (this.#clear ? 1 : 0);
  }

  note(slot: Slot): void {
    const { records } = this.#slots;
    if (!this.isCollecting || records.has(slot, this.#mark) !== 0) return;
    records.mark(slot, this.#mark);
    this.#changed.push(slot);
  }

  /** Whether the store is to drop everything first: what goes from here then need not be noted, and what stays is. */
  get clears(): boolean {
    return this.#clear;
  }

  /** Whether keys that go are to be noted. */
  get wantsGone(): boolean {
    return this.isCollecting && !this.#clear;
  }

  /** A key that is to be dropped: it has no slot, or none for long. */
  noteGone(key: string): void {
    if (this.wantsGone) this.#gone.add(key);
  }

  /** Nothing is kept any more. */
  noteClear(): void {
    if (!this.isCollecting) return;
    while (this.#changed.length > 0) this.#slots.records.unmark(this.#changed.shift(), this.#mark);
    this.#gone = new Set();
    this.#clear = true;
  }

  /** What changed since the last cut, as it is now. The last one must have been read to its end. */
  cut(isKept: (slot: Slot) => boolean): DirtyCut {
    assert(this.#cut === null, 'a cut is read to its end before the next one');
    const what = { clear: this.#clear, gone: this.#gone, changed: this.#changed, mark: this.#mark };
    const cut = new OpenCut(this.#slots, what, isKept, () => {
      this.#slots.observers.delete(cut);
      this.#cut = null;
    });
    this.#cut = cut;
    this.#slots.observers.add(cut);
    this.#clear = false;
    this.#gone = new Set();
    this.#changed = this.#other;
    this.#other = what.changed;
    this.#mark = this.#mark === SlotFlag.Dirty ? SlotFlag.DirtyToo : SlotFlag.Dirty;
    return cut;
  }
}
