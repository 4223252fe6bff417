import { SeededRandom } from '../groups/seeded-random.ts';

/** What a run of `causeway verify` draws: the same seed draws the same. */
export class Draws extends SeededRandom {
  /** 0 … below − 1 */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** Milliseconds of `from` to `to`. */
  between(from: number, to: number): number {
    return from + this.unit() * (to - from);
  }

  isOneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of a list that has some. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  shuffled<T>(from: readonly T[]): T[] {
    return from
      .map((item) => ({ item, at: this.unit() }))
      .toSorted((left, right) => left.at - right.at)
      .map(({ item }) => item);
  }

  /** Draws of its own for a part of the run, so that what one part draws does not shift the others. */
  branch(): Draws {
    return new Draws(this.below(2 ** 32));
  }
}

/** What is drawn by turns: all of it, in an order that is drawn anew each time. */
export class Deck<T> {
  readonly #all: readonly T[];
  readonly #draws: Draws;
  #left: T[] = [];

  /** Of a list that has some. */
  constructor(all: readonly T[], draws: Draws) {
    this.#all = all;
    this.#draws = draws;
  }

  next(): T {
    if (this.#left.length === 0) this.#left = this.#draws.shuffled(this.#all);
    return this.#left.pop() as T;
  }
}
