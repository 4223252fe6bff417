import { latin1Range, type ByteRange } from '../base/bytes.ts';

interface Watched {
  readonly hex: string | null;
  /** For which questions it was looked at, the latest last. */
  readonly reasons: string[];
  untilMs: number;
}

const WATCHED_MAX = 8_192;
const WATCHED_MS = 30_000;
const REASONS_MAX = 32;

/** Watched keys are counted by the last bytes of their names: writes of others, nearly all, cost a look at a number. */
const COUNTS = 65_536;
const TAIL_BYTES = 8;

function tailOf({ buf, start, end }: ByteRange): number {
  let tail = end - start;
  for (let at = Math.max(start, end - TAIL_BYTES); at < end; at++)
    tail = (Math.imul(tail, 31) + (buf[at] as number)) | 0;
  return tail & (COUNTS - 1);
}

/** What keys showed when they were looked at, for as long as they do not change. Bounded: the oldest go. */
export class WatchedDigests {
  readonly #keys: Map<string, Watched> = new Map();
  readonly #counts: Uint16Array = new Uint16Array(COUNTS);
  /** A bit each, set where a count is not 0: each write looks at one, and these stay in the processor's nearest cache. */
  readonly #isCounted: Int32Array = new Int32Array(COUNTS / 32);

  watch(key: string, hex: string | null, reason: string, monotonicMs: number): void {
    const before = this.#keys.get(key);
    const watched = before?.hex === hex ? before : { hex, reasons: [], untilMs: 0 };
    watched.untilMs = monotonicMs + WATCHED_MS;
    watched.reasons.push(reason);
    if (watched.reasons.length > REASONS_MAX) watched.reasons.shift();
    this.#drop(key);
    this.#keys.set(key, watched);
    const tail = tailOf(latin1Range(key));
    (this.#counts[tail] as number)++;
    (this.#isCounted[tail >>> 5] as number) |= 1 << (tail & 31);
    if (this.#keys.size <= WATCHED_MAX) return;
    const [oldest] = this.#keys.keys();
    if (oldest !== undefined) this.#drop(oldest);
  }

  #drop(key: string): void {
    if (!this.#keys.delete(key)) return;
    const tail = tailOf(latin1Range(key));
    (this.#counts[tail] as number)--;
    if (this.#counts[tail] === 0) (this.#isCounted[tail >>> 5] as number) &= ~(1 << (tail & 31));
  }

  /** What a key shows that was looked at for a reason and has not changed since; undefined where that is not known. */
  hexOf(key: string, reason: string): string | null | undefined {
    const watched = this.#keys.get(key);
    return watched?.reasons.includes(reason) === true ? watched.hex : undefined;
  }

  /** A key changed; null is any. */
  changed(key: ByteRange | null): void {
    if (this.#keys.size === 0) return;
    if (key !== null) {
      const tail = tailOf(key);
      if (((this.#isCounted[tail >>> 5] as number) & (1 << (tail & 31))) !== 0) this.#drop(key.toLatin1());
      return;
    }
    this.#keys.clear();
    this.#counts.fill(0);
    this.#isCounted.fill(0);
  }

  forget(monotonicMs: number): void {
    for (const [key, { untilMs }] of this.#keys) {
      if (untilMs > monotonicMs) return;
      this.#drop(key);
    }
  }
}
