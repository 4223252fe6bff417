import { randomFillSync } from 'node:crypto';
import type { Entropy } from '../ports.ts';

const POOL_BYTES = 4096;
/** Bits of a double between 0 and 1 that are all equally likely. */
const UNIT_BITS = 53;

/** Randomness of the system, asked for in blocks, so that a single number costs no call. */
export class SystemEntropy implements Entropy {
  readonly #pool = new Uint8Array(POOL_BYTES);
  readonly #view = new DataView(this.#pool.buffer);
  #used = POOL_BYTES;

  unit(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at) >>> (64 - UNIT_BITS);
    return (high * 2 ** 32 + this.#view.getUint32(at + 4)) / 2 ** UNIT_BITS;
  }

  bytes(count: number): Uint8Array {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
    const at = this.#take(count);
    return this.#pool.slice(at, at + count);
  }

  #take(count: number): number {
    if (this.#used + count > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += count;
    return at;
  }
}
