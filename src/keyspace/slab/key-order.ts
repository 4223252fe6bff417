import { ByteRange } from '../../base/bytes.ts';
import type { Slot } from '../keyspace.ts';
import { SlotFlag, type SlotRecords } from './slot-records.ts';

/** Who knows the keys of slots. */
interface SlotKeys {
  keyInto(slot: Slot, into: ByteRange): ByteRange;
}

/** Nobody asked for so long: what it costs is saved. */
const UNUSED_MS_MAX = 3_600_000;

const SEGMENT_BITS = 14;
const SEGMENT_NODES: number = 1 << SEGMENT_BITS;
const NODE_MASK: number = SEGMENT_NODES - 1;
const FIRST_NODES = 64;
/** Words of a node: the bit that it decides by, and who is below it where that is 0 and where it is 1. */
const WORDS = 3;
const ZERO = 1;
const ONE = 2;
/** Who is below a node: another one, or a slot with this bit. */
const LEAF = 0x8000_0000;
const NONE = 0xffff_ffff;

/** A key's bits: for each byte one that says that it is there, and its eight. So one that begins another comes before it. */
const BIT_SHIFT = 4;
const BIT_MASK = 15;
const EQUAL = Infinity;

function bitOf(buf: Uint8Array, start: number, end: number, bit: number): 0 | 1 {
  const at = start + (bit >>> BIT_SHIFT);
  if (at >= end) return 0;
  const within = bit & BIT_MASK;
  return within === 0 ? 1 : ((((buf[at] as number) >>> (8 - within)) & 1) as 0 | 1);
}

/** The first bit in which two keys differ. */
function differingBit(left: ByteRange, right: ByteRange): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const difference = (left.buf[left.start + at] as number) ^ (right.buf[right.start + at] as number);
    if (difference !== 0) return (at << BIT_SHIFT) + 1 + Math.clz32(difference << 24);
  }
  return left.length === right.length ? EQUAL : length << BIT_SHIFT;
}

/**
 * Slots in the order of their keys' bytes, as a crit-bit tree: a node for each bit in which keys part, twelve bytes a key, so that what begins
 * with a prefix is found without a look at other keys. It is kept only where somebody asks for it: begun by the first who does, filled step by step while
 * he and others look at all keys, and left when nobody has asked for an hour. A key that comes or goes costs a walk down the tree then, 2 to 3
 * microseconds, at most nine steps a byte of it; a key that is written over costs nothing.
 */
export class KeyOrder {
  readonly #records: SlotRecords;
  readonly #keys: SlotKeys;
  readonly #segments: Uint32Array[] = [];
  #capacity = 0;
  #nodes = 0;
  #firstFree: number = NONE;
  #root: number = NONE;
  /** Slots below it stand in the tree; 0 also where it is not kept. */
  #filledTo = 0;
  #usedAtMs = 0;
  readonly #key: ByteRange = new ByteRange();
  readonly #other: ByteRange = new ByteRange();
  readonly #pending: number[] = [];
  /** Whether it is kept: then it is told of slots that get and lose keys. */
  isKept = false;

  constructor(records: SlotRecords, keys: SlotKeys) {
    this.#records = records;
    this.#keys = keys;
  }

  get bytes(): number {
    return this.#capacity * WORDS * 4;
  }

  /** Says that it is needed; whether all keys stand in it. Where not, it goes on towards that by so many slots. */
  use(nowMs: number, slotsMax: number): boolean {
    this.#usedAtMs = nowMs;
    this.isKept = true;
    this.step(nowMs, slotsMax);
    return this.#isFilled;
  }

  get #isFilled(): boolean {
    return this.#filledTo >= this.#records.length;
  }

  /** Time passes: takes in up to so many slots, or is left where nobody needs it. */
  step(nowMs: number, slotsMax: number): void {
    if (!this.isKept) return;
    if (nowMs - this.#usedAtMs > UNUSED_MS_MAX) {
      this.restart();
      this.isKept = false;
      return;
    }
    const end = Math.min(this.#records.length, this.#filledTo + slotsMax);
    for (let slot = this.#filledTo; slot < end; slot++) if (this.#isListed(slot)) this.#insert(slot);
    this.#filledTo = Math.max(this.#filledTo, end);
  }

  /** Forgets all slots; it is filled anew. For who is about to remove them all. */
  restart(): void {
    this.#segments.length = 0;
    this.#capacity = 0;
    this.#nodes = 0;
    this.#firstFree = NONE;
    this.#root = NONE;
    this.#filledTo = 0;
  }

  /** A slot has got a key. */
  add(slot: Slot): void {
    if (slot > this.#filledTo) return;
    // one behind the last: it stays whole
    if (slot === this.#filledTo) this.#filledTo++;
    if (this.#isListed(slot)) this.#insert(slot);
  }

  /** A slot is about to lose its key. */
  remove(slot: Slot): void {
    if (slot < this.#filledTo && this.#isListed(slot)) this.#takeOut(slot);
  }

  /** Whether a slot has a key, and that is not the product's own. */
  #isListed(slot: Slot): boolean {
    return this.#records.has(slot, SlotFlag.Live | SlotFlag.System) === SlotFlag.Live;
  }

  // ── nodes ──

  #word(node: number, word: number): number {
    return (this.#segments[node >>> SEGMENT_BITS] as Uint32Array)[(node & NODE_MASK) * WORDS + word] as number;
  }

  #setWord(node: number, word: number, value: number): void {
    (this.#segments[node >>> SEGMENT_BITS] as Uint32Array)[(node & NODE_MASK) * WORDS + word] = value;
  }

  #newNode(): number {
    const free = this.#firstFree;
    if (free !== NONE) {
      this.#firstFree = this.#word(free, 0);
      return free;
    }
    if (this.#nodes === this.#capacity) this.#grow();
    return this.#nodes++;
  }

  /** Segments are added and never moved, but for the first, which grows while it is small. */
  #grow(): void {
    const isFirst = this.#capacity < SEGMENT_NODES;
    const nodes = isFirst ? Math.max(FIRST_NODES, this.#capacity * 4) : SEGMENT_NODES;
    const words = new Uint32Array(nodes * WORDS);
    const first = isFirst ? this.#segments.pop() : undefined;
    if (first !== undefined) words.set(first);
    this.#segments.push(words);
    this.#capacity = isFirst ? nodes : this.#capacity + nodes;
  }

  /** Puts something in the place of what is below a node, or of the root where there is none. */
  #hang(parent: number, side: number, child: number): void {
    if (parent === NONE) this.#root = child;
    else this.#setWord(parent, side, child);
  }

  /** The first bit in which a key differs from the one of the tree that is most like it. The tree is not empty. */
  #partsAt(key: ByteRange): number {
    const { buf, start, end } = key;
    let at = this.#root;
    while (at < LEAF) at = this.#word(at, ZERO + bitOf(buf, start, end, this.#word(at, 0)));
    return differingBit(key, this.#keys.keyInto(at - LEAF, this.#other));
  }

  #insert(slot: Slot): void {
    if (this.#root === NONE) {
      this.#root = slot + LEAF;
      return;
    }
    const key = this.#keys.keyInto(slot, this.#key);
    const { buf, start, end } = key;
    const bit = this.#partsAt(key);
    const node = this.#newNode();
    let parent = NONE;
    let side = ZERO;
    let at = this.#root;
    while (at < LEAF && this.#word(at, 0) < bit) {
      parent = at;
      side = ZERO + bitOf(buf, start, end, this.#word(at, 0));
      at = this.#word(at, side);
    }
    const own = ZERO + bitOf(buf, start, end, bit);
    this.#setWord(node, 0, bit);
    this.#setWord(node, own, slot + LEAF);
    this.#setWord(node, ZERO + ONE - own, at);
    this.#hang(parent, side, node);
  }

  #takeOut(slot: Slot): void {
    const { buf, start, end } = this.#keys.keyInto(slot, this.#key);
    let above = NONE;
    let sideAbove = ZERO;
    let parent = NONE;
    let side = ZERO;
    let at = this.#root;
    while (at < LEAF) {
      above = parent;
      sideAbove = side;
      parent = at;
      side = ZERO + bitOf(buf, start, end, this.#word(at, 0));
      at = this.#word(at, side);
    }
    if (parent === NONE) {
      this.#root = NONE;
      return;
    }
    this.#hang(above, sideAbove, this.#word(parent, ZERO + ONE - side));
    this.#setWord(parent, 0, this.#firstFree);
    this.#firstFree = parent;
  }

  // ── order ──

  /** Visits slots in the order of their keys, from a key on or behind it, until the visitor says false. It must not update. */
  visit(from: ByteRange, isBehind: boolean, visitor: (slot: Slot) => boolean): void {
    if (this.#root === NONE) return;
    const pending = this.#pendingFrom(from, isBehind);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      let at = next;
      while (at < LEAF) {
        pending.push(this.#word(at, ONE));
        at = this.#word(at, ZERO);
      }
      if (!visitor(at - LEAF)) return;
    }
  }

  /** What holds all keys from one on, the first last. */
  #pendingFrom(from: ByteRange, isBehind: boolean): number[] {
    const { buf, start, end } = from;
    const pending = this.#pending;
    pending.length = 0;
    const bit = this.#partsAt(from);
    let at = this.#root;
    while (at < LEAF && this.#word(at, 0) < bit) {
      const side = ZERO + bitOf(buf, start, end, this.#word(at, 0));
      if (side === ZERO) pending.push(this.#word(at, ONE));
      at = this.#word(at, side);
    }
    const isWithin = bit === EQUAL ? !isBehind : bitOf(buf, start, end, bit) === 0;
    if (isWithin) pending.push(at);
    return pending;
  }
}
