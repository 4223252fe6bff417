import type { Slot } from './keyspace.ts';

/** Slots by expiry time: a binary heap. Records that are outdated are for the caller to know. */
export class ExpiryQueue {
  readonly #times: number[] = [];
  readonly #slots: Slot[] = [];

  push(atMs: number, slot: Slot): void {
    const times = this.#times;
    const slots = this.#slots;
    let at = times.length;
    times.push(atMs);
    slots.push(slot);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((times[parent] as number) <= atMs) break;
      times[at] = times[parent] as number;
      slots[at] = slots[parent] as number;
      at = parent;
    }
    times[at] = atMs;
    slots[at] = slot;
  }

  /** The earliest time, Infinity when empty. */
  get nextMs(): number {
    return this.#times[0] ?? Infinity;
  }

  /** Removes and returns the slot of the earliest record; there must be one. */
  pop(): Slot {
    const times = this.#times;
    const slots = this.#slots;
    const top = slots[0] as Slot;
    const lastTime = times.pop() as number;
    const lastSlot = slots.pop() as Slot;
    if (times.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= lastTime) break;
      times[at] = times[child] as number;
      slots[at] = slots[child] as number;
      at = child;
    }
    times[at] = lastTime;
    slots[at] = lastSlot;
    return top;
  }
}
