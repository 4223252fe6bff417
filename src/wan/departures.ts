import type { DelayLine } from './delay-line.ts';

/** How the shaper waits for the next moment that something is due. */
export interface WaitPolicy {
  /** A line whose delay is below this is waited for by polling: a timer's millisecond would be too much of it. */
  readonly pollBelowMs: number;
  /** How much of the time may be spent polling for the last fraction of a millisecond of longer delays, 0 to 1. */
  readonly pollShareMax: number;
}

const DEFAULT_WAIT_POLICY: WaitPolicy = { pollBelowMs: 20, pollShareMax: 0.03 };

/** A parcel may leave this much before it is due: less than the clock and the wake-up are worth. */
const TOLERANCE_MS = 0.05;
/** Unspent time for polling is saved up to this. */
const POLL_SAVINGS_MAX_MS = 20;

/**
 * The one timer of the process. Node's timers count whole milliseconds from a clock that is read once a turn, and fire
 * up to one early or late; so the timer is set to the whole milliseconds that are left and the rest is polled by
 * turns of the event loop, as long as that stays a small share of the time. Under load the share is used up, parcels leave
 * by the timer alone, up to a millisecond late and many at a time, which is what keeps the processor free.
 */
export class Departures {
  readonly #policy: WaitPolicy;
  readonly #waiting = new Set<DelayLine>();
  #timer: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;
  #nextDueMs = Infinity;
  /** Whether what is due next has a delay that is polled for. */
  #isShort = false;
  #polledAtMs = 0;
  #pollSavingsMs = POLL_SAVINGS_MAX_MS;
  #savedAtMs: number = performance.now();

  constructor(policy: WaitPolicy = DEFAULT_WAIT_POLICY) {
    this.#policy = policy;
  }

  /** Something was sent on the line, or what holds it up has changed. */
  schedule(line: DelayLine): void {
    const dueMs = line.dueMs;
    if (dueMs === Infinity) return;
    this.#waiting.add(line);
    if (dueMs >= this.#nextDueMs) return;
    this.#disarm();
    const nowMs = performance.now();
    if (dueMs <= nowMs) this.#depart();
    else this.#arm(dueMs, nowMs, line.direction.delayMs);
  }

  /** The line is no more. */
  forget(line: DelayLine): void {
    this.#waiting.delete(line);
  }

  /** Delays or cuts have changed for any of these lines. */
  reschedule(lines: Iterable<DelayLine>): void {
    for (const line of lines) {
      if (line.dueMs !== Infinity) this.#waiting.add(line);
    }
    this.#disarm();
    this.#depart();
  }

  stop(): void {
    this.#waiting.clear();
    this.#disarm();
  }

  #depart(): void {
    const nowMs = performance.now();
    let next: DelayLine | null = null;
    this.#nextDueMs = Infinity;
    for (const line of this.#waiting) {
      line.release(nowMs + TOLERANCE_MS);
      const dueMs = line.dueMs;
      if (dueMs === Infinity) this.#waiting.delete(line);
      if (dueMs >= this.#nextDueMs) continue;
      this.#nextDueMs = dueMs;
      next = line;
    }
    if (next !== null) this.#arm(this.#nextDueMs, performance.now(), next.direction.delayMs);
  }

  #arm(dueMs: number, nowMs: number, delayMs: number): void {
    this.#nextDueMs = dueMs;
    this.#isShort = delayMs < this.#policy.pollBelowMs;
    const leftMs = dueMs - nowMs;
    // Short delays: asleep until one to two milliseconds before, then polling, whatever it costs.
    const sleepMs = Math.floor(leftMs) - (this.#isShort ? 1 : 0);
    if (sleepMs >= 1) this.#sleep(sleepMs);
    else if (this.#isShort || leftMs <= TOLERANCE_MS || this.#mayPoll(leftMs, nowMs)) this.#poll(nowMs);
    else this.#sleep(1);
  }

  #mayPoll(leftMs: number, nowMs: number): boolean {
    const earnedMs = (nowMs - this.#savedAtMs) * this.#policy.pollShareMax;
    this.#pollSavingsMs = Math.min(POLL_SAVINGS_MAX_MS, this.#pollSavingsMs + earnedMs);
    this.#savedAtMs = nowMs;
    return this.#pollSavingsMs >= leftMs;
  }

  #sleep(ms: number): void {
    this.#timer = setTimeout(this.#wake, ms);
  }

  #poll(nowMs: number): void {
    this.#polledAtMs = nowMs;
    this.#immediate = setImmediate(this.#turn);
  }

  readonly #wake = (): void => {
    this.#timer = null;
    this.#depart();
  };

  readonly #turn = (): void => {
    this.#immediate = null;
    const nowMs = performance.now();
    if (!this.#isShort) this.#pollSavingsMs -= nowMs - this.#polledAtMs;
    if (nowMs + TOLERANCE_MS >= this.#nextDueMs) this.#depart();
    else this.#arm(this.#nextDueMs, nowMs, this.#isShort ? 0 : Infinity);
  };

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
    this.#nextDueMs = Infinity;
  }
}
