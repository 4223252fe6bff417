import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Entry } from '../crdt/entry.ts';
import type { Slot } from './keyspace.ts';
import { SlotFlag, type SlotRecords } from './slab/slot-records.ts';

const NOTHING_STABLE_ORIGIN = 0;

/**
 * Slots of whose keys something can be forgotten once a transaction is stable, in the order in which they changed. A slot stands in it
 * once at most, so it is never longer than the keys that changed; one whose key is gone meanwhile, or another, is looked at for
 * nothing, or early.
 */
export class ForgetQueue {
  readonly #records: SlotRecords;
  #slots: Slot[] = [];
  #origins: number[] = [];
  #seqs: number[] = [];
  #head = 0;

  constructor(records: SlotRecords) {
    this.#records = records;
  }

  get size(): number {
    return this.#slots.length - this.#head;
  }

  /** Notes that a transaction left something behind in an entry that is not its plain latest value. */
  note(slot: Slot, origin: number, seq: number, entry: Entry): void {
    if (!isPlain(entry)) this.noteUnsettled(slot, origin, seq);
  }

  /** As `note`, of what is known not to be plain. */
  noteUnsettled(slot: Slot, origin: number, seq: number): void {
    if (this.#records.has(slot, SlotFlag.Forget) !== 0) return;
    this.#records.mark(slot, SlotFlag.Forget);
    this.#push(slot, origin, seq);
  }

  #push(slot: Slot, origin: number, seq: number): void {
    this.#slots.push(slot);
    this.#origins.push(origin);
    this.#seqs.push(seq);
  }

  /** Notes an entry of a snapshot or of the store, whose last transaction is not known: it is looked at soon. */
  noteMerged(slot: Slot, entry: Entry): void {
    this.note(slot, NOTHING_STABLE_ORIGIN, 0, entry);
  }

  /** Looks at up to `budget` slots whose transaction is stable; `settle` says whether nothing is left to wait for. */
  drain(stable: VersionVector, budget: number, settle: (slot: Slot) => boolean): void {
    const end = Math.min(this.#slots.length, this.#head + budget);
    while (this.#head < end) {
      const at = this.#head++;
      const slot = this.#slots[at] as Slot;
      const origin = this.#origins[at] as number;
      const seq = this.#seqs[at] as number;
      if (stable.contains(origin as Origin, seq) && settle(slot)) this.#records.unmark(slot, SlotFlag.Forget);
      else this.#push(slot, origin, seq);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#origins = this.#origins.slice(this.#head);
      this.#seqs = this.#seqs.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** A live value and nothing else: nothing to forget. */
function isPlain(entry: Entry): boolean {
  if (entry.isEmpty) return true;
  if (!entry.string.isPlain || entry.hasSeveralTypes) return false;
  if (entry.hash !== null && !entry.hash.isSettled) return false;
  if (entry.set !== null && !entry.set.isSettled) return false;
  if (entry.document !== null && !entry.document.isPlain) return false;
  return entry.expiries === null || entry.expiries.isSettled;
}
