import { assert } from '../base/assert.ts';
import { NOTHING, type Observations } from './observations.ts';

/** In place of the write that was read: it is in the future of who read it, and left out so that the rest can be judged. */
const FUTURE = -3;

/** Numbers that the order of one history may take, four bytes each. */
const ORDER_CELLS_MAX: number = 2 ** 27;

/**
 * Operations that follow each other: those of a session, or one write of unknown end. That one comes after what its session did before, and
 * nothing comes after it but who read it.
 */
interface Thread {
  readonly operations: number[];
  /** The operation before the first, of another thread; NOTHING where there is none. */
  readonly parent: number;
  /** How many are in the order. */
  done: number;
  /** Writes of each thread that are before the next operation; null until it is begun. */
  vector: Int32Array | null;
  isWaiting: boolean;
}

/** The writes to a key by one thread. */
interface Writer {
  readonly thread: number;
  readonly writes: number[];
  /** The place of each among all writes of its thread, from 1. */
  readonly places: number[];
}

/**
 * The causal order of a history: session order and "reads from", closed. Kept of it is what the patterns ask for: of each operation, how
 * many writes to its key by each writer of that key are before it. One pass with a vector clock a session: operations × writers of a key.
 */
export class CausalOrder {
  readonly seen: Observations;
  /** Operations that are before themselves, each cycle as read, write, read, write …: each write is of what is read behind it. */
  readonly cycles: readonly (readonly number[])[];
  /** Why nothing is judged, where that is so. */
  readonly tooLarge: string | null;
  readonly #threads: Thread[] = [];
  readonly #threadOf: Int32Array;
  /** The place in its thread by operation. */
  readonly #placeOf: Int32Array;
  readonly #writers: Writer[][];
  /** Of a write, which of the key's writers made it and as which of its writes, from 1. */
  readonly #writerOf: Int32Array;
  readonly #ordinalOf: Int32Array;
  readonly #past: Int32Array;
  /** Where an operation's part of `past` begins. */
  readonly #pastAt: Float64Array;
  readonly #readers: Map<number, number[]> = new Map();

  constructor(seen: Observations) {
    this.seen = seen;
    const size = seen.history.length;
    this.#threadOf = new Int32Array(size).fill(NOTHING);
    this.#placeOf = new Int32Array(size);
    this.#writerOf = new Int32Array(size);
    this.#ordinalOf = new Int32Array(size);
    this.#pastAt = new Float64Array(size);
    this.#writers = seen.keys.map(() => []);
    this.#makeThreads();
    const cells = this.#makeWriters();
    const isTooLarge = cells > ORDER_CELLS_MAX || this.#threads.length ** 2 > ORDER_CELLS_MAX;
    this.tooLarge = isTooLarge
      ? `${seen.count} operations of ${seen.sessions} sessions are too many to put in order`
      : null;
    this.#past = new Int32Array(isTooLarge ? 0 : cells);
    this.cycles = isTooLarge ? [] : new Ordering(this.#threads, this.#threadOf, this.#placeOf, this).run();
  }

  /** The write that an operation read, or a negative number. */
  source(at: number): number {
    return this.seen.source[at] as number;
  }

  /** Takes the write that an operation read out of the order. */
  cut(at: number): void {
    this.seen.source[at] = FUTURE;
  }

  /** Who read a write. */
  readers(write: number): readonly number[] {
    return this.#readers.get(write) ?? [];
  }

  /** The operation before it in its session, or NOTHING. */
  previous(at: number): number {
    const { operations, parent } = this.#threads[this.#threadOf[at] as number] as Thread;
    const place = this.#placeOf[at] as number;
    return place === 0 ? parent : (operations[place - 1] as number);
  }

  /** Of each writer of the operation's key the last write that is before the operation. */
  lastWrites(at: number): number[] {
    const writers = this.#writers[this.seen.keyOf[at] as number] ?? [];
    const found: number[] = [];
    for (const [index, { writes }] of writers.entries()) {
      const before = this.#past[(this.#pastAt[at] as number) + index] as number;
      if (before > 0) found.push(writes[before - 1] as number);
    }
    return found;
  }

  /** Of each writer of the write's key the last write that is before some reader of it, but the write itself. */
  lastWritesOfReaders(write: number): number[] {
    const readers = this.readers(write);
    if (readers.length === 0) return [];
    const writers = this.#writers[this.seen.keyOf[write] as number] ?? [];
    const found: number[] = [];
    for (const [index, { writes }] of writers.entries()) {
      let before = 0;
      for (const reader of readers)
        before = Math.max(before, this.#past[(this.#pastAt[reader] as number) + index] as number);
      const last = writes[before - 1];
      if (last !== undefined && last !== write) found.push(last);
    }
    return found;
  }

  /** Whether a write is before another operation on the same key. */
  isBefore(write: number, at: number): boolean {
    const before = this.#past[(this.#pastAt[at] as number) + (this.#writerOf[write] as number)] as number;
    return before >= (this.#ordinalOf[write] as number);
  }

  /** Notes what is before an operation, of the writes to its key. */
  note(at: number, vector: Int32Array): void {
    const writers = this.#writers[this.seen.keyOf[at] as number] ?? [];
    const pastAt = this.#pastAt[at] as number;
    for (const [index, { thread, places }] of writers.entries())
      this.#past[pastAt + index] = countUpTo(places, vector[thread] as number);
  }

  /**
   * The shortest way by which `from` is before `to`: session order and reads, told by where it changes between them, both ends included.
   */
  path(from: number, to: number): number[] {
    const cameFrom = new Map<number, number>([[to, NOTHING]]);
    // steps along a session are free: only where it changes to another is an operation to be told
    let near = [to];
    while (near.length > 0) {
      const far: number[] = [];
      for (let at = near.pop(); at !== undefined; at = near.pop()) {
        if (at === from) return this.#told(from, cameFrom);
        const previous = this.previous(at);
        if (previous >= 0 && !cameFrom.has(previous)) {
          cameFrom.set(previous, at);
          near.push(previous);
        }
        const source = this.source(at);
        if (source >= 0 && !cameFrom.has(source)) {
          cameFrom.set(source, at);
          far.push(source);
        }
      }
      near = far;
    }
    return [from, to];
  }

  #told(from: number, cameFrom: ReadonlyMap<number, number>): number[] {
    const way = [from];
    for (let at = cameFrom.get(from) ?? NOTHING; at >= 0; at = cameFrom.get(at) ?? NOTHING) way.push(at);
    return way.filter((at, index) => {
      const [before, after] = [way[index - 1], way[index + 1]];
      if (before === undefined || after === undefined) return true;
      return this.source(at) === before || this.source(after) === at;
    });
  }

  #makeThreads(): void {
    const { history } = this.seen;
    const sessions = new Map<string, number>();
    for (const [at, { client, ok }] of history.entries()) {
      if (!this.seen.takesPart(at)) continue;
      const source = this.source(at);
      if (source >= 0) {
        const readers = this.#readers.get(source);
        if (readers === undefined) this.#readers.set(source, [at]);
        else readers.push(at);
      }
      const session = sessions.get(client);
      if (ok === null) {
        const parent =
          session === undefined ? NOTHING : ((this.#threads[session] as Thread).operations.at(-1) ?? NOTHING);
        this.#put(at, this.#newThread(parent));
        continue;
      }
      const thread = session ?? this.#newThread(NOTHING);
      sessions.set(client, thread);
      this.#put(at, thread);
    }
  }

  #newThread(parent: number): number {
    return this.#threads.push({ operations: [], parent, done: 0, vector: null, isWaiting: false }) - 1;
  }

  #put(at: number, thread: number): void {
    this.#threadOf[at] = thread;
    this.#placeOf[at] = (this.#threads[thread] as Thread).operations.push(at) - 1;
  }

  /** Returns how many cells `past` needs. */
  #makeWriters(): number {
    const writesOf = new Int32Array(this.#threads.length);
    const places = new Map<number, number>();
    for (const at of this.seen.history.keys()) {
      if (!this.seen.takesPart(at) || !this.seen.isWrite(at)) continue;
      const thread = this.#threadOf[at] as number;
      const writers = this.#writers[this.seen.keyOf[at] as number] as Writer[];
      const name = thread * this.#writers.length + (this.seen.keyOf[at] as number);
      let index = places.get(name);
      if (index === undefined) {
        index = writers.push({ thread, writes: [], places: [] }) - 1;
        places.set(name, index);
      }
      const writer = writers[index] as Writer;
      writesOf[thread] = (writesOf[thread] as number) + 1;
      writer.places.push(writesOf[thread]);
      this.#writerOf[at] = index;
      this.#ordinalOf[at] = writer.writes.push(at);
    }
    let cells = 0;
    for (const at of this.seen.history.keys()) {
      if (!this.seen.takesPart(at)) continue;
      this.#pastAt[at] = cells;
      cells += this.#writers[this.seen.keyOf[at] as number]?.length ?? 0;
    }
    return cells;
  }
}

/** How many of ascending numbers are at most `limit`. */
function countUpTo(numbers: readonly number[], limit: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts operations into an order where what is before comes first, near the order of the history, so that few vectors are kept at once. */
class Ordering {
  readonly #threads: readonly Thread[];
  readonly #threadOf: Int32Array;
  readonly #placeOf: Int32Array;
  readonly #order: CausalOrder;
  /** What is before a write and the write itself, until its last reader has seen it. */
  readonly #vectors: Map<number, { readonly vector: Int32Array; readers: number }> = new Map();
  readonly #spare: Int32Array[] = [];
  /** Threads that wait for an operation. */
  readonly #waiting: Map<number, number[]> = new Map();
  readonly #children: Map<number, number[]> = new Map();

  constructor(threads: readonly Thread[], threadOf: Int32Array, placeOf: Int32Array, order: CausalOrder) {
    this.#threads = threads;
    this.#threadOf = threadOf;
    this.#placeOf = placeOf;
    this.#order = order;
  }

  /** Returns the cycles. */
  run(): number[][] {
    for (const [index, { parent }] of this.#threads.entries())
      if (parent !== NOTHING) listed(this.#children, parent).push(index);
    const { seen } = this.#order;
    for (const at of seen.history.keys()) if (seen.takesPart(at)) this.#advance(this.#threadOf[at] as number, at);
    const cycles: number[][] = [];
    const end = seen.history.length;
    for (const index of this.#threads.keys()) {
      while (this.#head(index) !== undefined) {
        const { cycle, reader } = this.#cycleFrom(index);
        cycles.push(cycle);
        this.#order.cut(reader);
        const thread = this.#threadOf[reader] as number;
        (this.#threads[thread] as Thread).isWaiting = false;
        this.#advance(thread, end);
      }
    }
    return cycles;
  }

  #head(thread: number): number | undefined {
    const { operations, done } = this.#threads[thread] as Thread;
    return operations[done];
  }

  #isDone(at: number): boolean {
    return (this.#placeOf[at] as number) < (this.#threads[this.#threadOf[at] as number] as Thread).done;
  }

  /** What the next operation of a thread waits for, or NOTHING. */
  #missing(thread: Thread, head: number): number {
    if (thread.vector === null) {
      if (thread.parent !== NOTHING) return thread.parent;
      thread.vector = this.#newVector();
    }
    const source = this.#order.source(head);
    return source >= 0 && !this.#isDone(source) ? source : NOTHING;
  }

  /** Takes the thread on as far as it can go up to an operation of the history, and those that waited for it. */
  #advance(first: number, upTo: number): void {
    const ready = [first];
    for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
      const thread = this.#threads[index] as Thread;
      if (thread.isWaiting) continue;
      for (let head = this.#head(index); head !== undefined && head <= upTo; head = this.#head(index)) {
        const missing = this.#missing(thread, head);
        if (missing !== NOTHING) {
          listed(this.#waiting, missing).push(index);
          thread.isWaiting = true;
          break;
        }
        this.#take(index, thread, head);
        for (const waiting of this.#waiting.get(head) ?? []) {
          (this.#threads[waiting] as Thread).isWaiting = false;
          ready.push(waiting);
        }
        this.#waiting.delete(head);
      }
    }
  }

  #take(index: number, thread: Thread, at: number): void {
    const { seen } = this.#order;
    const vector = thread.vector as Int32Array;
    const source = this.#order.source(at);
    if (source >= 0) this.#join(vector, source);
    this.#order.note(at, vector);
    thread.done++;
    if (seen.isWrite(at)) {
      vector[index] = (vector[index] as number) + 1;
      const readers = this.#order.readers(at).length;
      if (readers > 0) this.#vectors.set(at, { vector: this.#copy(vector), readers });
    }
    for (const child of this.#children.get(at) ?? []) (this.#threads[child] as Thread).vector = this.#copy(vector);
    if (this.#head(index) === undefined) this.#spare.push(vector);
  }

  #join(vector: Int32Array, source: number): void {
    const kept = this.#vectors.get(source);
    assert(kept !== undefined, 'a write is kept until all have read it');
    for (const [thread, count] of kept.vector.entries()) if (count > (vector[thread] as number)) vector[thread] = count;
    if (--kept.readers > 0) return;
    this.#vectors.delete(source);
    this.#spare.push(kept.vector);
  }

  #newVector(): Int32Array {
    return this.#spare.pop()?.fill(0) ?? new Int32Array(this.#threads.length);
  }

  #copy(vector: Int32Array): Int32Array {
    const copy = this.#spare.pop();
    if (copy === undefined) return vector.slice();
    copy.set(vector);
    return copy;
  }

  /** From thread to thread that each waits for, until one comes again; gives a read of the cycle that can be taken out. */
  #cycleFrom(first: number): { cycle: number[]; reader: number } {
    const places = new Map<number, number>();
    const steps: { readonly head: number; readonly missing: number; readonly isRead: boolean }[] = [];
    let index = first;
    while (!places.has(index)) {
      places.set(index, steps.length);
      const thread = this.#threads[index] as Thread;
      const head = this.#head(index) as number;
      const missing = this.#missing(thread, head);
      assert(missing !== NOTHING, 'what can go on went on');
      steps.push({ head, missing, isRead: thread.vector !== null });
      index = this.#threadOf[missing] as number;
    }
    const round = steps.slice(places.get(index));
    const cycle = [...new Set(round.flatMap(({ head, missing }) => [head, missing]))];
    const reader = round.find(({ isRead }) => isRead)?.head;
    assert(reader !== undefined, 'sessions alone make no cycle');
    return { cycle, reader };
  }
}

function listed(lists: Map<number, number[]>, at: number): number[] {
  let list = lists.get(at);
  if (list === undefined) lists.set(at, (list = []));
  return list;
}
