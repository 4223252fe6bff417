const BUCKETS = 32;

/**
 * Durations by powers of two of a microsecond: bucket i holds those below 2^i µs that are not in the bucket before, the
 * last all that are longer. Fixed in size, so that it can be kept for every command.
 */
export class LatencyHistogram {
  readonly #counts: Float64Array = new Float64Array(BUCKETS);
  #count = 0;
  #sumUsec = 0;

  /** Adds a duration, as often as there were requests that took it. */
  add(usec: number, times = 1): void {
    const bucket = usec < 1 ? 0 : Math.min(BUCKETS - 1, 32 - Math.clz32(Math.min(usec, 0x7fffffff)));
    this.#counts[bucket] = (this.#counts[bucket] as number) + times;
    this.#count += times;
    this.#sumUsec += usec * times;
  }

  get count(): number {
    return this.#count;
  }

  get sumUsec(): number {
    return this.#sumUsec;
  }

  /** Cumulative counts by upper bound in microseconds, up to the last bucket that holds something. */
  cumulative(): { readonly belowUsec: number; readonly count: number }[] {
    const rows: { belowUsec: number; count: number }[] = [];
    let total = 0;
    for (let i = 0; i < BUCKETS && total < this.#count; i++) {
      total += this.#counts[i] as number;
      rows.push({ belowUsec: i === BUCKETS - 1 ? Infinity : 2 ** i, count: total });
    }
    return rows;
  }

  /** The least bucket bound that `share` of the durations are below, in microseconds; 0 for none. */
  quantileUsec(share: number): number {
    const rows = this.cumulative();
    return rows.find((row) => row.count >= share * this.#count)?.belowUsec ?? 0;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUsec = 0;
  }
}
