import type { Origin } from '../clock/origin.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';

/** What a session has seen: the highest dot per origin of what it read and wrote (RULES S1). Only grows, until it is cleared. */
export class SessionDots implements DotSink {
  readonly #seqs: Map<Origin, number> = new Map();

  get size(): number {
    return this.#seqs.size;
  }

  raise(origin: Origin, seq: number): void {
    if (seq > (this.#seqs.get(origin) ?? 0)) this.#seqs.set(origin, seq);
  }

  raiseAll(dots: Iterable<readonly [Origin, number]>): void {
    for (const [origin, seq] of dots) this.raise(origin, seq);
  }

  clear(): void {
    this.#seqs.clear();
  }

  [Symbol.iterator](): IterableIterator<[Origin, number]> {
    return this.#seqs.entries();
  }
}
