/**
 * A hybrid logical clock reading as one safe integer: milliseconds since 2020-01-01 × 4096 + counter.
 * Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014; the l part is the milliseconds, the c part the counter.
 */
export type Stamp = number & { readonly __brand: 'Stamp' };

/** 2020-01-01T00:00:00Z in Unix milliseconds. */
export const STAMP_EPOCH_MS = 1_577_836_800_000;
export const STAMP_COUNTERS = 4096;

/** The lowest stamp of a Unix millisecond. */
export function stampOfMs(unixMs: number): Stamp {
  return Math.max(0, Math.floor(unixMs - STAMP_EPOCH_MS) * STAMP_COUNTERS) as Stamp;
}

/** The Unix millisecond of a stamp. */
export function msOfStamp(stamp: Stamp): number {
  return Math.floor(stamp / STAMP_COUNTERS) + STAMP_EPOCH_MS;
}

/** The last counter of a millisecond is no write's: by it a fill is told from a write wherever it is kept (SPEC V8). */
const FILL_COUNTER: number = STAMP_COUNTERS - 1;

/** The stamp of what a load brings that began at `unixMs`: below all that is written from then on by clocks that are within the limit of skew. */
export function fillStampOf(unixMs: number, skewMsMax: number): Stamp {
  return Math.max(FILL_COUNTER, stampOfMs(unixMs - skewMsMax) - 1) as Stamp;
}

/** Whether a stamp is a fill's. */
export function isFillStamp(stamp: number): boolean {
  // the low bits of a safe integer are those of its 32 bits
  return (stamp & FILL_COUNTER) === FILL_COUNTER;
}

export function isStamp(value: unknown): value is Stamp {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The hybrid clock of one node. Time is always an argument. */
export class HybridClock {
  #last: Stamp;
  #wallMs = 0;

  constructor(last: Stamp) {
    this.#last = last;
  }

  get last(): Stamp {
    return this.#last;
  }

  /** The physical clock was read; it may go back. */
  read(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** The physical clock, as it was read last. */
  get wallMs(): number {
    return this.#wallMs;
  }

  /** How far it is ahead of the physical clock as that was read last; below 0 where it is behind. */
  get aheadMs(): number {
    return msOfStamp(this.#last) - this.#wallMs;
  }

  /** A stamp above every stamp given or seen so far, at least `nowMs`. */
  next(nowMs: number): Stamp {
    const stamp = Math.max(this.#last + 1, stampOfMs(nowMs));
    this.#last = (isFillStamp(stamp) ? stamp + 1 : stamp) as Stamp;
    return this.#last;
  }

  /** Takes in a stamp seen from elsewhere, so that what is written after is above it. The caller has checked D3. */
  see(stamp: Stamp): void {
    if (stamp > this.#last) this.#last = stamp;
  }
}
