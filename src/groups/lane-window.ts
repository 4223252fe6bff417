import {
  LANE_DELAY_MS_GOOD,
  LANE_DELAY_MS_MAX,
  LANE_WINDOW_BYTES_FIRST,
  LANE_WINDOW_BYTES_MAX,
  LANE_WINDOW_BYTES_MIN,
} from './lane-limits.ts';

const GROWTH = 1.5;
const SHRINKAGE = 0.6;

/**
 * How much may be under way to one peer: as much as it takes in less than half a second, whatever the link. What is said to a peer waits
 * behind that, and a heartbeat that waits too long is an election. While all of the window is in use, what was sent last is timed until it is said
 * to be taken: soon, and the window grows, late, and it shrinks.
 */
export class LaneWindow {
  #bytes = LANE_WINDOW_BYTES_FIRST;
  /** What is timed: how much had been sent, and when. */
  #timed: { readonly upTo: number; readonly atMs: number } | null = null;

  get bytes(): number {
    return this.#bytes;
  }

  /** It is full, and more waits. */
  full(sentBytes: number, nowMs: number): void {
    this.#timed ??= { upTo: sentBytes, atMs: nowMs };
  }

  /** Nothing waits: what was sent last may not be said to be taken for long. */
  idle(): void {
    this.#timed = null;
  }

  taken(takenBytes: number, nowMs: number): void {
    if (this.#timed === null || takenBytes < this.#timed.upTo) return;
    const delayMs = nowMs - this.#timed.atMs;
    this.#timed = null;
    if (delayMs < LANE_DELAY_MS_GOOD) this.#bytes = Math.min(this.#bytes * GROWTH, LANE_WINDOW_BYTES_MAX);
    else if (delayMs > LANE_DELAY_MS_MAX) this.#bytes = Math.max(this.#bytes * SHRINKAGE, LANE_WINDOW_BYTES_MIN);
  }
}
