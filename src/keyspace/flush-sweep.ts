import type { FlushMark } from '../crdt/string-content.ts';
import { covers, type UpdateContext } from '../crdt/update.ts';
import type { KeyLedger } from './key-ledger.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import type { OpenedEntries } from './opened-entries.ts';
import type { PendingChange, PendingChanges } from './pending-changes.ts';
import type { SlabTable, SlotObserver } from './slab/slab-table.ts';
import { SlotFlag } from './slab/slot-records.ts';

/** Slots that are swept where another change makes one key: most of them are dropped, or empty. */
const SLOTS_A_KEY = 4;

/** One FLUSHALL. */
export interface Flush {
  readonly mark: FlushMark;
  readonly context: UpdateContext;
  /** Whether no later one was applied before. */
  readonly isLatest: boolean;
  /** Whether it has seen all that is here: then nothing is left but what it is not for. */
  readonly seesAll: boolean;
}

/** The keyspace that it is of. */
export interface SweptKeyspace {
  readonly slots: SlabTable;
  readonly ledger: KeyLedger;
  readonly entries: OpenedEntries;
  readonly pending: PendingChanges;
}

/**
 * FLUSHALL, slot by slot (RULES V2): it counts for whoever looks from the moment on at which it is applied, and a slot is swept before it is
 * looked at or changes. What is written later, into slots of before too, it does not touch.
 */
export class FlushSweep implements PendingChange, SlotObserver {
  readonly isOfAll = true;
  /** Only where no other change is still to come before it that adds or takes away keys: what is hidden is a number, and none of it may go unseen. */
  readonly isCounted: boolean;
  readonly before: PendingChange['before'] = [];
  readonly #flush: Flush;
  readonly #slots: SlabTable;
  readonly #ledger: KeyLedger;
  readonly #entries: OpenedEntries;
  readonly #pending: PendingChanges;
  /** Whether the store drops everything before it takes what is left: then no names of dropped keys are kept. */
  readonly #clears: boolean;
  #position: Slot = 0;
  /** Slots from it on were given out later; not known before this change is the first one on its way. */
  #end: Slot | null = null;
  /** Slots behind the position that are swept, or hold what was written later. */
  readonly #done: Set<Slot> = new Set();
  #isSweeping = false;

  constructor(flush: Flush, { slots, ledger, entries, pending }: SweptKeyspace) {
    this.#flush = flush;
    this.#slots = slots;
    this.#ledger = ledger;
    this.#entries = entries;
    this.#pending = pending;
    // a value that lies in the store alone, or soon may, must stay there
    const hasAllHere = slots.stubs === 0 && slots.onValue === null;
    this.#clears = ledger.dirty.clears || (hasAllHere && ledger.counted.pinnedCount * 2 <= slots.keyCount);
    if (this.#clears) ledger.dirty.noteClear();
    this.isCounted = flush.seesAll && pending.isCounted;
    if (this.isCounted) ledger.counted.hide();
    slots.order.restart();
    slots.observers.add(this);
  }

  get left(): number {
    return (this.#end ?? this.#slots.length) - this.#position;
  }

  isWithin(next: PendingChange): boolean {
    if (!(next instanceof FlushSweep) || !next.#flush.isLatest) return false;
    const { origin, seq } = this.#flush.mark;
    return covers(next.#flush.context, origin, seq);
  }

  beforeChange(slot: Slot): void {
    if (this.#isSweeping) return;
    // a change before this one comes by with another key
    if (this.#pending.runsBefore(this)) return void this.#done.delete(slot);
    // in the order of the changes, where none is being made
    this.#pending.settleSlot(slot);
    this.settleSlot(slot);
  }

  settle(key: string): void {
    const slot = this.#slots.slotOfText(key);
    if (slot !== NO_SLOT) this.settleSlot(slot);
  }

  settleSlot(slot: Slot): boolean {
    const isToSweep = slot >= this.#position && (this.#end === null || slot < this.#end) && !this.#done.has(slot);
    if (isToSweep) {
      this.#done.add(slot);
      this.#sweep(slot);
    }
    return true;
  }

  settleSystem(): void {
    for (let slot = this.#position; slot < this.#slots.length; slot++)
      if (this.#slots.isSystem(slot)) this.settleSlot(slot);
  }

  advance(keys: number): boolean {
    this.#end ??= this.#slots.length;
    const until = Math.min(this.#end, this.#position + keys * SLOTS_A_KEY);
    while (this.#position < until) {
      const slot = this.#position++;
      if (!this.#done.delete(slot)) this.#sweep(slot);
    }
    return this.#position >= this.#end;
  }

  close(): void {
    this.#slots.observers.delete(this);
    if (this.#slots.keyCount === 0) this.#ledger.dirty.noteClear();
  }

  #sweep(slot: Slot): void {
    if (!this.#slots.isLive(slot)) return;
    this.#isSweeping = true;
    if (this.isCounted) this.#ledger.counted.show(slot);
    this.#sweepLive(slot);
    if (this.#clears && this.#slots.isLive(slot) && !this.#entries.isWeak(slot)) this.#ledger.dirty.note(slot);
    this.#isSweeping = false;
  }

  #sweepLive(slot: Slot): void {
    const { mark, context, isLatest } = this.#flush;
    if (this.#slots.records.has(slot, SlotFlag.Pinned) !== 0) return;
    this.#slots.beforeChange(slot);
    if (this.#entries.isWeak(slot)) {
      this.#ledger.drop(slot);
      return;
    }
    if (isLatest && this.#entries.dropBelow(slot, mark, context)) return;
    const entry = this.#slots.open(slot);
    entry.flush(isLatest ? mark : null, context);
    entry.refresh();
    this.#entries.changed(slot, entry, context);
  }
}
