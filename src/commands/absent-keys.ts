/** Keys of which more are not remembered to be absent; past it the oldest go. */
const ABSENT_KEYS_MAX = 100_000;

/** Keys of which a source said that it has none, for a while each. Latin1. */
export class AbsentKeys {
  readonly #untilMs: Map<string, number> = new Map();

  note(key: string, untilMs: number): void {
    this.#untilMs.delete(key);
    this.#untilMs.set(key, untilMs);
    if (this.#untilMs.size <= ABSENT_KEYS_MAX) return;
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined) this.#untilMs.delete(oldest);
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
