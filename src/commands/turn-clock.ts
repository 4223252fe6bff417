import type { ServerTime } from './server-state.ts';

/** The time of one readable event: both clocks are read where it begins, and only the monotonic one between its requests. */
export class TurnClock {
  readonly #time: ServerTime;
  #turnWallMs = 0;
  #turnMonotonicMs = 0;
  /** When what ran before ended, and so what comes next began. */
  #lastMonotonicMs = 0;

  constructor(time: ServerTime) {
    this.#time = time;
  }

  begin(): void {
    this.#turnWallMs = this.#time.wallMs();
    this.#turnMonotonicMs = this.#time.monotonicMs();
    this.#lastMonotonicMs = this.#turnMonotonicMs;
  }

  /** Wall-clock milliseconds as of the last look at the clock. */
  get wallMs(): number {
    return this.#turnWallMs + Math.floor(this.#lastMonotonicMs - this.#turnMonotonicMs);
  }

  /** Looks at the clock; microseconds since the last look. */
  lapUsec(): number {
    const nowMs = this.#time.monotonicMs();
    const usec = (nowMs - this.#lastMonotonicMs) * 1000;
    this.#lastMonotonicMs = nowMs;
    return usec;
  }
}
