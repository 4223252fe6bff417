import type { VersionVector } from '../clock/version-vector.ts';
import type { Slot } from './keyspace.ts';
import type { SlotRecords } from './slab/slot-records.ts';
import { SlotQueue } from './slot-queue.ts';

const NO_BATCH = 0;
/** As many as there are at a time: those that changed, those behind the fence, those that are quiet. */
const BATCHES = [1, 2, 3] as const;

/**
 * Keys that wait until all that was ever applied to them is stable: to forget what is hidden by the absence of something, that
 * it was removed must be stable too, and an entry does not know its removals. So one batch of keys at a time stands behind a
 * fence, the vector as of when it was put up; a key that changes leaves it, and when the fence is stable, what is left is quiet.
 * A slot's record says in which batch it is; where a list has it otherwise, it has left that.
 */
export class QuietKeys {
  readonly #records: SlotRecords;
  #changed: SlotQueue = new SlotQueue();
  #changedBatch: number = BATCHES[0];
  #fenced: SlotQueue = new SlotQueue();
  #fencedBatch: number = NO_BATCH;
  #fence: VersionVector | null = null;
  #quiet: SlotQueue = new SlotQueue();
  #quietBatch: number = NO_BATCH;

  constructor(records: SlotRecords) {
    this.#records = records;
  }

  /** A key changed: it waits, from now on. */
  note(slot: Slot): void {
    if (this.#records.quietBatch(slot) === this.#changedBatch) return;
    this.#records.setQuietBatch(slot, this.#changedBatch);
    this.#changed.push(slot);
  }

  /** A key waits no more. */
  drop(slot: Slot): void {
    this.#records.setQuietBatch(slot, NO_BATCH);
  }

  /** Visits up to `budget` quiet keys, each once. `vector` is all that is applied here. */
  drain(vector: VersionVector, stable: VersionVector, budget: number, visit: (slot: Slot) => void): void {
    this.#moveFence(vector, stable);
    for (let visited = 0; visited < budget && this.#quiet.length > 0;) {
      const slot = this.#quiet.shift();
      if (this.#records.quietBatch(slot) !== this.#quietBatch) continue;
      visited++;
      this.drop(slot);
      visit(slot);
    }
  }

  #moveFence(vector: VersionVector, stable: VersionVector): void {
    if (this.#fence !== null && this.#quiet.length === 0 && stable.covers(this.#fence)) {
      this.#quiet = this.#fenced;
      this.#quietBatch = this.#fencedBatch;
      this.#fenced = new SlotQueue();
      this.#fencedBatch = NO_BATCH;
      this.#fence = null;
    }
    if (this.#fence !== null || this.#changed.length === 0) return;
    this.#fenced = this.#changed;
    this.#fencedBatch = this.#changedBatch;
    this.#changed = new SlotQueue();
    this.#changedBatch = BATCHES.find((batch) => batch !== this.#fencedBatch && batch !== this.#quietBatch) ?? NO_BATCH;
    this.#fence = vector.clone();
  }
}
