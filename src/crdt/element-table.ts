import { latin1Of, type ByteRange } from '../base/bytes.ts';
import { copyBytes, COPIED_BY_ONES_MAX } from '../base/copied-bytes.ts';
import type { KeyHash } from '../base/key-hash.ts';
import { SlotIndex, type IndexedKeys } from '../base/slot-index.ts';
import { ElementMemory } from './element-memory.ts';
import { covers, type StampedDot, type UpdateContext } from './update.ts';

export const NO_ELEMENT = -1;

/** Doubles of an element's record: its write's place and dot, its name's hash and length, where its block lies (a long name and the value), and what room a value has there. */
const SEQ = 1;
const ORIGIN = 2;
const HASH = 3;
const NAME_LENGTH = 4;
const ADDRESS = 5;
const VALUE_LENGTH = 6;
const VALUE_ROOM = 7;
/** Of elements without values, and with. */
const BARE_DOUBLES = 6;
const VALUED_DOUBLES = 8;

/** For an origin: the element is an object, whose place stands where the sequence would. */
const IS_OBJECT = -1;

/**
 * A name up to so long lies at a place that its position tells. So the memory of a look-up can answer for record and name at the same time, where
 * that of a longer name is known only from the record.
 */
const SHORT_NAME_BYTES = 24;

/** Elements of a segment, once it has grown to that. */
const SEGMENT_BITS = 13;
const SEGMENT_ELEMENTS: number = 1 << SEGMENT_BITS;
/** Of all but the first, which grows from one. */
const SEGMENT_ELEMENTS_MIN: number = SEGMENT_ELEMENTS / 8;
const ELEMENT_MASK: number = SEGMENT_ELEMENTS - 1;

/** Up to so many are looked through one by one. */
const UNINDEXED_MAX = 8;
/** Blocks moved with each change while what is in use is moved. */
const MOVED_A_CHANGE = 4;

/**
 * The elements of one collection by the bytes of their names, and by position. Nearly all are one write, which lies in numbers and bytes without an object; those
 * that are more are a `T` each. A removal moves the last element into the hole, so a cursor that walks positions downwards
 * meets every element that stays, and may meet a moved one twice: what SCAN promises.
 *
 * Views are good until the next change.
 */
export class ElementTable<T> implements IndexedKeys {
  readonly #keyHash: KeyHash;
  readonly #doubles: number;
  #segments: Float64Array[] = [];
  /** Short names, in segments of as many elements. */
  #names: Uint8Array[] = [];
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
      const elements = Math.max(number === 0 ? 1 : SEGMENT_ELEMENTS_MIN, length * 2);
      const larger = new Float64Array(elements * this.#doubles);
      const names = new Uint8Array(elements * SHORT_NAME_BYTES);
      if (segment !== undefined) {
        larger.set(segment);
        names.set(this.#names[number] as Uint8Array);
      }
      if (number === 0) {
        // lists of one: those that grow have room for more at once
        this.#segments = [larger];
        this.#names = [names];
      } else {
        this.#segments[number] = larger;
        this.#names[number] = names;
      }
    }
    this.#size = position + 1;
    return position;
  }

  #pop(): void {
    this.#size--;
    // one that is empty is kept, so that an element that comes and goes does not make one each time
    if (this.#segments.length <= (this.#size >>> SEGMENT_BITS) + 2) return;
    this.#segments.pop();
    this.#names.pop();
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
    const length = end - start;
    if (this.#get(position, NAME_LENGTH) !== length) return false;
    const memory = this.#nameMemory(position, length);
    let at = this.#nameStart(position, length);
    for (let from = start; from < end; from++) if (memory[at++] !== buf[from]) return false;
    return true;
  }

  #nameMemory(position: number, length: number): Uint8Array {
    if (length > SHORT_NAME_BYTES) return this.#memory.buffer(this.#get(position, ADDRESS));
    return this.#names[position >>> SEGMENT_BITS] as Uint8Array;
  }

  #nameStart(position: number, length: number): number {
    if (length > SHORT_NAME_BYTES) return this.#memory.offset(this.#get(position, ADDRESS));
    return (position & ELEMENT_MASK) * SHORT_NAME_BYTES;
  }

  /** Points at the name; good until the next change. */
  nameInto(position: number, into: ByteRange): void {
    const length = this.#get(position, NAME_LENGTH);
    const at = this.#nameStart(position, length);
    into.set(this.#nameMemory(position, length), at, at + length);
  }

  nameAt(position: number): string {
    const length = this.#get(position, NAME_LENGTH);
    const at = this.#nameStart(position, length);
    return latin1Of(this.#nameMemory(position, length), at, at + length);
  }

  // ── elements ──

  /** Adds a name that is not there, with a write to be put in; `valueLength` bytes of a value find room. */
  add(name: ByteRange, hash: number, valueLength: number): number {
    const { buf, start, end } = name;
    const length = end - start;
    const address = this.#memory.allocate(inBlock(length) + valueLength);
    const position = this.#push();
    this.#set(position, ORIGIN, 0);
    this.#set(position, HASH, hash);
    this.#set(position, NAME_LENGTH, length);
    this.#set(position, ADDRESS, address);
    copyBytes(buf, start, length, this.#nameMemory(position, length), this.#nameStart(position, length));
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
      const from = (last & ELEMENT_MASK) * SHORT_NAME_BYTES;
      const [names, into] = [this.#names[last >>> SEGMENT_BITS], this.#names[position >>> SEGMENT_BITS]];
      const at = (position & ELEMENT_MASK) * SHORT_NAME_BYTES;
      copyBytes(names as Uint8Array, from, SHORT_NAME_BYTES, into as Uint8Array, at);
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

  /** Makes an element that is one write, which a transaction had seen, that transaction's write. False where it is not that, and nothing was done. */
  supersede(position: number, context: UpdateContext): boolean {
    const segment = this.#segments[position >>> SEGMENT_BITS] as Float64Array;
    const at = (position & ELEMENT_MASK) * this.#doubles;
    const origin = segment[at + ORIGIN] as number;
    if (origin === IS_OBJECT || !covers(context, origin, segment[at + SEQ] as number)) return false;
    segment[at] = context.stamp;
    segment[at + SEQ] = context.seq;
    segment[at + ORIGIN] = context.origin;
    return true;
  }

  /** What a plain element has for a value. */
  valueInto(position: number, into: ByteRange): void {
    const at = this.#valueStart(position);
    into.set(this.#memory.buffer(this.#get(position, ADDRESS)), at, at + this.#get(position, VALUE_LENGTH));
  }

  valueAt(position: number): string {
    const at = this.#valueStart(position);
    return latin1Of(this.#memory.buffer(this.#get(position, ADDRESS)), at, at + this.#get(position, VALUE_LENGTH));
  }

  #valueStart(position: number): number {
    return this.#memory.offset(this.#get(position, ADDRESS)) + inBlock(this.#get(position, NAME_LENGTH));
  }

  /** The value may be a view of this table. */
  setValue(position: number, { buf, start, end }: ByteRange): void {
    const length = end - start;
    const room = this.#get(position, VALUE_ROOM);
    if (length > room || (length * 2 < room && room > COPIED_BY_ONES_MAX)) this.#reblock(position, length);
    this.#memory.write(buf, start, length, this.#get(position, ADDRESS), inBlock(this.#get(position, NAME_LENGTH)));
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
    const nameBytes = inBlock(this.#get(position, NAME_LENGTH));
    return this.#doubles === VALUED_DOUBLES ? nameBytes + this.#get(position, VALUE_ROOM) : nameBytes;
  }

  /** Gives an element a block with room for a value of so many bytes. */
  #reblock(position: number, room: number): void {
    const bytes = this.#blockBytes(position);
    const nameBytes = inBlock(this.#get(position, NAME_LENGTH));
    this.#moveTo(position, this.#memory.allocate(nameBytes + room), nameBytes);
    this.#memory.free(bytes);
    this.#set(position, VALUE_ROOM, room);
  }

  #moveTo(position: number, address: number, length: number): void {
    const before = this.#get(position, ADDRESS);
    const memory = this.#memory;
    memory.write(memory.buffer(before), memory.offset(before), length, address, 0);
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

/** What of a name lies in its element's block. */
function inBlock(nameLength: number): number {
  return nameLength > SHORT_NAME_BYTES ? nameLength : 0;
}
