import { RecentNames } from '../base/recent-names.ts';

/** Keys of which more are not remembered to be absent; past it the oldest go. */
const ABSENT_KEYS_MAX = { names: 100_000, chars: 16 * 1024 * 1024 };

/** Keys of which a source said that it has none, for a while each. Latin1. */
export class AbsentKeys {
  readonly #untilMs: RecentNames<number> = new RecentNames(ABSENT_KEYS_MAX);

  note(key: string, untilMs: number): void {
    this.#untilMs.set(key, untilMs);
  }

  has(key: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#untilMs.delete(key);
    return false;
  }

  /** A key was changed; null for all. */
  forget(key: string | null): void {
    if (key === null) this.#untilMs.clear();
    else if (this.#untilMs.size > 0) this.#untilMs.delete(key);
  }

  get size(): number {
    return this.#untilMs.size;
  }
}
