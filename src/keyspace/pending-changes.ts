import type { Origin } from '../clock/origin.ts';
import type { Slot } from './keyspace.ts';

/**
 * A change of many keys that counts from one moment on for whoever looks, and is made key by key: one that is looked at or changes first, the
 * rest bit by bit. So no change of many keys is one pause.
 */
export interface PendingChange {
  /** Whether it may be of any key: until it is made, what all keys hold together is no state of one moment. */
  readonly isOfAll: boolean;
  /** How far an origin was here whose state it brings: what is stored meanwhile is no further. */
  readonly before: readonly (readonly [Origin, number])[];
  /** Whether keys are counted already as if it were made. */
  readonly isCounted: boolean;
  /** Places that are still to be gone through. */
  readonly left: number;
  /** The next one sees all that this one does, and may take its place. */
  isWithin(next: PendingChange): boolean;
  /** Makes it of one key. */
  settle(key: string): void;
  /** Makes it of what stands in a slot; false where that does not tell which keys there are. */
  settleSlot(slot: Slot): boolean;
  /** Makes it of all of the product's own keys: they are few. */
  settleSystem(): void;
  /** Goes on for so many keys; says whether it is at the end. */
  advance(keys: number): boolean;
  close(): void;
}

/** Changes of many keys that are on their way into a keyspace, in their order. */
export class PendingChanges {
  #open: PendingChange[] = [];
  /** The one that is being made of a key. */
  #running: PendingChange | null = null;

  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Whether one of them may be of any key. */
  get isOfAll(): boolean {
    return this.#open.some(({ isOfAll }) => isOfAll);
  }

  get isCounted(): boolean {
    return this.#open.every(({ isCounted }) => isCounted);
  }

  /** Places that are still to be gone through, of all of them. */
  get left(): number {
    return this.#open.reduce((sum, { left }) => sum + left, 0);
  }

  /** How far origins were here whose states are on their way. */
  get before(): ReadonlyMap<Origin, number> {
    return new Map(this.#open.flatMap(({ before }) => before));
  }

  /** From now on it counts. */
  begin(change: PendingChange): void {
    const last = this.#open.at(-1);
    if (last?.isWithin(change) === true) {
      last.close();
      this.#open = this.#open.slice(0, -1);
    }
    this.#open.push(change);
  }

  /** Whether what happens now is part of one that comes before another. */
  runsBefore(other: PendingChange): boolean {
    return this.#running !== null && this.#open.indexOf(this.#running) < this.#open.indexOf(other);
  }

  /** A key is looked at, or changes. */
  settle(key: string): void {
    this.#make((change) => change.settle(key));
  }

  /** A slot changes, whatever its key. */
  settleSlot(slot: Slot): boolean {
    let isSettled = true;
    this.#make((change) => {
      if (!change.settleSlot(slot)) isSettled = false;
    });
    return isSettled;
  }

  /** Slots from one on, and before another, are looked at. */
  settleSlots(from: Slot, to: Slot): void {
    for (let slot = from; slot < to && this.isOpen; slot++) if (!this.settleSlot(slot)) this.settleAll();
  }

  /** The product's own keys are looked at. */
  settleSystem(): void {
    this.#make((change) => change.settleSystem());
  }

  settleAll(): void {
    while (this.isOpen && this.#running === null) this.advance(Infinity);
  }

  /** Goes on with the first of them for so many keys. */
  advance(keys: number): void {
    const [first] = this.#open;
    let isAtEnd = false;
    this.#make((change) => {
      if (change === first) isAtEnd = change.advance(keys);
    });
    if (!isAtEnd) return;
    first?.close();
    this.#open = this.#open.slice(1);
  }

  /** What is done of a key meanwhile is part of the change: it asks for nothing to be settled. */
  #make(make: (change: PendingChange) => void): void {
    if (this.#running !== null) return;
    try {
      for (const change of this.#open) make((this.#running = change));
    } finally {
      this.#running = null;
    }
  }
}
