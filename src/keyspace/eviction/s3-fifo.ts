import { NO_SLOT, type Slot } from '../keyspace.ts';
import { SlotQueue } from '../slot-queue.ts';

/** The part of all that the small queue is to be. */
const SMALL_PART = 0.1;
/** How often a key of the small queue must have been used, since it came, to go on into the main one. */
const PROMOTED_USES = 2;
const GHOSTS_FIRST = 64;

/** What the policy asks of, and notes on, the slots that it has. */
export interface Evictable {
  /** Uses of late, 0 … 3. */
  uses(slot: Slot): number;
  setUses(slot: Slot, uses: number): void;
  hash(slot: Slot): number;
  /** Whether there still is something to evict in a slot. */
  isEvictable(slot: Slot): boolean;
  /** Evicts what is in a slot; false where that cannot be done now. */
  evict(slot: Slot): boolean;
}

/**
 * Which of many to evict, by S3-FIFO (J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi: "FIFO queues are all you need for cache eviction",
 * SOSP 2023, algorithm 1). What is new goes into a small queue, a tenth of all. Most of it is never used again and is evicted from there; what
 * was, more than once, goes on into the main queue, where each use buys one more round. What was evicted from the small queue is remembered, about as
 * many as the main queue holds, and goes right into the main one if it comes back. So a scan passes through the small queue only.
 * A use costs two bits in the slot's record and nothing here; queues hold the numbers of slots.
 */
export class S3Fifo {
  readonly #small: SlotQueue = new SlotQueue();
  readonly #main: SlotQueue = new SlotQueue();
  readonly #slots: Evictable;
  /** Hashes of what was evicted from the small queue, each at the place that it says: the later takes the place of the earlier. */
  #ghosts: Int32Array = new Int32Array(GHOSTS_FIRST);

  constructor(slots: Evictable) {
    this.#slots = slots;
  }

  get length(): number {
    return this.#small.length + this.#main.length;
  }

  add(slot: Slot): void {
    const hash = this.#slots.hash(slot);
    const place = hash & (this.#ghosts.length - 1);
    if (this.#ghosts[place] !== hash) return this.#small.push(slot);
    this.#ghosts[place] = 0;
    this.#main.push(slot);
  }

  /** Looks at the next one. Returns it where it is no longer in here: it was evicted, or there was nothing to evict. NO_SLOT where it stays. */
  look(): Slot {
    const isSmall =
      this.#small.length > 0 && (this.#main.length === 0 || this.#small.length >= this.length * SMALL_PART);
    return isSmall ? this.#lookAtSmall() : this.#lookAtMain();
  }

  #lookAtSmall(): Slot {
    const slot = this.#small.shift();
    if (!this.#slots.isEvictable(slot)) return slot;
    if (this.#slots.uses(slot) >= PROMOTED_USES) {
      this.#slots.setUses(slot, 0);
      this.#main.push(slot);
      return NO_SLOT;
    }
    const hash = this.#slots.hash(slot);
    if (!this.#slots.evict(slot)) {
      this.#small.push(slot);
      return NO_SLOT;
    }
    this.#remember(hash);
    return slot;
  }

  #lookAtMain(): Slot {
    const slot = this.#main.shift();
    if (!this.#slots.isEvictable(slot)) return slot;
    const uses = this.#slots.uses(slot);
    if (uses === 0 && this.#slots.evict(slot)) return slot;
    if (uses > 0) this.#slots.setUses(slot, uses - 1);
    this.#main.push(slot);
    return NO_SLOT;
  }

  #remember(hash: number): void {
    if (this.#main.length > this.#ghosts.length) this.#ghosts = new Int32Array(this.#ghosts.length * 2);
    this.#ghosts[hash & (this.#ghosts.length - 1)] = hash;
  }
}
