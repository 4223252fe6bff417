import { CopyTarget } from '../../base/copied-bytes.ts';
import { CausewayError } from '../../errors.ts';
import type { Slot } from '../keyspace.ts';
import { bytesOf, CLASS_BYTES_MAX, classOf, GRANULE_BYTES, LARGE_CLASS, SIZE_CLASSES } from './size-classes.ts';

const SEGMENT_BITS = 16;
/** One MiB: what a step of growth allocates, and compaction frees. */
const SEGMENT_BYTES: number = GRANULE_BYTES << SEGMENT_BITS;
const GRANULE_MASK: number = (1 << SEGMENT_BITS) - 1;
const FIRST_BYTES = 4096;
/** The last number is that of no segment. */
const SEGMENTS_MAX = 65_535;
const LARGE_ROUNDED_BYTES = 4096;

const NO_ADDRESS = 0xffff_ffff;
const NO_SEGMENT = -1;
/** In the first word of a block: it is free and of this class; else its slot. */
const FREE = 0x8000_0000;
/** Bytes before what is kept in a block. */
const HEADER_BYTES = 4;

/** Compaction begins when so much lies free in segments, and so much of all. */
const WASTE_BYTES_MIN: number = 4 * SEGMENT_BYTES;
const WASTE_PART = 0.2;
/** Nothing is won by moving what is in a segment that is fuller. */
const VICTIM_FILL_MAX = 0.8;

/** Whose blocks they are. */
export interface BlockOwners {
  sizeClass(slot: Slot): number;
  setAddress(slot: Slot, address: number): void;
}

/**
 * Memory for the bytes of keys and values, without an object for any: segments that are added one by one, and are never moved or
 * made larger (but for the first, which grows while it is small). A block is of a size class and begins with the slot it belongs to,
 * so that a segment can be walked and its blocks moved (`compact`). What is free is in a list of its class. Longer ones have segments of their own.
 */
export class SlabMemory {
  readonly #bytes: Uint8Array[] = [];
  readonly #targets: CopyTarget[] = [];
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  /** Granules that blocks were cut from. */
  readonly #top: number[] = [];
  /** Bytes of blocks that are not free. */
  readonly #used: number[] = [];
  readonly #unusedNumbers: number[] = [];
  readonly #firstFree: Uint32Array = new Uint32Array(SIZE_CLASSES).fill(NO_ADDRESS);
  /** Where blocks are cut from. */
  #current: number = NO_SEGMENT;
  #victim: number = NO_SEGMENT;
  #victimAt = 0;
  /** Segments of which nothing is in use: their blocks are taken out of the lists bit by bit, and may be used again until then. */
  readonly #emptied: Set<number> = new Set();
  #capacityBytes = 0;
  #usedBytes = 0;

  /** Bytes of all segments. */
  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /** Whether there are segments to be given back that nothing is in. */
  get hasEmptied(): boolean {
    return this.#emptied.size > 0;
  }

  /** Bytes of blocks that are in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The memory that an address is in. */
  buffer(address: number): Uint8Array {
    return this.#bytes[address >>> SEGMENT_BITS] as Uint8Array;
  }

  /** The same memory, to copy to. */
  target(address: number): CopyTarget {
    return this.#targets[address >>> SEGMENT_BITS] as CopyTarget;
  }

  /** The same memory as doubles. */
  doubles(address: number): Float64Array {
    return this.#doubles[address >>> SEGMENT_BITS] as Float64Array;
  }

  /** Bytes to be left free behind so many in a block, so that a double can follow. */
  static padding(bytes: number): number {
    return -(bytes + HEADER_BYTES) & 7;
  }

  /** Where in it what is kept begins. */
  offset(address: number): number {
    return (address & GRANULE_MASK) * GRANULE_BYTES + HEADER_BYTES;
  }

  /** Whether a block of the right class is one for so many bytes: a long one may be too short, or far too long. */
  isRoomFor(bytes: number, address: number, sizeClass: number): boolean {
    if (sizeClass !== LARGE_CLASS) return true;
    const needed = bytes + HEADER_BYTES;
    const { length } = this.buffer(address);
    return needed <= length && needed * 2 > length;
  }

  /** The class of a block for so many bytes. */
  static classFor(bytes: number): number {
    return bytes + HEADER_BYTES > CLASS_BYTES_MAX ? LARGE_CLASS : classOf(bytes + HEADER_BYTES);
  }

  /** A block for so many bytes, which are of `sizeClass`; throws OOM where there are no more segments. */
  allocate(slot: Slot, bytes: number, sizeClass: number): number {
    const address = sizeClass === LARGE_CLASS ? this.#large(bytes) : this.#ofClass(sizeClass);
    this.#setHeader(address, slot);
    const size = this.sizeAt(address, sizeClass);
    this.#used[address >>> SEGMENT_BITS] = (this.#used[address >>> SEGMENT_BITS] as number) + size;
    this.#usedBytes += size;
    return address;
  }

  /** The bytes that a block takes. */
  sizeAt(address: number, sizeClass: number): number {
    return sizeClass === LARGE_CLASS ? this.buffer(address).length : bytesOf(sizeClass);
  }

  free(address: number, sizeClass: number): void {
    const segment = address >>> SEGMENT_BITS;
    const size = this.sizeAt(address, sizeClass);
    const used = (this.#used[segment] as number) - size;
    this.#used[segment] = used;
    this.#usedBytes -= size;
    if (sizeClass === LARGE_CLASS) return this.#drop(segment);
    this.#setHeader(address, FREE | sizeClass);
    if (segment === this.#victim) {
      // what compaction has not come by yet is unlinked when it does
      this.#setLinks(address, address, address);
      return;
    }
    this.#link(address, sizeClass);
    if (used === 0 && segment !== this.#current) this.#emptied.add(segment);
  }

  // ── segments ──

  #number(): number {
    const number = this.#unusedNumbers.pop() ?? this.#bytes.length;
    if (number < SEGMENTS_MAX) return number;
    throw new CausewayError('OOM', `the keyspace has no more segments (limit slab-segments-max: ${SEGMENTS_MAX})`);
  }

  #addSegment(bytes: number): number {
    const number = this.#number();
    const memory = new Uint8Array(bytes);
    this.#bytes[number] = memory;
    this.#targets[number] = new CopyTarget(memory);
    this.#words[number] = new Uint32Array(memory.buffer);
    this.#doubles[number] = new Float64Array(memory.buffer);
    this.#top[number] = 0;
    this.#used[number] = 0;
    this.#capacityBytes += bytes;
    return number;
  }

  #drop(segment: number): void {
    this.#emptied.delete(segment);
    this.#capacityBytes -= (this.#bytes[segment] as Uint8Array).length;
    this.#bytes[segment] = NOTHING;
    this.#targets[segment] = NO_TARGET;
    this.#words[segment] = NO_WORDS;
    this.#doubles[segment] = NO_DOUBLES;
    this.#unusedNumbers.push(segment);
  }

  #large(bytes: number): number {
    const rounded = Math.ceil((bytes + HEADER_BYTES) / LARGE_ROUNDED_BYTES) * LARGE_ROUNDED_BYTES;
    return (this.#addSegment(rounded) << SEGMENT_BITS) >>> 0;
  }

  // ── blocks ──

  #ofClass(sizeClass: number): number {
    const address = this.#firstFree[sizeClass] as number;
    if (address === NO_ADDRESS) return this.#cut(sizeClass);
    this.#unlink(address, sizeClass);
    return address;
  }

  #cut(sizeClass: number): number {
    const bytes = bytesOf(sizeClass);
    if (this.#current === NO_SEGMENT || !this.#fits(bytes)) this.#turnToNext(bytes);
    const top = this.#top[this.#current] as number;
    this.#top[this.#current] = top + bytes / GRANULE_BYTES;
    return ((this.#current << SEGMENT_BITS) | top) >>> 0;
  }

  #fits(bytes: number): boolean {
    return (
      (this.#top[this.#current] as number) * GRANULE_BYTES + bytes <= (this.#bytes[this.#current] as Uint8Array).length
    );
  }

  #turnToNext(bytes: number): void {
    const { length } = this.#bytes[this.#current] ?? NOTHING;
    if (this.#current !== NO_SEGMENT && length < SEGMENT_BYTES) {
      this.#enlarge(Math.min(SEGMENT_BYTES, Math.max(length * 4, CLASS_BYTES_MAX)));
      if (this.#fits(bytes)) return;
    }
    if (this.#current !== NO_SEGMENT) this.#leave(this.#current);
    const isFirst = this.#capacityBytes === 0;
    this.#current = this.#addSegment(isFirst ? Math.max(FIRST_BYTES, bytes) : SEGMENT_BYTES);
  }

  /** The first segment, while it is small. */
  #enlarge(bytes: number): void {
    const memory = new Uint8Array(bytes);
    const before = this.#bytes[this.#current] as Uint8Array;
    memory.set(before);
    this.#bytes[this.#current] = memory;
    this.#targets[this.#current] = new CopyTarget(memory);
    this.#words[this.#current] = new Uint32Array(memory.buffer);
    this.#doubles[this.#current] = new Float64Array(memory.buffer);
    this.#capacityBytes += bytes - before.length;
  }

  /** No more blocks are cut from a segment: what is left at its end are free ones. */
  #leave(segment: number): void {
    if (this.#used[segment] === 0) this.#emptied.add(segment);
    const end = (this.#bytes[segment] as Uint8Array).length / GRANULE_BYTES;
    for (let at = this.#top[segment] as number; at < end;) {
      const rest = (end - at) * GRANULE_BYTES;
      const above = rest >= CLASS_BYTES_MAX ? SIZE_CLASSES - 1 : classOf(rest);
      const sizeClass = bytesOf(above) > rest ? above - 1 : above;
      const address = ((segment << SEGMENT_BITS) | at) >>> 0;
      this.#setHeader(address, FREE | sizeClass);
      this.#link(address, sizeClass);
      at += bytesOf(sizeClass) / GRANULE_BYTES;
    }
    this.#top[segment] = end;
  }

  #wordAt(address: number): number {
    return (address & GRANULE_MASK) * (GRANULE_BYTES / 4);
  }

  #header(address: number): number {
    return (this.#words[address >>> SEGMENT_BITS] as Uint32Array)[this.#wordAt(address)] as number;
  }

  #setHeader(address: number, header: number): void {
    (this.#words[address >>> SEGMENT_BITS] as Uint32Array)[this.#wordAt(address)] = header;
  }

  // ── lists of free blocks, linked both ways in the blocks themselves ──

  #next(address: number): number {
    return (this.#words[address >>> SEGMENT_BITS] as Uint32Array)[this.#wordAt(address) + 1] as number;
  }

  #setLinks(address: number, next: number, previous: number): void {
    const words = this.#words[address >>> SEGMENT_BITS] as Uint32Array;
    const at = this.#wordAt(address);
    words[at + 1] = next;
    words[at + 2] = previous;
  }

  #link(address: number, sizeClass: number): void {
    const next = this.#firstFree[sizeClass] as number;
    this.#setLinks(address, next, NO_ADDRESS);
    if (next !== NO_ADDRESS) this.#setLinks(next, this.#next(next), address);
    this.#firstFree[sizeClass] = address;
  }

  #unlink(address: number, sizeClass: number): void {
    const words = this.#words[address >>> SEGMENT_BITS] as Uint32Array;
    const at = this.#wordAt(address);
    const next = words[at + 1] as number;
    const previous = words[at + 2] as number;
    // freed in a segment that is being emptied: in no list
    if (next === address) return;
    if (next !== NO_ADDRESS) (this.#words[next >>> SEGMENT_BITS] as Uint32Array)[this.#wordAt(next) + 2] = previous;
    if (previous === NO_ADDRESS) this.#firstFree[sizeClass] = next;
    else (this.#words[previous >>> SEGMENT_BITS] as Uint32Array)[this.#wordAt(previous) + 1] = next;
  }

  // ── compaction ──

  /** Goes on, for up to so many blocks, with giving a segment back: one that is empty, or the emptiest, from which what is left is moved. Views handed out are good no more. */
  compact(blocksMax: number, owners: BlockOwners): void {
    if (this.#victim === NO_SEGMENT) this.#chooseVictim();
    if (this.#victim === NO_SEGMENT) return;
    const segment = this.#victim;
    const top = this.#top[segment] as number;
    for (let left = blocksMax; left > 0 && this.#victimAt < top; left--) {
      const address = ((segment << SEGMENT_BITS) | this.#victimAt) >>> 0;
      const header = this.#header(address);
      const isFree = header >= FREE;
      const sizeClass = isFree ? (header & ~FREE) >>> 0 : owners.sizeClass(header);
      if (isFree) this.#unlink(address, sizeClass);
      else this.#move(address, header, sizeClass, owners);
      this.#victimAt += bytesOf(sizeClass) / GRANULE_BYTES;
    }
    if (this.#victimAt < top) return;
    this.#victim = NO_SEGMENT;
    this.#drop(segment);
  }

  #move(address: number, slot: Slot, sizeClass: number, owners: BlockOwners): void {
    const bytes = bytesOf(sizeClass);
    const moved = this.allocate(slot, bytes - HEADER_BYTES, sizeClass);
    const from = this.offset(address);
    this.buffer(moved).set(this.buffer(address).subarray(from, from + bytes - HEADER_BYTES), this.offset(moved));
    owners.setAddress(slot, moved);
    this.free(address, sizeClass);
  }

  #chooseVictim(): void {
    this.#victimAt = 0;
    for (const segment of this.#emptied) {
      if (this.#used[segment] === 0) return void (this.#victim = segment);
      this.#emptied.delete(segment);
    }
    const waste = this.#capacityBytes - this.#usedBytes;
    if (waste < WASTE_BYTES_MIN || waste < this.#capacityBytes * WASTE_PART) return;
    let least: number = SEGMENT_BYTES * VICTIM_FILL_MAX;
    for (let segment = 0; segment < this.#bytes.length; segment++) {
      const isWhole = (this.#bytes[segment] as Uint8Array).length === SEGMENT_BYTES;
      const used = this.#used[segment] as number;
      if (!isWhole || segment === this.#current || used >= least || this.#isLarge(segment)) continue;
      least = used;
      this.#victim = segment;
    }
  }

  /** Whether a segment is that of one long block. */
  #isLarge(segment: number): boolean {
    return this.#top[segment] === 0;
  }
}

const NOTHING = new Uint8Array(0);
const NO_TARGET = new CopyTarget(NOTHING);
const NO_WORDS = new Uint32Array(0);
const NO_DOUBLES = new Float64Array(0);
