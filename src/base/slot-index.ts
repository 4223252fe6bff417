/** A place that a key has, 0 to 2^27 - 2. */
type Slot = number;
const NO_SLOT = -1;

/** What the index asks of those whose slots it holds. */
export interface IndexedKeys {
  hash(slot: Slot): number;
  isKey(slot: Slot, buf: Uint8Array, start: number, end: number): boolean;
}

const BUCKETS_MIN = 64;
/** Grown when fuller than this, in quarters. */
const FILL_QUARTERS = 3;
/** Made smaller when emptier than one in so many. */
const SPARSE = 16;
/** Buckets of the old table that each new key moves: the old one is empty long before the new one is full. */
const MOVED_A_KEY = 8;

const EMPTY = 0;
/** What stood here is in the new table, or gone: a search goes on. */
const MOVED = 0xffff_ffff;
const SLOT_BITS = 27;
const SLOT_MASK: number = 2 ** SLOT_BITS - 1;

/**
 * From hashes of keys to their slots: open addressing, probed one bucket after the other. A bucket is one word, the slot and five bits of the
 * hash, so that few wrong keys are looked at. It grows without a pause: a table of twice the size takes over, and each key that is added,
 * and each tick, moves a few buckets of the old one, where a search looks second meanwhile.
 */
export class SlotIndex {
  readonly #keys: IndexedKeys;
  #buckets: Uint32Array = new Uint32Array(BUCKETS_MIN);
  #mask: number = BUCKETS_MIN - 1;
  /** The table before, while something is left in it. */
  #old: Uint32Array | null = null;
  #oldAt = 0;
  #count = 0;

  constructor(keys: IndexedKeys) {
    this.#keys = keys;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return (this.#buckets.length + (this.#old?.length ?? 0)) * 4;
  }

  /** Whether an old table is being emptied. */
  get isMoving(): boolean {
    return this.#old !== null;
  }

  /** The slot of a key, -1 where it has none. */
  find(buf: Uint8Array, start: number, end: number, hash: number): Slot {
    const slot = this.#findIn(this.#buckets, buf, start, end, hash);
    if (slot !== NO_SLOT || this.#old === null) return slot;
    return this.#findIn(this.#old, buf, start, end, hash);
  }

  /** The first slot that a key of this hash may have, -1 for none; there may be others. */
  guess(hash: number): Slot {
    const buckets = this.#buckets;
    const mask = this.#mask;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const bucket = buckets[at] as number;
      if (bucket === EMPTY) return NO_SLOT;
      if ((bucket ^ hash) >>> SLOT_BITS === 0) return (bucket & SLOT_MASK) - 1;
    }
  }

  #findIn(buckets: Uint32Array, buf: Uint8Array, start: number, end: number, hash: number): Slot {
    const mask = buckets.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const bucket = buckets[at] as number;
      if (bucket === EMPTY) return NO_SLOT;
      if ((bucket ^ hash) >>> SLOT_BITS !== 0 || bucket === MOVED) continue;
      const slot = (bucket & SLOT_MASK) - 1;
      if (this.#keys.hash(slot) === hash && this.#keys.isKey(slot, buf, start, end)) return slot;
    }
  }

  /** Puts in a slot whose key is not there yet. */
  add(slot: Slot, hash: number): void {
    this.#count++;
    this.#put(slot, hash);
    if (this.#old !== null) this.move(MOVED_A_KEY);
    if (this.#count * 4 > this.#buckets.length * FILL_QUARTERS) this.#resize(this.#buckets.length * 2);
  }

  #put(slot: Slot, hash: number): void {
    const buckets = this.#buckets;
    let at = hash & this.#mask;
    while (buckets[at] !== EMPTY) at = (at + 1) & this.#mask;
    buckets[at] = (hash & ~SLOT_MASK) | (slot + 1);
  }

  /** Takes out a slot that is there. */
  remove(slot: Slot, hash: number): void {
    this.#count--;
    const at = this.#bucketOf(this.#buckets, slot, hash);
    if (at >= 0) this.#close(at);
    else if (this.#old !== null) this.#old[this.#bucketOf(this.#old, slot, hash)] = MOVED;
    if (this.#buckets.length > BUCKETS_MIN && this.#count * SPARSE < this.#buckets.length && this.#old === null)
      this.#resize(this.#buckets.length / 4);
  }

  #bucketOf(buckets: Uint32Array, slot: Slot, hash: number): number {
    const mask = buckets.length - 1;
    const wanted = ((hash & ~SLOT_MASK) | (slot + 1)) >>> 0;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const bucket = buckets[at] as number;
      if (bucket === wanted) return at;
      if (bucket === EMPTY) return -1;
    }
  }

  /** Moves what stands behind a bucket that became free, so that no search ends at it too early. */
  #close(free: number): void {
    const buckets = this.#buckets;
    const mask = this.#mask;
    let hole = free;
    for (let at = (hole + 1) & mask; buckets[at] !== EMPTY; at = (at + 1) & mask) {
      const bucket = buckets[at] as number;
      const home = this.#keys.hash((bucket & SLOT_MASK) - 1) & mask;
      // whether it may stand in the hole: its home is not between the hole and where it stands
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      buckets[hole] = bucket;
      hole = at;
    }
    buckets[hole] = EMPTY;
  }

  #resize(length: number): void {
    // it never comes to that: a key moves more buckets than it fills
    if (this.#old !== null) this.move(this.#old.length);
    this.#old = this.#buckets;
    this.#oldAt = 0;
    this.#buckets = new Uint32Array(Math.max(BUCKETS_MIN, length));
    this.#mask = this.#buckets.length - 1;
  }

  /** Moves up to so many buckets of an old table. */
  move(bucketsMax: number): void {
    const old = this.#old;
    if (old === null) return;
    const end = Math.min(old.length, this.#oldAt + bucketsMax);
    for (; this.#oldAt < end; this.#oldAt++) {
      const bucket = old[this.#oldAt] as number;
      if (bucket === EMPTY || bucket === MOVED) continue;
      const slot = (bucket & SLOT_MASK) - 1;
      this.#put(slot, this.#keys.hash(slot));
      old[this.#oldAt] = MOVED;
    }
    if (this.#oldAt === old.length) this.#old = null;
  }
}
