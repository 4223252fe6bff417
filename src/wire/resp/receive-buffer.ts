const NONE = new Uint8Array(0);

/** Leftovers up to this size are put in front of the next bytes lent; larger ones stay and the next bytes are added to them. */
const FRONT_BYTES_MAX = 4096;
const OWN_BYTES_INITIAL = 512;
/** An own buffer up to this size is kept when it is empty. */
const OWN_BYTES_KEPT = 1024;
const OWN_BYTES_LARGE = 65_536;

/**
 * The received bytes of one connection that were not used yet: `buf[start..end)`. While bytes are lent they stay where they were
 * received; what is left of them is copied into a buffer of the connection's own, which grows by doubling with what has
 * really been received. Positions counted from `start` stay good across `feed` and `keep`.
 */
export class ReceiveBuffer {
  buf: Uint8Array = NONE;
  start = 0;
  end = 0;
  #own: Uint8Array = NONE;

  get length(): number {
    return this.end - this.start;
  }

  get freeBytes(): number {
    return this.#own.length - (this.buf === this.#own ? this.length : 0);
  }

  /**
   * Lends `buf[start..end)`. Bytes in front of `start` may be overwritten. `bytesExpected` is the length that the whole is
   * known to reach: growing stops there, and never begins there.
   */
  feed(buf: Uint8Array, start: number, end: number, bytesExpected: number): void {
    const left = this.length;
    if (left === 0) {
      this.buf = buf;
      this.start = start;
      this.end = end;
    } else if (left <= FRONT_BYTES_MAX && left <= start) {
      buf.set(this.buf.subarray(this.start, this.end), start - left);
      this.buf = buf;
      this.start = start - left;
      this.end = end;
    } else {
      this.#append(buf, start, end, bytesExpected);
    }
  }

  #append(buf: Uint8Array, start: number, end: number, bytesExpected: number): void {
    const needed = this.length + (end - start);
    if (this.buf !== this.#own || this.end + (end - start) > this.#own.length) {
      this.#moveToOwn(needed, bytesExpected);
    }
    this.#own.set(buf.subarray(start, end), this.end);
    this.end += end - start;
  }

  /** Moves what is left to the front of an own buffer that has room for `needed` bytes. */
  #moveToOwn(needed: number, bytesExpected: number): void {
    const left = this.buf.subarray(this.start, this.end);
    if (needed > this.#own.length || this.#isWasteful(needed)) {
      const doubled = Math.max(OWN_BYTES_INITIAL, Math.min(this.#own.length, needed) * 2);
      const bounded = bytesExpected >= needed ? Math.min(doubled, bytesExpected) : doubled;
      const grown = new Uint8Array(Math.max(needed, bounded));
      grown.set(left);
      this.#own = grown;
    } else {
      this.#own.set(left);
    }
    this.end = left.length;
    this.start = 0;
    this.buf = this.#own;
  }

  /** Whether the own buffer is far larger than what is left of a large request. */
  #isWasteful(needed: number): boolean {
    return this.#own.length > OWN_BYTES_LARGE && needed < this.#own.length / 8;
  }

  /** Ends the loan: what is left is copied. */
  keep(): void {
    if (this.length === 0) {
      if (this.#own.length > OWN_BYTES_KEPT) this.#own = NONE;
      this.buf = this.#own;
      this.start = 0;
      this.end = 0;
    } else if (this.buf !== this.#own || this.#isWasteful(this.length)) {
      this.#moveToOwn(this.length, 0);
    }
  }
}
