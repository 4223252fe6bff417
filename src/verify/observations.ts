import { DistinctWrites, type Operation } from './history.ts';

/** In place of the write that was read: nothing was read, or nothing was there. */
export const NOTHING = -1;

/** In place of the write that was read: nobody wrote the value. */
export const NOBODY = -2;

/** What the operations on one key tell. */
export interface KeyOperations {
  readonly key: string;
  /** The write of each value; of what was refused too, unless it was written again. */
  readonly writes: ReadonlyMap<string, number>;
  /** Somebody may have removed it without a trace in the history: a del of unknown end. */
  readonly mayVanish: boolean;
  /** When the first of what was written expires; Infinity where nothing does. */
  readonly vanishesFrom: number;
  /** It is added to: what is read of it is nobody's write. */
  readonly isCounted: boolean;
  /** Dels that were done. */
  readonly deletions: readonly number[];
}

interface KeyBeingRead {
  key: string;
  writes: Map<string, number>;
  mayVanish: boolean;
  vanishesFrom: number;
  isCounted: boolean;
  deletions: number[];
  isLeftOut: boolean;
}

/** Whether what the operation writes may have been done. */
function mayBeDone({ ok }: Operation): boolean {
  return ok !== false;
}

/**
 * Which operations of a history tell something of causality, and which write each of them read. Left out are keys that never leave their node,
 * reads that may be of any age, what was refused, and writes of unknown end that nobody read: they may never have been. What is done to keys that
 * are counted on has its place in the order; a sum that was read says nothing of who was read.
 */
export class Observations {
  readonly history: readonly Operation[];
  readonly keys: readonly KeyOperations[];
  /** The place in `keys` by operation; meant where `takesPart`. */
  readonly keyOf: Int32Array;
  /** The write that an operation read, or NOTHING or NOBODY. */
  readonly source: Int32Array;
  readonly #takesPart: Uint8Array;
  readonly #leftOut: Uint8Array;
  /** Operations that are judged. */
  readonly count: number;
  /** Sessions that they are of. */
  readonly sessions: number;

  /** Throws HISTORY where a value is written twice to a key. */
  constructor(history: readonly Operation[]) {
    this.history = history;
    this.keyOf = new Int32Array(history.length);
    this.source = new Int32Array(history.length).fill(NOTHING);
    this.#takesPart = new Uint8Array(history.length);
    const keys = this.#readKeys();
    this.keys = keys;
    this.#leftOut = Uint8Array.from(keys, ({ isLeftOut }) => Number(isLeftOut));
    this.#findPart();
    const clients = new Set<string>();
    let count = 0;
    for (const [at, { client }] of history.entries()) {
      if (!this.takesPart(at)) continue;
      clients.add(client);
      count++;
    }
    this.count = count;
    this.sessions = clients.size;
  }

  takesPart(at: number): boolean {
    return this.#takesPart[at] === 1;
  }

  operation(at: number): Operation {
    return this.history[at] as Operation;
  }

  /** The key's place, writes and what may have become of it. */
  key(at: number): KeyOperations {
    return this.keys[this.keyOf[at] as number] as KeyOperations;
  }

  /** A read that found nothing, or a cas that wanted and found nothing. */
  sawNothing(at: number): boolean {
    return this.source[at] === NOTHING && this.isRead(at) && !this.key(at).isCounted;
  }

  /** Whether what was there may be gone when the operation looks, where clocks differ by so many nanoseconds at most. */
  mayHaveVanished(at: number, clockSkew: number): boolean {
    const { mayVanish, vanishesFrom } = this.key(at);
    return mayVanish || (vanishesFrom < Infinity && this.operation(at).end + clockSkew >= vanishesFrom);
  }

  isRead(at: number): boolean {
    const { op } = this.operation(at);
    return op === 'read' || op === 'cas';
  }

  isWrite(at: number): boolean {
    return this.operation(at).op !== 'read';
  }

  #readKeys(): KeyBeingRead[] {
    const keys: KeyBeingRead[] = [];
    const places = new Map<string, number>();
    const distinct = new DistinctWrites();
    for (const [at, operation] of this.history.entries()) {
      const { op, key: name, value, level } = operation;
      let place = places.get(name);
      if (place === undefined) {
        place = keys.length;
        places.set(name, place);
        const nothing = { mayVanish: false, vanishesFrom: Infinity, isCounted: false, isLeftOut: false };
        keys.push({ key: name, writes: new Map(), deletions: [], ...nothing });
      }
      this.keyOf[at] = place;
      const key = keys[place] as KeyBeingRead;
      distinct.see(operation, at, 'operation');
      if (op !== 'read' && level === 'weak') key.isLeftOut = true;
      if (op === 'incr') key.isCounted = true;
      if (op === 'del' && operation.ok === null) key.mayVanish = true;
      if (op === 'del' && operation.ok === true) key.deletions.push(at);
      const { expires = Infinity } = operation;
      if (mayBeDone(operation)) key.vanishesFrom = Math.min(key.vanishesFrom, expires);
      if (value === null || (op !== 'write' && op !== 'cas')) continue;
      if (mayBeDone(operation) || !key.writes.has(value)) key.writes.set(value, at);
    }
    return keys;
  }

  #findPart(): void {
    const waiting: number[] = [];
    for (const [at, { op, level, ok }] of this.history.entries()) {
      if (ok !== true || this.#leftOut[this.keyOf[at] as number] === 1) continue;
      if (op === 'read' && (level === 'weak' || level === 'eventual')) continue;
      waiting.push(at);
    }
    // a write of unknown end takes part once what takes part has read it
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (this.takesPart(at)) continue;
      this.#takesPart[at] = 1;
      const source = this.#sourceOf(at);
      this.source[at] = source;
      if (source >= 0) waiting.push(source);
    }
  }

  #sourceOf(at: number): number {
    const { op, value, expected } = this.operation(at);
    const seen = op === 'read' ? value : op === 'cas' ? (expected ?? null) : null;
    const { isCounted, writes } = this.key(at);
    if (seen === null || isCounted) return NOTHING;
    const write = writes.get(seen);
    return write === undefined || !mayBeDone(this.operation(write)) ? NOBODY : write;
  }
}
