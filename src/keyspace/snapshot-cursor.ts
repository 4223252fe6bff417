import type { EntryState } from '../crdt/entry.ts';
import type { Slot } from './keyspace.ts';

/** A key with its state at the cut. */
export type SnapshotEntry = readonly [key: string, state: EntryState];

/** What a cursor needs of the store under it. */
export interface SnapshotSource {
  readonly slotCount: number;
  stateAt(slot: Slot): SnapshotEntry | null;
}

/**
 * An exact cut of the keyspace that is read bit by bit while updates go on (RULES D6): a slot that changes before the cursor came
 * by is copied first. Cheap while nothing changes, one copy a changed key at most.
 */
export class SnapshotCursor {
  readonly #source: SnapshotSource;
  readonly #end: number;
  readonly #copied: Set<Slot> = new Set();
  readonly #copies: SnapshotEntry[] = [];
  #position = 0;

  constructor(source: SnapshotSource) {
    this.#source = source;
    this.#end = source.slotCount;
  }

  /** To be called before a slot changes or is reused. */
  beforeChange(slot: Slot): void {
    if (slot < this.#position || slot >= this.#end || this.#copied.has(slot)) return;
    this.#copied.add(slot);
    const state = this.#source.stateAt(slot);
    if (state !== null) this.#copies.push(state);
  }

  /** The next entries of the cut, about `budget` of them; null at the end. */
  next(budget: number): SnapshotEntry[] | null {
    const entries = this.#copies.splice(0, budget);
    while (entries.length < budget && this.#position < this.#end) {
      const slot = this.#position++;
      if (this.#copied.delete(slot)) continue;
      const state = this.#source.stateAt(slot);
      if (state !== null) entries.push(state);
    }
    return entries.length === 0 ? null : entries;
  }
}
