import type { Origin } from '../clock/origin.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { MergeSides } from '../crdt/writes.ts';
import type { Slot } from './keyspace.ts';
import type { SlotObserver } from './slab/slab-table.ts';

/** The slots of a keyspace, as a state is read from them or looked for in them. */
export interface ArrivalSlots {
  /** Slots given out so far. */
  readonly length: number;
  readonly observers: Set<SlotObserver>;
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
  /** Merges what the source holds of a key, null for nothing. */
  mergeKey(key: string, state: EntryState | null, sides: MergeSides): void;
  /** Whether a key may be of the source. */
  isPinned(key: string): boolean;
}

/**
 * A whole state that takes the place of what a keyspace has of it, in one step for whoever reads, and key by key in fact (RULES D6, T1): a
 * key is merged before it is looked at here or changes at its source, and the rest bit by bit. So no merge of many keys is one pause.
 */
class Arrival implements SlotObserver {
  readonly origin: Origin;
  /** How far the origin was here before: what is stored meanwhile is no further. */
  readonly before: number;
  readonly #source: ArrivingSource;
  readonly #target: ArrivingTarget;
  /** The target's. */
  readonly #slots: ArrivalSlots;
  readonly #sides: MergeSides;
  /** Slots of the source before it are done; from its end on they are no part of the state. */
  #position = 0;
  readonly #end: Slot;
  #targetPosition = 0;
  readonly #targetEnd: Slot;
  /** Keys that are done, or no part of the state, wherever the source has them now. */
  readonly #settled: Set<string> = new Set();
  /** Slots that were empty when the state was taken. */
  readonly #newSlots: Set<Slot> = new Set();

  constructor(origin: Origin, source: ArrivingSource, target: ArrivingTarget, slots: ArrivalSlots, sides: MergeSides) {
    this.#slots = slots;
    this.origin = origin;
    this.before = sides.local.get(origin);
    this.#source = source;
    this.#target = target;
    this.#sides = sides;
    this.#end = source.slots.length;
    this.#targetEnd = slots.length;
    source.slots.observers.add(this);
  }

  beforeChange(slot: Slot): void {
    const key = this.#source.slots.keyText(slot);
    if (key === null) {
      this.#newSlots.add(slot);
      return;
    }
    this.settle(key);
    this.#settled.add(key);
  }

  settle(key: string): void {
    if (this.#settled.has(key) || !this.#target.isPinned(key)) return;
    const slot = this.#slotInState(key);
    if (slot !== null && slot < this.#position) return;
    this.#settled.add(key);
    const state = slot === null ? null : this.#source.stateAt(slot);
    const isHere = this.#slots.slotOfText(key) >= 0;
    if (state !== null || isHere) this.#target.mergeKey(key, state?.[1] ?? null, this.#sides);
  }

  #slotInState(key: string): Slot | null {
    const slot = this.#source.slots.slotOfText(key);
    return slot < 0 || slot >= this.#end || this.#newSlots.has(slot) ? null : slot;
  }

  /** Goes on for so many slots; says whether it is at the end. */
  advance(slots: number): boolean {
    for (let left = slots; left > 0; left--) {
      if (this.#position < this.#end) this.#next(this.#source.slots.keyText(this.#position));
      else if (this.#targetPosition < this.#targetEnd) this.#nextOfTarget();
      else return true;
    }
    return this.#position >= this.#end && this.#targetPosition >= this.#targetEnd;
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
    const key = this.#slots.keyText(this.#targetPosition++);
    if (key !== null) this.settle(key);
  }

  close(): void {
    this.#source.slots.observers.delete(this);
  }
}

/** States on their way into a keyspace. */
export class Arrivals {
  readonly #target: ArrivingTarget;
  readonly #slots: ArrivalSlots;
  #open: Arrival[] = [];

  constructor(target: ArrivingTarget, slots: ArrivalSlots) {
    this.#target = target;
    this.#slots = slots;
  }

  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** How far origins were here whose states are on their way. */
  get before(): ReadonlyMap<Origin, number> {
    return new Map(this.#open.map(({ origin, before }) => [origin, before] as const));
  }

  /** From now on all of an origin's state is here for whoever looks. */
  begin(origin: Origin, source: ArrivingSource, sides: MergeSides): void {
    if (this.#open.some((arrival) => arrival.origin === origin)) this.settleAll();
    this.#open.push(new Arrival(origin, source, this.#target, this.#slots, sides));
  }

  /** A key is looked at, or changes. */
  settle(key: string): void {
    for (const arrival of this.#open) arrival.settle(key);
  }

  settleAll(): void {
    this.advance(Infinity);
  }

  /** Goes on for so many keys. */
  advance(keys: number): void {
    const [first] = this.#open;
    if (first === undefined || !first.advance(keys)) return;
    first.close();
    this.#open = this.#open.slice(1);
    if (keys === Infinity) this.settleAll();
  }
}
