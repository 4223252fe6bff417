import { stampOfMs, STAMP_COUNTERS, type HybridClock, type Stamp } from '../clock/stamp.ts';

export interface StampBoundOptions {
  readonly clock: HybridClock;
  /** How far a stamp may be ahead of the local clock, milliseconds. */
  readonly skewMsMax: number;
  /** Above every stamp ever given out by this node in earlier lives; 0 for none. */
  readonly stampBound: number;
  /** Makes a higher bound durable before it returns (RELIABILITY 6.2). */
  readonly raiseStampBound: (stampBound: number) => void;
}

/**
 * What is on disk of how far this node's stamps go: none at or above it is ever given out, so that a later life begins above them all. Raised in good
 * time by the store's batches, or alone while one of them takes long; only where neither came in time does a stamp wait for the disk.
 */
export class StampBound {
  readonly #options: StampBoundOptions;
  #durable: number;
  /** The bound that is on its way to the disk alone; 0 for none. */
  #onItsWay = 0;

  constructor(options: StampBoundOptions) {
    this.#options = options;
    this.#durable = options.stampBound;
  }

  /** A stamp is given out: returns once it is below what is on disk. */
  cover(stamp: Stamp): void {
    if (stamp < this.#durable) return;
    this.#durable = this.#above(stamp);
    this.#options.raiseStampBound(this.#durable);
  }

  /** A bound for some time to come, never beyond the physical time plus the limit, so that a restart is not paused by its peers (RULES D3). */
  next(): Stamp {
    return this.#above(this.#options.clock.last);
  }

  #above(stamp: Stamp): Stamp {
    const { clock, skewMsMax } = this.#options;
    return Math.max(stampOfMs(clock.wallMs + skewMsMax), stamp + STAMP_COUNTERS) as Stamp;
  }

  /** Whether less is left of what is on disk than this part of what may be: it is raised then, so that no write has to wait for the disk. */
  isBelow(part: number): boolean {
    const { clock, skewMsMax } = this.#options;
    return this.#durable < stampOfMs(clock.wallMs + skewMsMax * part);
  }

  /** A bound is on disk. */
  committed(stampBound: Stamp): void {
    this.#durable = Math.max(this.#durable, stampBound);
  }

  /** The bound that is to go to the disk alone, null while one is on its way. `arrived` says that it is there. */
  begin(): Stamp | null {
    if (this.#onItsWay > 0) return null;
    const bound = this.next();
    this.#onItsWay = bound;
    return bound;
  }

  /** What went to the disk alone is there. */
  arrived(): void {
    this.committed(this.#onItsWay as Stamp);
    this.#onItsWay = 0;
  }
}
