import { ContentType } from '../../crdt/entry.ts';
import type { Slot } from '../keyspace.ts';

/** What is known of a slot, a bit each. */
export const SlotFlag = {
  /** It holds a key. */
  Live: 0x8,
  /** Its state is an `Entry` beside the slab; else it is a string of one write, or a counter, whole in the slab. */
  Object: 0x10,
  /** It shows something and was not found to be expired yet (DBSIZE). */
  Counted: 0x20,
  /** It stands in the list of what the store behind does not have as it is. Of the slot: it stays when the key goes. */
  Dirty: 0x40,
  /** It stands in the queue of what can be forgotten. Of the slot, as `Dirty`. */
  Forget: 0x80,
  /** It is on its way out (RULES D9). */
  Purge: 0x100,
  /** As `Purge`, and it waits for the clocks only. */
  PurgeQuiet: 0x200,
  /** Its key never leaves this node. */
  Weak: 0x1000,
  /** Its key is a quorum group's. */
  Pinned: 0x2000,
  /** Its key keeps all concurrent writes. */
  Siblings: 0x4000,
  /** Changes of its key may be noted among the recent ones. */
  Noted: 0x8000,
  /** It has an expiry. */
  Expires: 0x10000,
  /** It is a counter that lies in the slab as its increments. */
  Counter: 0x20000,
  /** As `Dirty`: of the two lists, the open cut and what changed since, each has one of the marks by turns. */
  DirtyToo: 0x40000,
  /** Its key is the product's own: in no list and no count of keys. What is written to it follows the rules of all keys. */
  System: 0x80000,
  /** Its value is not here: a stub (RULES V7). */
  Evicted: 0x100000,
  /** It stands in a queue of those that can be evicted. Of the slot, as `Dirty`. */
  Queued: 0x200000,
} as const;

/** The flags that a key has for its life. */
export const KIND_FLAGS: number = SlotFlag.Weak | SlotFlag.Pinned | SlotFlag.Siblings;

const TYPE_MASK = 7;
const BATCH_SHIFT = 10;
const BATCH_MASK = 3 << BATCH_SHIFT;
const FLAG_BITS = 24;
const FLAGS_MASK: number = 2 ** FLAG_BITS - 1;

/** Slots of a segment: 640 KiB. */
const SEGMENT_BITS = 14;
const SEGMENT_SLOTS: number = 1 << SEGMENT_BITS;
const SLOT_MASK: number = SEGMENT_SLOTS - 1;
const FIRST_SLOTS = 64;

/** 32-bit words of a record. The first four are two doubles, stamp and sequence. */
const WORDS = 10;
const DOUBLES: number = WORDS / 2;
const SEQ = 1;
const HASH = 4;
const KEY_LENGTH = 5;
const ADDRESS = 6;
const VALUE = 7;
const FLAGS = 8;
const ORIGIN = 9;
const ORIGIN_MASK = 0xffff;
/** In the word of the origin: when the key was used last, and how often of late. */
const USED_AT_SHIFT = 16;
const USED_AT_MASK = 0x3fff;
const USES_SHIFT = 30;
const USES_MASK = 3;

/** One slot is left for each of the index's two special words. */
export const SLOTS_MAX: number = 2 ** 27 - 2;

/**
 * What the keyspace knows of each slot, 40 bytes in a row: a look-up touches one line of the processor's cache for it, where a column
 * a property would be one each. Only expiries, which most keys have not, are a column, of those segments where some slot has one.
 * Segments are added and never moved, but for the first, which grows while it is small.
 */
export class SlotRecords {
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  readonly #expiries: (Float64Array | undefined)[] = [];
  #expiryBytes = 0;
  #length = 0;
  #capacity = 0;

  /** Slots given out so far. */
  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#capacity * WORDS * 4 + this.#expiryBytes;
  }

  /** Of no meaning: made of the first and the last byte of a record, so that who asks for it has all lines of the cache that the record lies in. */
  edges(slot: Slot): number {
    return (this.#word(slot, 0) ^ this.#word(slot, WORDS - 1)) & 1;
  }

  /** One more slot, all zero. */
  push(): Slot {
    if (this.#length === this.#capacity) this.#grow();
    return this.#length++;
  }

  #grow(): void {
    const isFirst = this.#capacity < SEGMENT_SLOTS;
    const slots = isFirst ? Math.max(FIRST_SLOTS, this.#capacity * 4) : SEGMENT_SLOTS;
    const words = new Uint32Array(slots * WORDS);
    const [first] = this.#words;
    if (isFirst && first !== undefined) {
      words.set(first);
      this.#words.length = 0;
      this.#doubles.length = 0;
    }
    this.#words.push(words);
    this.#doubles.push(new Float64Array(words.buffer));
    this.#capacity = isFirst ? slots : this.#capacity + slots;
  }

  #word(slot: Slot, field: number): number {
    return (this.#words[slot >>> SEGMENT_BITS] as Uint32Array)[(slot & SLOT_MASK) * WORDS + field] as number;
  }

  #setWord(slot: Slot, field: number, value: number): void {
    (this.#words[slot >>> SEGMENT_BITS] as Uint32Array)[(slot & SLOT_MASK) * WORDS + field] = value;
  }

  #double(slot: Slot, field: number): number {
    return (this.#doubles[slot >>> SEGMENT_BITS] as Float64Array)[(slot & SLOT_MASK) * DOUBLES + field] as number;
  }

  #setDouble(slot: Slot, field: number, value: number): void {
    (this.#doubles[slot >>> SEGMENT_BITS] as Float64Array)[(slot & SLOT_MASK) * DOUBLES + field] = value;
  }

  stamp(slot: Slot): number {
    return this.#double(slot, 0);
  }

  seq(slot: Slot): number {
    return this.#double(slot, SEQ);
  }

  /** The place of the write's origin in the table of origins. */
  origin(slot: Slot): number {
    return this.#word(slot, ORIGIN) & ORIGIN_MASK;
  }

  setDot(slot: Slot, stamp: number, origin: number, seq: number): void {
    this.#setDouble(slot, 0, stamp);
    this.#setDouble(slot, SEQ, seq);
    this.#setWord(slot, ORIGIN, (this.#word(slot, ORIGIN) & ~ORIGIN_MASK) | origin);
  }

  /** When the key was used last, 14 bits as `AccessColumn` counts. */
  usedAt(slot: Slot): number {
    return (this.#word(slot, ORIGIN) >>> USED_AT_SHIFT) & USED_AT_MASK;
  }

  /** How often the key was used of late, 0 … 3. */
  uses(slot: Slot): number {
    return this.#word(slot, ORIGIN) >>> USES_SHIFT;
  }

  setUse(slot: Slot, usedAt: number, uses: number): void {
    const origin = this.#word(slot, ORIGIN) & ORIGIN_MASK;
    this.#setWord(slot, ORIGIN, (uses << USES_SHIFT) | (usedAt << USED_AT_SHIFT) | origin);
  }

  /** One more use. */
  noteUse(slot: Slot, usedAt: number): void {
    const segment = this.#words[slot >>> SEGMENT_BITS] as Uint32Array;
    const at = (slot & SLOT_MASK) * WORDS + ORIGIN;
    const word = segment[at] as number;
    const uses = word >>> USES_SHIFT;
    const noted =
      ((uses + (uses < USES_MASK ? 1 : 0)) << USES_SHIFT) | (usedAt << USED_AT_SHIFT) | (word & ORIGIN_MASK);
    // in a read of what was read a moment ago the line of the cache stays clean
    if (noted >>> 0 !== word) segment[at] = noted;
  }

  /** Unix milliseconds, Infinity for none. */
  expiryMs(slot: Slot): number {
    if (this.has(slot, SlotFlag.Expires) === 0) return Infinity;
    return (this.#expiries[slot >>> SEGMENT_BITS] as Float64Array)[slot & SLOT_MASK] as number;
  }

  setExpiryMs(slot: Slot, expiryMs: number): void {
    if (expiryMs === Infinity) {
      this.unmark(slot, SlotFlag.Expires);
      return;
    }
    this.mark(slot, SlotFlag.Expires);
    (this.#expiries[slot >>> SEGMENT_BITS] ??= this.#newExpiries())[slot & SLOT_MASK] = expiryMs;
  }

  #newExpiries(): Float64Array {
    this.#expiryBytes += SEGMENT_SLOTS * Float64Array.BYTES_PER_ELEMENT;
    return new Float64Array(SEGMENT_SLOTS);
  }

  /** As `KeyHash` gives it: signed. */
  hash(slot: Slot): number {
    return this.#word(slot, HASH) | 0;
  }

  keyLength(slot: Slot): number {
    return this.#word(slot, KEY_LENGTH);
  }

  setKey(slot: Slot, hash: number, length: number): void {
    this.#setWord(slot, HASH, hash);
    this.#setWord(slot, KEY_LENGTH, length);
  }

  /** Where the key's and the value's bytes are; of a free slot the next free one. */
  address(slot: Slot): number {
    return this.#word(slot, ADDRESS);
  }

  setAddress(slot: Slot, address: number): void {
    this.#setWord(slot, ADDRESS, address);
  }

  /** The length of the value; of a slot with an object that one's place. */
  value(slot: Slot): number {
    return this.#word(slot, VALUE);
  }

  setValue(slot: Slot, value: number): void {
    this.#setWord(slot, VALUE, value);
  }

  /** The size class of the bytes. */
  sizeClass(slot: Slot): number {
    return this.#word(slot, FLAGS) >>> FLAG_BITS;
  }

  setSizeClass(slot: Slot, sizeClass: number): void {
    this.#setWord(slot, FLAGS, (this.#word(slot, FLAGS) & FLAGS_MASK) | (sizeClass << FLAG_BITS));
  }

  /** The flags of which `flags` consists that are set. */
  has(slot: Slot, flags: number): number {
    return this.#word(slot, FLAGS) & flags;
  }

  mark(slot: Slot, flags: number): void {
    this.#setWord(slot, FLAGS, this.#word(slot, FLAGS) | flags);
  }

  unmark(slot: Slot, flags: number): void {
    this.#setWord(slot, FLAGS, this.#word(slot, FLAGS) & ~flags);
  }

  /** The type that it shows, as `ContentType`. */
  type(slot: Slot): number {
    return this.#word(slot, FLAGS) & TYPE_MASK;
  }

  setType(slot: Slot, type: number): void {
    this.#setWord(slot, FLAGS, (this.#word(slot, FLAGS) & ~TYPE_MASK) | type);
  }

  /** Whether it shows something at a time: no clock hides what is pinned. */
  isVisible(slot: Slot, nowMs: number): boolean {
    return (
      this.type(slot) !== ContentType.None && (this.expiryMs(slot) > nowMs || this.has(slot, SlotFlag.Pinned) !== 0)
    );
  }

  /** The batch of quiet keys that it waits in, 0 for none (`QuietKeys`). */
  quietBatch(slot: Slot): number {
    return (this.#word(slot, FLAGS) & BATCH_MASK) >>> BATCH_SHIFT;
  }

  setQuietBatch(slot: Slot, batch: number): void {
    this.#setWord(slot, FLAGS, (this.#word(slot, FLAGS) & ~BATCH_MASK) | (batch << BATCH_SHIFT));
  }
}
