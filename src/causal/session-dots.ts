import type { Origin } from '../clock/origin.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';

/** What a session has seen: the highest dot per origin of what it read and wrote (RULES S1). Only grows, until it is cleared. */
export class SessionDots implements DotSink {
  readonly #seqs: Map<Origin, number> = new Map();
  /** The origin raised last, with its sequence: most dots of a session come from one origin after the other. */
  #latestOrigin: Origin | null = null;
  #latestSeq = 0;

  get size(): number {
    return this.#seqs.size;
  }

  raise(origin: Origin, seq: number): void {
    if (origin !== this.#latestOrigin) this.#turnTo(origin);
    if (seq > this.#latestSeq) this.#latestSeq = seq;
  }

  #turnTo(origin: Origin): void {
    this.#keepLatest();
    const known = this.#seqs.get(origin);
    if (known === undefined) this.#seqs.set(origin, 0);
    this.#latestOrigin = origin;
    this.#latestSeq = known ?? 0;
  }

  #keepLatest(): void {
    if (this.#latestOrigin !== null) this.#seqs.set(this.#latestOrigin, this.#latestSeq);
  }

  raiseAll(dots: Iterable<readonly [Origin, number]>): void {
    for (const [origin, seq] of dots) this.raise(origin, seq);
  }

  clear(): void {
    this.#seqs.clear();
    this.#latestOrigin = null;
    this.#latestSeq = 0;
  }

  [Symbol.iterator](): IterableIterator<[Origin, number]> {
    this.#keepLatest();
    return this.#seqs.entries();
  }
}
