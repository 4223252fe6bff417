import { latin1Of, type ByteRange } from '../base/bytes.ts';
import type { KeyHash } from '../base/key-hash.ts';
import { SlotIndex, type IndexedKeys } from '../base/slot-index.ts';
import { ElementMemory } from './element-memory.ts';
import type { StampedDot } from './update.ts';

export const NO_ELEMENT = -1;

/** Doubles of an element's record: its write's place and dot, its name's hash, where name and value lie, and what room a value has there. */
const SEQ = 1;
const ORIGIN = 2;
const HASH = 3;
const ADDRESS = 4;
const NAME_LENGTH = 5;
const VALUE_LENGTH = 6;
const VALUE_ROOM = 7;
/** Of elements without values, and with. */
const BARE_DOUBLES = 6;
const VALUED_DOUBLES = 8;

/** For an origin: the element is an object, whose place stands where the sequence would. */
const IS_OBJECT = -1;

/** Elements of a segment. */
const SEGMENT_BITS = 10;
const SEGMENT_ELEMENTS: number = 1 << SEGMENT_BITS;
const ELEMENT_MASK: number = SEGMENT_ELEMENTS - 1;

/** Up to so many are looked through one by one. */
const UNINDEXED_MAX = 8;
/** Blocks moved with each change while what is in use is moved. */
const MOVED_A_CHANGE = 4;
/** Shorter runs of bytes are copied one by one: a view of them costs more than the copy. */
const COPIED_BY_ONES_MAX = 40;

/**
 * The elements of one collection by the bytes of their names, and by position. Nearly all are one write, which lies in numbers and bytes without an object; those
 * that are more are a `T` each. A removal moves the last element into the hole, so a cursor that walks positions downwards
 * meets every element that stays, and may meet a moved one twice: what SCAN promises.
 *
 * Views are good until the next change of the same element's value; the bytes of others stay readable where they were.
 */
export class ElementTable<T> implements IndexedKeys {
  readonly #keyHash: KeyHash;
  readonly #doubles: number;
  readonly #segments: Float64Array[] = [];
  readonly #memory: ElementMemory = new ElementMemory();
  #size = 0;
  #index: SlotIndex | null = null;
  #objects: (T | null)[] | null = null;
  #freeObjects: number[] | null = null;
  /** The next position that a move comes to. */
  #moveAt = -1;

  constructor(keyHash: KeyHash, hasValues: boolean) {
    this.#keyHash = keyHash;
    this.#doubles = hasValues ? VALUED_DOUBLES : BARE_DOUBLES;
  }

  get size(): number {
    return this.#size;
  }

  // ── records ──

  #get(position: number, field: number): number {
    const segment = this.#segments[position >>> SEGMENT_BITS] as Float64Array;
    return segment[(position & ELEMENT_MASK) * this.#doubles + field] as number;
  }

  #set(position: number, field: number, value: number): void {
    const segment = this.#segments[position >>> SEGMENT_BITS] as Float64Array;
    segment[(position & ELEMENT_MASK) * this.#doubles + field] = value;
  }

  #push(): number {
    const position = this.#size;
    const number = position >>> SEGMENT_BITS;
    const segment = this.#segments[number];
    const length = segment === undefined ? 0 : segment.length / this.#doubles;
    if ((position & ELEMENT_MASK) === length || segment === undefined) {
      // the first grows while it is small
      const elements = number > 0 ? SEGMENT_ELEMENTS : Math.max(1, length * 2);
      const larger = new Float64Array(elements * this.#doubles);
      if (segment !== undefined) larger.set(segment);
      this.#segments[number] = larger;
    }
    this.#size = position + 1;
    return position;
  }

  #pop(): void {
    this.#size--;
    // one that is empty is kept, so that an element that comes and goes does not make one each time
    if (this.#segments.length > (this.#size >>> SEGMENT_BITS) + 2) this.#segments.pop();
  }

  // ── names ──

  hashOf(name: ByteRange): number {
    return this.#keyHash.of(name.buf, name.start, name.end);
  }

  /** The position of a name, NO_ELEMENT where it is not there. */
  find(name: ByteRange, hash: number): number {
    if (this.#index !== null) return this.#index.find(name.buf, name.start, name.end, hash);
    for (let position = 0; position < this.#size; position++)
      if (this.#get(position, HASH) === hash && this.isKey(position, name.buf, name.start, name.end)) return position;
    return NO_ELEMENT;
  }

  /** For the index. */
  hash(position: number): number {
    return this.#get(position, HASH);
  }

  /** For the index. */
  isKey(position: number, buf: Uint8Array, start: number, end: number): boolean {
    if (this.#get(position, NAME_LENGTH) !== end - start) return false;
    const address = this.#get(position, ADDRESS);
    const memory = this.#memory.buffer(address);
    let at = this.#memory.offset(address);
    for (let from = start; from < end; from++) if (memory[at++] !== buf[from]) return false;
    return true;
  }

  nameInto(position: number, into: ByteRange): void {
    const address = this.#get(position, ADDRESS);
    const at = this.#memory.offset(address);
    into.set(this.#memory.buffer(address), at, at + this.#get(position, NAME_LENGTH));
  }

  nameAt(position: number): string {
    const address = this.#get(position, ADDRESS);
    const at = this.#memory.offset(address);
    return latin1Of(this.#memory.buffer(address), at, at + this.#get(position, NAME_LENGTH));
  }

  // ── elements ──

  /** Adds a name that is not there, with a write to be put in; `valueLength` bytes of a value find room. */
  add(name: ByteRange, hash: number, valueLength: number): number {
    const length = name.end - name.start;
    const address = this.#memory.allocate(length + valueLength);
    copyBytes(name.buf, name.start, length, this.#memory.buffer(address), this.#memory.offset(address));
    const position = this.#push();
    this.#set(position, ORIGIN, 0);
    this.#set(position, HASH, hash);
    this.#set(position, ADDRESS, address);
    this.#set(position, NAME_LENGTH, length);
    if (this.#doubles === VALUED_DOUBLES) {
      this.#set(position, VALUE_LENGTH, 0);
      this.#set(position, VALUE_ROOM, valueLength);
    }
    if (this.#index !== null) this.#index.add(position, hash);
    else if (this.#size > UNINDEXED_MAX) this.#makeIndex();
    this.#goOn();
    return position;
  }

  #makeIndex(): void {
    const index = new SlotIndex(this);
    for (let position = 0; position < this.#size; position++) index.add(position, this.#get(position, HASH));
    this.#index = index;
  }

  remove(position: number): void {
    this.#dropObject(position);
    this.#memory.free(this.#blockBytes(position));
    const last = this.#size - 1;
    this.#index?.remove(position, this.#get(position, HASH));
    if (position !== last) {
      const hash = this.#get(last, HASH);
      this.#index?.remove(last, hash);
      for (let field = 0; field < this.#doubles; field++) this.#set(position, field, this.#get(last, field));
      this.#index?.add(position, hash);
    }
    this.#pop();
    this.#goOn();
  }

  /** Whether the element is one write. */
  isPlain(position: number): boolean {
    return this.#get(position, ORIGIN) !== IS_OBJECT;
  }

  stamp(position: number): number {
    return this.#get(position, 0);
  }

  origin(position: number): number {
    return this.#get(position, ORIGIN);
  }

  seq(position: number): number {
    return this.#get(position, SEQ);
  }

  /** Makes the element this write. */
  setDot(position: number, { stamp, origin, seq }: StampedDot): void {
    this.#dropObject(position);
    this.#set(position, 0, stamp);
    this.#set(position, SEQ, seq);
    this.#set(position, ORIGIN, origin);
  }

  /** What a plain element has for a value. */
  valueInto(position: number, into: ByteRange): void {
    const address = this.#get(position, ADDRESS);
    const at = this.#memory.offset(address) + this.#get(position, NAME_LENGTH);
    into.set(this.#memory.buffer(address), at, at + this.#get(position, VALUE_LENGTH));
  }

  valueAt(position: number): string {
    const address = this.#get(position, ADDRESS);
    const at = this.#memory.offset(address) + this.#get(position, NAME_LENGTH);
    return latin1Of(this.#memory.buffer(address), at, at + this.#get(position, VALUE_LENGTH));
  }

  /** The value may be a view of this table. */
  setValue(position: number, { buf, start, end }: ByteRange): void {
    const length = end - start;
    const room = this.#get(position, VALUE_ROOM);
    if (length > room || (length * 2 < room && room > COPIED_BY_ONES_MAX)) this.#reblock(position, length);
    const address = this.#get(position, ADDRESS);
    const at = this.#memory.offset(address) + this.#get(position, NAME_LENGTH);
    copyBytes(buf, start, length, this.#memory.buffer(address), at);
    this.#set(position, VALUE_LENGTH, length);
    this.#goOn();
  }

  /** What the element is where it is not plain, else null. */
  objectAt(position: number): T | null {
    if (this.isPlain(position)) return null;
    return this.#objects?.[this.#get(position, SEQ)] as T;
  }

  /** Makes the element an object; it has no value beside it. */
  putObject(position: number, object: T): void {
    const objects = (this.#objects ??= []);
    if (this.isPlain(position)) {
      this.#set(position, SEQ, this.#freeObjects?.pop() ?? objects.length);
      this.#set(position, ORIGIN, IS_OBJECT);
    }
    objects[this.#get(position, SEQ)] = object;
  }

  #dropObject(position: number): void {
    if (this.isPlain(position) || this.#objects === null) return;
    const place = this.#get(position, SEQ);
    this.#objects[place] = null;
    (this.#freeObjects ??= []).push(place);
    this.#set(position, ORIGIN, 0);
  }

  // ── memory ──

  /** Bytes of an element's block. */
  #blockBytes(position: number): number {
    const nameLength = this.#get(position, NAME_LENGTH);
    return this.#doubles === VALUED_DOUBLES ? nameLength + this.#get(position, VALUE_ROOM) : nameLength;
  }

  /** Gives an element's name a block with room for a value of so many bytes. */
  #reblock(position: number, room: number): void {
    const bytes = this.#blockBytes(position);
    const nameLength = this.#get(position, NAME_LENGTH);
    this.#moveTo(position, this.#memory.allocate(nameLength + room), nameLength);
    this.#memory.free(bytes);
    this.#set(position, VALUE_ROOM, room);
  }

  #moveTo(position: number, address: number, length: number): void {
    const before = this.#get(position, ADDRESS);
    const memory = this.#memory;
    const [from, start] = [memory.buffer(before), memory.offset(before)];
    copyBytes(from, start, length, memory.buffer(address), memory.offset(address));
    this.#set(position, ADDRESS, address);
  }

  /** Goes on with moving what is in use, as much as goes with a change. */
  #goOn(): void {
    const memory = this.#memory;
    if (!memory.isMoving) {
      if (!memory.isWasteful) return;
      memory.beginMove();
      this.#moveAt = this.#size - 1;
    }
    let left = memory.isMovedAtOnce ? this.#size : MOVED_A_CHANGE;
    for (; left > 0 && this.#moveAt >= 0; left--, this.#moveAt--) {
      // there were more elements when it began
      if (this.#moveAt >= this.#size) continue;
      const bytes = this.#blockBytes(this.#moveAt);
      this.#moveTo(this.#moveAt, memory.allocate(bytes), bytes);
      memory.free(bytes);
    }
    if (this.#moveAt < 0) memory.endMove();
  }
}

function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > COPIED_BY_ONES_MAX) {
    to.set(from.subarray(start, start + length), at);
    return;
  }
  for (let done = 0; done < length; done++) to[at + done] = from[start + done] as number;
}
