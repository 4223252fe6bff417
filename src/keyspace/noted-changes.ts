import type { Slot } from './keyspace.ts';

/** No note. */
export const NO_NOTE = 0;

/** Notes of a segment: 128 KiB. */
const NOTE_BITS = 12;
const NOTE_MASK: number = (1 << NOTE_BITS) - 1;
/** Slots of a segment of first notes: 64 KiB. */
const SLOT_BITS = 14;
const SLOT_MASK: number = (1 << SLOT_BITS) - 1;
/** Segments that stay when there are no notes any more. */
const SEGMENTS_KEPT = 8;

/** 32-bit words of a note: the first two are a double, the sequence. */
const WORDS = 8;
const HOLDER = 2;
const NEXT = 3;
const EARLIER = 4;
const LATER = 5;
const QUEUE = 6;

/** In place of a slot: the key is known by its name. */
const BY_NAME = 0xffff_ffff;

/** Bytes of a note; one by name has its name as well. */
const NOTE_BYTES: number = WORDS * 4;
/** Bytes reckoned for the places of a name beside its characters. */
const NAME_BYTES = 80;

/** The notes of one origin, from the one that was noted or renewed longest ago. */
export interface NoteQueue {
  first: number;
  last: number;
}

/**
 * Notes of changes as numbers in columns: none of them makes an object. Each stands in the chain of its key, which is found by the key's slot while it has one and by
 * its name else, and in a queue, which is named by a number of the caller's.
 */
export class NotedChanges {
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  #length = 1;
  #firstFree = NO_NOTE;
  /** First notes by slots, of those segments where some slot has had one. */
  readonly #ofSlots: (Uint32Array | undefined)[] = [];
  readonly #ofNames: Map<string, number> = new Map();
  readonly #names: Map<number, string> = new Map();
  #count = 0;
  #nameLengths = 0;

  get count(): number {
    return this.#count;
  }

  /** Notes of keys that are known by their names. */
  get namedCount(): number {
    return this.#names.size;
  }

  get bytes(): number {
    return this.#count * NOTE_BYTES + this.#names.size * NAME_BYTES + this.#nameLengths;
  }

  #word(note: number, field: number): number {
    return (this.#words[note >>> NOTE_BITS] as Uint32Array)[(note & NOTE_MASK) * WORDS + field] as number;
  }

  #setWord(note: number, field: number, value: number): void {
    (this.#words[note >>> NOTE_BITS] as Uint32Array)[(note & NOTE_MASK) * WORDS + field] = value;
  }

  seq(note: number): number {
    return (this.#doubles[note >>> NOTE_BITS] as Float64Array)[((note & NOTE_MASK) * WORDS) / 2] as number;
  }

  setSeq(note: number, seq: number): void {
    (this.#doubles[note >>> NOTE_BITS] as Float64Array)[((note & NOTE_MASK) * WORDS) / 2] = seq;
  }

  /** The number of the queue that a note stands in. */
  queue(note: number): number {
    return this.#word(note, QUEUE);
  }

  /** The next note of the same key. */
  next(note: number): number {
    return this.#word(note, NEXT);
  }

  /** The first note of the key in a slot. */
  ofSlot(slot: Slot): number {
    const segment = this.#ofSlots[slot >>> SLOT_BITS];
    return segment === undefined ? NO_NOTE : (segment[slot & SLOT_MASK] as number);
  }

  ofName(name: string): number {
    return this.#ofNames.get(name) ?? NO_NOTE;
  }

  addToSlot(slot: Slot, queue: number, seq: number): number {
    const note = this.#add(slot, queue, seq, this.ofSlot(slot));
    this.#setOfSlot(slot, note);
    return note;
  }

  addToName(name: string, queue: number, seq: number): number {
    const note = this.#add(BY_NAME, queue, seq, this.ofName(name));
    this.#ofNames.set(name, note);
    this.#names.set(note, name);
    this.#nameLengths += name.length;
    return note;
  }

  #add(holder: number, queue: number, seq: number, next: number): number {
    const note = this.#take();
    this.setSeq(note, seq);
    this.#setWord(note, HOLDER, holder);
    this.#setWord(note, NEXT, next);
    this.#setWord(note, QUEUE, queue);
    this.#count++;
    return note;
  }

  #take(): number {
    const free = this.#firstFree;
    if (free !== NO_NOTE) {
      this.#firstFree = this.next(free);
      return free;
    }
    const note = this.#length++;
    if (note >>> NOTE_BITS === this.#words.length) {
      const words = new Uint32Array(WORDS << NOTE_BITS);
      this.#words.push(words);
      this.#doubles.push(new Float64Array(words.buffer));
    }
    return note;
  }

  #setOfSlot(slot: Slot, note: number): void {
    (this.#ofSlots[slot >>> SLOT_BITS] ??= new Uint32Array(1 << SLOT_BITS))[slot & SLOT_MASK] = note;
  }

  /** Takes a note out of its key's chain; it must have left its queue. */
  remove(note: number): void {
    const slot = this.#word(note, HOLDER);
    if (slot === BY_NAME) this.#removeNamed(note);
    else if (this.ofSlot(slot) === note) this.#setOfSlot(slot, this.next(note));
    else this.#unchain(note, this.ofSlot(slot));
    this.#setWord(note, NEXT, this.#firstFree);
    this.#firstFree = note;
    this.#count--;
    if (this.#count === 0) this.#shrink();
  }

  #removeNamed(note: number): void {
    const name = this.#names.get(note) ?? '';
    this.#names.delete(note);
    this.#nameLengths -= name.length;
    const [first, next] = [this.ofName(name), this.next(note)];
    if (first !== note) this.#unchain(note, first);
    else if (next === NO_NOTE) this.#ofNames.delete(name);
    else this.#ofNames.set(name, next);
  }

  #unchain(note: number, first: number): void {
    let before = first;
    while (this.next(before) !== note) before = this.next(before);
    this.#setWord(before, NEXT, this.next(note));
  }

  #shrink(): void {
    this.#length = 1;
    this.#firstFree = NO_NOTE;
    this.#words.length = Math.min(this.#words.length, SEGMENTS_KEPT);
    this.#doubles.length = this.#words.length;
  }

  clear(): void {
    this.#ofSlots.length = 0;
    this.#ofNames.clear();
    this.#names.clear();
    this.#count = this.#nameLengths = 0;
    this.#shrink();
  }

  // ── queues ──

  /** Puts a note that stands in no queue at the end of one. */
  push(queue: NoteQueue, note: number): void {
    this.#setWord(note, EARLIER, queue.last);
    this.#setWord(note, LATER, NO_NOTE);
    if (queue.last === NO_NOTE) queue.first = note;
    else this.#setWord(queue.last, LATER, note);
    queue.last = note;
  }

  /** Takes a note out of the queue that it stands in. */
  leave(queue: NoteQueue, note: number): void {
    const [earlier, later] = [this.#word(note, EARLIER), this.#word(note, LATER)];
    if (earlier === NO_NOTE) queue.first = later;
    else this.#setWord(earlier, LATER, later);
    if (later === NO_NOTE) queue.last = earlier;
    else this.#setWord(later, EARLIER, earlier);
  }
}
