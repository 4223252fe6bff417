/**
 * Keys on their way out (RULES D9): found expired and hidden for good, or showing nothing with an expiry left. Each waits until
 * all that was applied to it is stable, and then until every member's clock has passed its time.
 */
export class PurgeQueue {
  readonly #expiryMsOf: Map<string, number> = new Map();
  /** Those of them that wait for the clocks only. */
  readonly #quiet: Map<string, number> = new Map();

  get size(): number {
    return this.#expiryMsOf.size;
  }

  has(key: string): boolean {
    return this.#expiryMsOf.has(key);
  }

  add(key: string, expiryMs: number): void {
    this.#expiryMsOf.set(key, expiryMs);
    this.#quiet.delete(key);
  }

  /** The key changed, or is gone. */
  drop(key: string): void {
    if (this.#expiryMsOf.delete(key)) this.#quiet.delete(key);
  }

  /** All that was applied to the key is stable. */
  markQuiet(key: string): void {
    const expiryMs = this.#expiryMsOf.get(key);
    if (expiryMs !== undefined) this.#quiet.set(key, expiryMs);
  }

  /** Visits up to `budget` keys that can go; the visitor drops them. */
  drain(membersClockMs: number, budget: number, purge: (key: string) => void): void {
    let looked = 0;
    for (const [key, expiryMs] of this.#quiet) {
      if (looked++ >= budget) return;
      if (expiryMs < membersClockMs) purge(key);
    }
  }
}
