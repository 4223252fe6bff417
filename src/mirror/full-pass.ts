import type { KeyspaceReader } from '../keyspace/keyspace.ts';

/** Slots of the keyspace that are looked at for one batch of a pass. */
const SLOTS_PER_STEP = 512;

/**
 * How far a comparison of everything is: first each key that is here is written where it differs there, then each key there that is
 * not here any more is taken away. Keys that change meanwhile are in the list of changed keys, as ever.
 */
export class FullPass {
  #slotCursor: number | null = 0;
  #scanCursor: string | null = '';
  /** When the next step may be made, on the monotonic clock. */
  dueMs = 0;

  /** Whether it still writes what is here. */
  get isWriting(): boolean {
    return this.#slotCursor !== null;
  }

  get isOver(): boolean {
    return this.#slotCursor === null && this.#scanCursor === null;
  }

  /** Where the look at what is there goes on. */
  get scanCursor(): string {
    return this.#scanCursor ?? '';
  }

  /** The next keys that are here, some of which `isMirrored`; says how many were looked at. */
  keys(keys: KeyspaceReader, nowMs: number, visit: (slot: number) => void): number {
    const next = keys.scan(this.#slotCursor ?? 0, SLOTS_PER_STEP, nowMs, visit);
    this.#slotCursor = next === 0 ? null : next;
    return SLOTS_PER_STEP;
  }

  scannedTo(next: string | null): void {
    this.#scanCursor = next;
  }
}
