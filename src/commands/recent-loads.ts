import { latin1Range } from '../base/bytes.ts';
import type { Load, LoadsInFlight } from './engine.ts';

/** Values that are kept at a time; past it the oldest go. */
const VALUES_MAX = 1_000;
/** Longer ones are not. */
const VALUE_BYTES_MAX = 65_536;

interface RecentLoad {
  readonly value: Uint8Array;
  /** Begun where the load that brought the value ended: it knows what was done to the key since. */
  readonly load: Load;
  readonly untilMs: number;
}

/**
 * Values that were loaded and not to be kept, because the key was written or removed just before: no node may be told of them, and without them each read would
 * load again for as long. They are shown here for a moment, for as long as nothing is done to their key.
 */
export class RecentLoads {
  readonly #loads: LoadsInFlight;
  /** Counted from the load's start: no removal keeps a value out for much longer than clocks may be apart (SPEC V8). */
  readonly #shownMs: number;
  readonly #recent: Map<string, RecentLoad> = new Map();

  constructor(loads: LoadsInFlight, skewMs: number) {
    this.#loads = loads;
    this.#shownMs = skewMs;
  }

  /** A load that began at `startMs` has just ended. */
  note(key: string, value: Uint8Array, startMs: number, nowMs: number): void {
    this.#forget(nowMs);
    if (value.length > VALUE_BYTES_MAX || startMs + this.#shownMs <= nowMs) return;
    this.#drop(key);
    const load = this.#loads.begin(latin1Range(key), nowMs);
    this.#recent.set(key, { value, load, untilMs: startMs + this.#shownMs });
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > VALUES_MAX && oldest !== undefined) this.#drop(oldest);
  }

  get(key: string, nowMs: number): Uint8Array | null {
    const recent = this.#recent.get(key);
    if (recent === undefined) return null;
    if (recent.untilMs > nowMs && this.#loads.isGood(recent.load, nowMs)) return recent.value;
    this.#drop(key);
    return null;
  }

  #drop(key: string): void {
    const recent = this.#recent.get(key);
    if (recent === undefined) return;
    this.#recent.delete(key);
    this.#loads.end(recent.load, null, 0, 0);
  }

  #forget(nowMs: number): void {
    for (const [key, { untilMs }] of this.#recent) {
      if (untilMs > nowMs) return;
      this.#drop(key);
    }
  }
}
