/**
 * Numbers in [0, 1) that follow from a seed, the same on every node: the mulberry32 generator (Tommy Ettinger, 2017, public domain),
 * for draws that all replicas of a log must make alike. Not for secrets.
 */
export class SeededRandom {
  #state = 0;

  /** `seed` is in [0, 2^32). */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Begins anew. */
  seed(seed: number): void {
    this.#state = seed | 0;
  }

  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
