import type { ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { NO_SLOT, type Slot } from './keyspace.ts';
import { NO_NOTE, NotedChanges, type NoteQueue } from './noted-changes.ts';

/** Takes the dots of what a read showed. */
export interface DotSink {
  raise(origin: Origin, seq: number): void;
}

/** Past this the changes are kept for all keys together. */
const RECENT_BYTES_MAX = 32 * 1024 * 1024;

/** What one origin changed of late. */
interface ChangesOfOrigin extends NoteQueue {
  readonly origin: Origin;
  /** Its place among all of them. */
  readonly number: number;
  latestSeq: number;
}

/**
 * The last change of each key by each origin, removals too, until it is stable (RULES S1): what a session has seen when it reads the
 * key, whether that shows something or not. Changes of every key at once (FLUSHALL, a snapshot, what was there at the start) are
 * kept once; a write that stands in its key as it was made is not kept here but read from there. A key that has a slot is known by that, else by its name. Bounded: a change leaves when it is stable, and past `bytesMax` all of them become changes of every key, which asks
 * more of a session than it saw, never less.
 */
export class RecentChanges {
  /** Where the dots of what is read go; null where nobody wants them, or there are none. */
  reader: DotSink | null = null;
  /** Which keys' reads are carried along where the keys' classes say it. */
  carries: (key: ByteRange) => boolean = () => true;
  #byClass = false;
  readonly #bytesMax: number;
  readonly #notes: NotedChanges = new NotedChanges();
  #origins: Map<Origin, ChangesOfOrigin> = new Map();
  /** By their numbers, which are used again. */
  #numbered: ChangesOfOrigin[] = [];
  #freeNumbers: number[] = [];
  /** The origin noted last and its changes, null where they are gone. */
  #notedOrigin: Origin | null = null;
  #noted: ChangesOfOrigin | null = null;
  readonly #everyKey: Map<Origin, number> = new Map();
  #notesNothing = false;
  /** As it was given last; it goes on rising. */
  #stable: VersionVector | null = null;

  constructor(bytesMax: number = RECENT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Nobody reads for a session here: to be said before the first change. */
  noteNothing(): void {
    this.#notesNothing = true;
  }

  /** Pairs of a key and an origin that changed it. */
  get count(): number {
    return this.#notes.count;
  }

  /** About the memory that they take. */
  get bytes(): number {
    return this.#notes.bytes;
  }

  /**
   * Adds the dots of what is read from now on to `reader`; null ends that. `byClass` leaves out what `carries` does not want.
   * What is written meanwhile has a dot of its own.
   */
  readFor(reader: DotSink | null, byClass = false): void {
    this.#byClass = byClass;
    this.reader = this.#origins.size === 0 && this.#everyKey.size === 0 ? null : reader;
  }

  /** Adds the dots of what `look` reads to `dots`, whatever its class; whoever read before goes on after it. */
  lookFor<T>(dots: DotSink, look: () => T): T {
    const [reader, byClass] = [this.reader, this.#byClass];
    this.readFor(dots);
    try {
      return look();
    } finally {
      this.reader = reader;
      this.#byClass = byClass;
    }
  }

  /** Whether some are of keys that are known by their names. */
  get hasNamed(): boolean {
    return this.#notes.namedCount > 0;
  }

  /**
   * The key is read, from its slot where it has one. Where its latest write is the last change of it, that is given here; `isNoted` says whether others may be noted.
   * Says whether one was.
   */
  read(key: ByteRange, slot: Slot = NO_SLOT, writer = 0, seq = 0, isNoted = true): boolean {
    const { reader } = this;
    if (reader === null) return isNoted;
    const ofSlot = isNoted && slot !== NO_SLOT ? this.#notes.ofSlot(slot) : NO_NOTE;
    const ofName = isNoted && this.hasNamed ? this.#notes.ofName(key.toLatin1()) : NO_NOTE;
    const hasNotes = ofSlot !== NO_NOTE || ofName !== NO_NOTE;
    const isRecent = writer !== 0 && this.#origins.has(writer as Origin);
    if (!hasNotes && !isRecent && this.#everyKey.size === 0) return false;
    if (this.#byClass && !this.carries(key)) return isNoted;
    if (isRecent) reader.raise(writer as Origin, seq);
    this.#raise(ofSlot, reader);
    this.#raise(ofName, reader);
    if (this.#everyKey.size > 0) for (const [origin, known] of this.#everyKey) reader.raise(origin, known);
    return hasNotes;
  }

  #raise(first: number, reader: DotSink): void {
    for (let note = first; note !== NO_NOTE; note = this.#notes.next(note))
      reader.raise(this.#queueOf(note).origin, this.#notes.seq(note));
  }

  #queueOf(note: number): ChangesOfOrigin {
    return this.#numbered[this.#notes.queue(note)] as ChangesOfOrigin;
  }

  /** Which keys there are is read. */
  readAll(): void {
    const { reader } = this;
    if (reader === null) return;
    for (const [origin, { latestSeq }] of this.#origins) reader.raise(origin, latestSeq);
    for (const [origin, seq] of this.#everyKey) reader.raise(origin, seq);
  }

  /** A transaction changed the key, which has no slot. */
  note(name: string, origin: Origin, seq: number): void {
    if (this.#notesNothing) return;
    const changes = this.#changedBy(origin, seq);
    if (this.#renew(this.#notes.ofName(name), changes, seq)) return;
    this.#push(changes, this.#notes.addToName(name, changes.number, seq));
  }

  /** A transaction changed the key that is in a slot. */
  noteSlot(slot: Slot, origin: Origin, seq: number): void {
    if (this.#notesNothing) return;
    const changes = this.#changedBy(origin, seq);
    if (this.#renew(this.#notes.ofSlot(slot), changes, seq)) return;
    this.#push(changes, this.#notes.addToSlot(slot, changes.number, seq));
  }

  /** The key of a slot loses it. */
  leaveSlot(slot: Slot, name: string): void {
    const notes = this.#notes;
    for (let note = notes.ofSlot(slot); note !== NO_NOTE; note = notes.ofSlot(slot)) {
      const [changes, seq] = [this.#queueOf(note), notes.seq(note)];
      notes.leave(changes, note);
      notes.remove(note);
      this.note(name, changes.origin, seq);
    }
  }

  #changedBy(origin: Origin, seq: number): ChangesOfOrigin {
    const changes = this.#changesOf(origin);
    if (seq > changes.latestSeq) changes.latestSeq = seq;
    return changes;
  }

  /** Raises the note of an origin among those of a key; false where there is none. */
  #renew(first: number, changes: ChangesOfOrigin, seq: number): boolean {
    const notes = this.#notes;
    for (let note = first; note !== NO_NOTE; note = notes.next(note)) {
      if (notes.queue(note) !== changes.number) continue;
      if (seq > notes.seq(note)) {
        notes.setSeq(note, seq);
        // it is stable later than those behind it
        notes.leave(changes, note);
        notes.push(changes, note);
      }
      return true;
    }
    return false;
  }

  #push(changes: ChangesOfOrigin, note: number): void {
    this.#notes.push(changes, note);
    if (this.#notes.bytes > this.#bytesMax) this.#takeTogether();
  }

  /** A transaction changed a key, and what is kept of the key says so: it is told when the key is read. */
  noteWrite(origin: Origin, seq: number): void {
    if (!this.#notesNothing) this.#changedBy(origin, seq);
  }

  /** Whether some change of a key (latin1) that has no slot may not be stable yet. */
  mayBeRecent(key: string): boolean {
    return this.#everyKey.size > 0 || this.#notes.ofName(key) !== NO_NOTE;
  }

  /** Whether a change may be one that is not stable. */
  isRecent(origin: Origin, seq: number): boolean {
    return this.#origins.has(origin) && this.#stable?.contains(origin, seq) !== true;
  }

  #changesOf(origin: Origin): ChangesOfOrigin {
    return origin === this.#notedOrigin ? (this.#noted as ChangesOfOrigin) : this.#turnTo(origin);
  }

  #turnTo(origin: Origin): ChangesOfOrigin {
    const changes = this.#origins.get(origin) ?? this.#begin(origin);
    this.#notedOrigin = origin;
    this.#noted = changes;
    return changes;
  }

  #begin(origin: Origin): ChangesOfOrigin {
    const number = this.#freeNumbers.pop() ?? this.#numbered.length;
    const changes = { origin, number, latestSeq: 0, first: NO_NOTE, last: NO_NOTE };
    this.#numbered[number] = changes;
    this.#origins.set(origin, changes);
    return changes;
  }

  /** A transaction changed every key, or may have changed any. */
  noteEvery(origin: Origin, seq: number): void {
    if (!this.#notesNothing && seq > (this.#everyKey.get(origin) ?? 0)) this.#everyKey.set(origin, seq);
  }

  #takeTogether(): void {
    for (const [origin, { latestSeq }] of this.#origins) this.noteEvery(origin, latestSeq);
    this.#notes.clear();
    this.#origins = new Map();
    this.#numbered = [];
    this.#freeNumbers = [];
    this.#notedOrigin = null;
  }

  /** Transactions beyond `known` came without their keys, in a snapshot or from the store, so every key may be one. */
  noteUnknown(vector: VersionVector, known: VersionVector): void {
    for (const [origin, seq] of vector.dots()) if (!known.contains(origin, seq)) this.noteEvery(origin, seq);
  }

  /** Forgets up to `budget` changes that are stable: every node shows them. */
  forget(stable: VersionVector, budget: number): void {
    if (this.#notesNothing) return;
    this.#stable = stable;
    for (const [origin, seq] of this.#everyKey) if (stable.contains(origin, seq)) this.#everyKey.delete(origin);
    let left = budget;
    for (const [origin, changes] of this.#origins) {
      const stableSeq = stable.get(origin);
      left = this.#forgetOf(changes, stableSeq, left);
      if (changes.first !== NO_NOTE || changes.latestSeq > stableSeq) continue;
      this.#origins.delete(origin);
      this.#freeNumbers.push(changes.number);
      if (origin === this.#notedOrigin) this.#notedOrigin = null;
    }
  }

  /** Forgets what is stable of one origin's; returns how much of the budget is left. */
  #forgetOf(changes: ChangesOfOrigin, stableSeq: number, budget: number): number {
    const notes = this.#notes;
    let left = budget;
    for (; left > 0 && changes.first !== NO_NOTE && notes.seq(changes.first) <= stableSeq; left--) {
      const { first } = changes;
      notes.leave(changes, first);
      notes.remove(first);
    }
    return left;
  }
}
