import type { VersionVector } from '../../../src/clock/version-vector.ts';

/**
 * Keys that wait until all that was ever applied to them is stable: to forget what is hidden by the absence of something, that
 * it was removed must be stable too, and an entry does not know its removals. So one batch of keys at a time stands behind a
 * fence, the vector as of when it was put up; a key that changes leaves it, and when the fence is stable, what is left is quiet.
 */
export class QuietKeys {
  #changed: Set<string> = new Set();
  #fenced: Set<string> = new Set();
  #fence: VersionVector | null = null;
  readonly #quiet: Set<string> = new Set();

  /** A key changed: it waits, from now on. */
  note(key: string): void {
    this.drop(key);
    this.#changed.add(key);
  }

  /** A key waits no more. */
  drop(key: string): void {
    this.#changed.delete(key);
    this.#fenced.delete(key);
    this.#quiet.delete(key);
  }

  /** Visits up to `budget` quiet keys, each once. `vector` is all that is applied here. */
  drain(vector: VersionVector, stable: VersionVector, budget: number, visit: (key: string) => void): void {
    this.#moveFence(vector, stable);
    let visited = 0;
    for (const key of this.#quiet) {
      if (visited++ >= budget) return;
      this.#quiet.delete(key);
      visit(key);
    }
  }

  #moveFence(vector: VersionVector, stable: VersionVector): void {
    if (this.#fence !== null && stable.covers(this.#fence)) {
      for (const key of this.#fenced) this.#quiet.add(key);
      this.#fenced = new Set();
      this.#fence = null;
    }
    if (this.#fence !== null || this.#changed.size === 0) return;
    this.#fenced = this.#changed;
    this.#changed = new Set();
    this.#fence = vector.clone();
  }
}
