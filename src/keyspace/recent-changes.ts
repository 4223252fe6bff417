import type { ByteRange } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';

/** Takes the dots of what a read showed. */
export interface DotSink {
  raise(origin: Origin, seq: number): void;
}

/** The last change of a key by one origin; keys changed by several origins at once are few, so the others hang on it. */
interface Change {
  readonly origin: Origin;
  seq: number;
  next: Change | null;
}

/** Bytes reckoned for a change beside its key: a place in the map, the record and its place in the queue. */
const CHANGE_BYTES = 112;

/** Past this the changes are kept for all keys together. */
const RECENT_BYTES_MAX = 32 * 1024 * 1024;

/** The changes of one origin in their order, for finding those that have become stable. */
class ChangesOfOrigin {
  latestSeq = 0;
  #keys: string[] = [];
  #seqs: number[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#keys.length;
  }

  push(key: string, seq: number): void {
    this.#keys.push(key);
    this.#seqs.push(seq);
  }

  /** The next key whose change is stable; undefined for none. */
  takeStable(stableSeq: number): string | undefined {
    if (this.isEmpty || (this.#seqs[this.#head] as number) > stableSeq) return undefined;
    const key = this.#keys[this.#head++] as string;
    if (this.#head > 1024 && this.#head * 2 > this.#keys.length) {
      this.#keys = this.#keys.slice(this.#head);
      this.#seqs = this.#seqs.slice(this.#head);
      this.#head = 0;
    }
    return key;
  }
}

/**
 * The last change of each key by each origin, removals too, until it is stable (RULES S1): what a session has seen when it reads the
 * key, whether that shows something or not. Changes of every key at once (FLUSHALL, a snapshot, what was there at the start) are
 * kept once; a write that stands in its key as it was made is not kept here but read from there. Bounded: a change leaves when it is stable, and past `bytesMax` all of them become changes of every key, which asks
 * more of a session than it saw, never less.
 */
export class RecentChanges {
  /** Where the dots of what is read go; null where nobody wants them, or there are none. */
  reader: DotSink | null = null;
  /** Which keys' reads are carried along where the keys' classes say it. */
  carries: (key: ByteRange) => boolean = () => true;
  #byClass = false;
  readonly #bytesMax: number;
  #changes: Map<string, Change> = new Map();
  #origins: Map<Origin, ChangesOfOrigin> = new Map();
  /** The origin noted last and its changes, null where they are gone. */
  #notedOrigin: Origin | null = null;
  #noted: ChangesOfOrigin | null = null;
  readonly #everyKey: Map<Origin, number> = new Map();
  #count = 0;
  #bytes = 0;
  /** As it was given last; it goes on rising. */
  #stable: VersionVector | null = null;

  constructor(bytesMax: number = RECENT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Pairs of a key and an origin that changed it. */
  get count(): number {
    return this.#count;
  }

  /** About the memory that they take. */
  get bytes(): number {
    return this.#bytes;
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

  /** The key is read. Where its latest write is the last change of it, that is given here; `isNoted` says whether others may be noted. Says whether one was. */
  read(key: ByteRange, writer = 0, seq = 0, isNoted = true): boolean {
    const { reader } = this;
    if (reader === null) return isNoted;
    const change = isNoted && this.#count > 0 ? (this.#changes.get(key.toLatin1()) ?? null) : null;
    const isRecent = writer !== 0 && this.#origins.has(writer as Origin);
    if (change === null && !isRecent && this.#everyKey.size === 0) return false;
    if (this.#byClass && !this.carries(key)) return isNoted;
    if (isRecent) reader.raise(writer as Origin, seq);
    for (let next = change; next !== null; next = next.next) reader.raise(next.origin, next.seq);
    if (this.#everyKey.size > 0) for (const [origin, known] of this.#everyKey) reader.raise(origin, known);
    return change !== null;
  }

  /** Which keys there are is read. */
  readAll(): void {
    const { reader } = this;
    if (reader === null) return;
    for (const [origin, { latestSeq }] of this.#origins) reader.raise(origin, latestSeq);
    for (const [origin, seq] of this.#everyKey) reader.raise(origin, seq);
  }

  /** A transaction changed the key. Those of an origin come in their order. */
  note(key: string, origin: Origin, seq: number): void {
    const changes = this.#changesOf(origin);
    if (seq > changes.latestSeq) changes.latestSeq = seq;
    const first = this.#changes.get(key) ?? null;
    for (let change = first; change !== null; change = change.next) {
      if (change.origin !== origin) continue;
      change.seq = Math.max(change.seq, seq);
      return;
    }
    this.#changes.set(key, { origin, seq, next: first });
    changes.push(key, seq);
    this.#count++;
    this.#bytes += CHANGE_BYTES + key.length;
    if (this.#bytes > this.#bytesMax) this.#takeTogether();
  }

  /** A transaction changed a key, and what is kept of the key says so: it is told when the key is read. */
  noteWrite(origin: Origin, seq: number): void {
    const changes = this.#changesOf(origin);
    if (seq > changes.latestSeq) changes.latestSeq = seq;
  }

  /** Whether some change of a key (latin1) that shows nothing may not be stable yet. */
  mayBeRecent(key: string): boolean {
    return this.#everyKey.size > 0 || this.#changes.has(key);
  }

  /** Whether a change may be one that is not stable. */
  isRecent(origin: Origin, seq: number): boolean {
    return this.#origins.has(origin) && this.#stable?.contains(origin, seq) !== true;
  }

  #changesOf(origin: Origin): ChangesOfOrigin {
    return origin === this.#notedOrigin ? (this.#noted as ChangesOfOrigin) : this.#turnTo(origin);
  }

  #turnTo(origin: Origin): ChangesOfOrigin {
    let changes = this.#origins.get(origin);
    if (changes === undefined) this.#origins.set(origin, (changes = new ChangesOfOrigin()));
    this.#notedOrigin = origin;
    this.#noted = changes;
    return changes;
  }

  /** A transaction changed every key, or may have changed any. */
  noteEvery(origin: Origin, seq: number): void {
    if (seq > (this.#everyKey.get(origin) ?? 0)) this.#everyKey.set(origin, seq);
  }

  #takeTogether(): void {
    for (const [origin, { latestSeq }] of this.#origins) this.noteEvery(origin, latestSeq);
    this.#changes = new Map();
    this.#origins = new Map();
    this.#notedOrigin = null;
    this.#count = 0;
    this.#bytes = 0;
  }

  /** Transactions beyond `known` came without their keys, in a snapshot or from the store, so every key may be one. */
  noteUnknown(vector: VersionVector, known: VersionVector): void {
    for (const [origin, seq] of vector.dots()) if (!known.contains(origin, seq)) this.noteEvery(origin, seq);
  }

  /** Forgets up to `budget` changes that are stable: every node shows them. */
  forget(stable: VersionVector, budget: number): void {
    this.#stable = stable;
    for (const [origin, seq] of this.#everyKey) if (stable.contains(origin, seq)) this.#everyKey.delete(origin);
    let left = budget;
    for (const [origin, changes] of this.#origins) {
      const stableSeq = stable.get(origin);
      for (; left > 0; left--) {
        const key = changes.takeStable(stableSeq);
        if (key === undefined) break;
        this.#forget(key, origin, stableSeq, changes);
      }
      if (changes.isEmpty && changes.latestSeq <= stableSeq) {
        this.#origins.delete(origin);
        if (origin === this.#notedOrigin) this.#notedOrigin = null;
      }
    }
  }

  #forget(key: string, origin: Origin, stableSeq: number, changes: ChangesOfOrigin): void {
    let before: Change | null = null;
    let change = this.#changes.get(key) ?? null;
    while (change !== null && change.origin !== origin) {
      before = change;
      change = change.next;
    }
    if (change === null) return;
    if (change.seq > stableSeq) {
      // it changed again since: it waits behind what is newer, and so a little longer at most
      changes.push(key, change.seq);
      return;
    }
    this.#count--;
    this.#bytes -= CHANGE_BYTES + key.length;
    if (before !== null) before.next = change.next;
    else if (change.next === null) this.#changes.delete(key);
    else this.#changes.set(key, change.next);
  }
}
