import type { EntryState } from '../crdt/entry.ts';
import type { Slot } from './keyspace.ts';
import type { PendingChange, PendingChanges } from './pending-changes.ts';
import type { SlotObserver } from './slab/slab-table.ts';

/** The slots of a keyspace, as a state is read from them or looked for in them. */
export interface ArrivalSlots {
  /** Slots given out so far. */
  readonly length: number;
  readonly observers: Set<SlotObserver>;
  isSystem(slot: Slot): boolean;
  /** The key of a slot, null where there is none. */
  keyText(slot: Slot): string | null;
  /** The slot of a key, NO_SLOT where it has none. */
  slotOfText(key: string): Slot;
}

/** The keyspace that a state is taken from: it goes on changing. */
export interface ArrivingSource {
  readonly slots: ArrivalSlots;
  stateAt(slot: Slot): readonly [key: string, state: EntryState] | null;
}

/** The keyspace that it arrives in. */
export interface ArrivingTarget {
  readonly slots: ArrivalSlots;
  readonly pending: PendingChanges;
  /** Merges what the source holds of a key, null for nothing. */
  mergeKey(key: string, state: EntryState | null): void;
}

/** Which state it is. */
export interface ArrivingState {
  readonly before: PendingChange['before'];
  readonly isOfAll: boolean;
  /** Whether a key may be of it. */
  isOf(key: string): boolean;
}

/**
 * A whole state that takes the place of what a keyspace has of it, in one step for whoever reads, and key by key in fact (RULES D6, T1): a
 * key is merged before it is looked at here or changes at its source, and the rest bit by bit.
 */
export class Arrival implements PendingChange, SlotObserver {
  readonly before: PendingChange['before'];
  readonly isOfAll: boolean;
  readonly isCounted = false;
  readonly #state: ArrivingState;
  readonly #source: ArrivingSource;
  readonly #target: ArrivingTarget;
  /** Slots of the source before it are done; from its end on they are no part of the state. */
  #position = 0;
  readonly #end: Slot;
  #targetPosition = 0;
  /** Not known before all of the source is done: what came before this state may still add keys. */
  #targetEnd: Slot | null = null;
  /** Keys that are done, or no part of the state, wherever the source has them now. */
  readonly #settled: Set<string> = new Set();
  #areSystemSettled = false;
  /** Slots that were empty when the state was taken. */
  readonly #newSlots: Set<Slot> = new Set();

  constructor(state: ArrivingState, source: ArrivingSource, target: ArrivingTarget) {
    this.before = state.before;
    this.isOfAll = state.isOfAll;
    this.#state = state;
    this.#source = source;
    this.#target = target;
    this.#end = source.slots.length;
    source.slots.observers.add(this);
  }

  get left(): number {
    return this.#end - this.#position + (this.#targetEnd ?? this.#target.slots.length) - this.#targetPosition;
  }

  isWithin(): boolean {
    return false;
  }

  /** The source changes. */
  beforeChange(slot: Slot): void {
    const key = this.#source.slots.keyText(slot);
    if (key === null) {
      this.#newSlots.add(slot);
      return;
    }
    this.#target.pending.settle(key);
    this.#settled.add(key);
  }

  settle(key: string): void {
    if (this.#settled.has(key) || !this.#state.isOf(key)) return;
    const slot = this.#slotInState(key);
    if (slot !== null && slot < this.#position) return;
    this.#settled.add(key);
    const state = slot === null ? null : this.#source.stateAt(slot);
    const isHere = this.#target.slots.slotOfText(key) >= 0;
    if (state !== null || isHere) this.#target.mergeKey(key, state?.[1] ?? null);
  }

  /** What has no slot here yet is found by no look at slots. */
  settleSlot(): boolean {
    return false;
  }

  settleSystem(): void {
    if (this.#areSystemSettled) return;
    this.#areSystemSettled = true;
    for (const slots of [this.#source.slots, this.#target.slots])
      for (let slot = 0; slot < slots.length; slot++) if (slots.isSystem(slot)) this.settle(slots.keyText(slot) ?? '');
  }

  #slotInState(key: string): Slot | null {
    const slot = this.#source.slots.slotOfText(key);
    return slot < 0 || slot >= this.#end || this.#newSlots.has(slot) ? null : slot;
  }

  advance(keys: number): boolean {
    let left = keys;
    for (; left > 0 && this.#position < this.#end; left--) this.#next(this.#source.slots.keyText(this.#position));
    if (this.#position < this.#end) return false;
    this.#targetEnd ??= this.#target.slots.length;
    for (; left > 0 && this.#targetPosition < this.#targetEnd; left--) this.#nextOfTarget();
    return this.#targetPosition >= this.#targetEnd;
  }

  #next(key: string | null): void {
    if (key !== null && !this.#newSlots.has(this.#position)) {
      this.settle(key);
      // passed, that is known by its slot
      this.#settled.delete(key);
    }
    this.#position++;
  }

  /** What the target has and the state does not. */
  #nextOfTarget(): void {
    const key = this.#target.slots.keyText(this.#targetPosition++);
    if (key !== null) this.settle(key);
  }

  close(): void {
    this.#source.slots.observers.delete(this);
  }
}
