import { SeededRandom as Generator } from '../../src/groups/seeded-random.ts';

/** A small seeded generator: the same seed gives the same run. */
export class SeededRandom extends Generator {
  /** 0 … below − 1 */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error('picked from nothing');
    return picked;
  }
}
