/** Two 32-bit words that nobody outside the process knows. */
export type HashKey = readonly [number, number];

/**
 * HalfSipHash-1-3 of a key's bytes: whoever chooses keys and does not know the hash's own key cannot choose where they fall, so
 * that no request makes the index a list (hash flooding). The variant that the Linux kernel has for its hash tables on 32-bit machines;
 * one round a word and three at the end, on 32-bit words, which is what JavaScript counts well in.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012, and their reference code.
 */
export class KeyHash {
  readonly #k0: number;
  readonly #k1: number;

  constructor([k0, k1]: HashKey) {
    this.#k0 = k0 | 0;
    this.#k1 = k1 | 0;
  }

  /** Signed 32 bits, which no engine makes an object of, and never 0: that is left for "not known". */
  of(buf: Uint8Array, start: number, end: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const length = end - start;
    const wordsEnd = end - (length & 3);
    let at = start;
    for (; at < wordsEnd; at += 4) {
      const word =
        (buf[at] as number) |
        ((buf[at + 1] as number) << 8) |
        ((buf[at + 2] as number) << 16) |
        ((buf[at + 3] as number) << 24);
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    let last = length << 24;
    if (at < end) last |= buf[at] as number;
    if (at + 1 < end) last |= (buf[at + 1] as number) << 8;
    if (at + 2 < end) last |= (buf[at + 2] as number) << 16;
    v3 ^= last;
    for (let round = 0; round < 4; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      // the first of the four is that of the last word
      if (round === 0) {
        v0 ^= last;
        v2 ^= 0xff;
      }
    }
    const hash = v1 ^ v3;
    return hash === 0 ? 1 : hash;
  }
}

/** Where it does not matter that others know where a key falls. */
export const OPEN_KEY_HASH: KeyHash = new KeyHash([0, 0]);
