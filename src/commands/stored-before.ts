import { RecentNames } from '../base/recent-names.ts';
import type { WrittenKeys } from './written-keys.ts';

/** Keys of which it is known when they were stored; past it the oldest are taken to be stored as late as the latest of those that are forgotten. */
const KEYS_MAX = { names: 100_000, chars: 16 * 1024 * 1024 };

/**
 * What this node stored in sources, and when that was over. Another node's write of such a key may be in the source already, below what this node stored after
 * it: where it was made before it was known to all clocks that this node's store was over. The hybrid time tells: a write made later than the end of the store has a
 * stamp above that end, less the limit of skew. A key is remembered until no such write can come any more.
 */
export class StoredBefore {
  readonly #writes: WrittenKeys;
  /** By key, the oldest first: the version stored last and the time of the end. */
  readonly #ends: RecentNames<{ readonly version: string; readonly endMs: number }> = new RecentNames(
    KEYS_MAX,
    (_key, { endMs }) => (this.#elseMs = Math.max(this.#elseMs, endMs)),
  );
  /** All that is not in the map was stored by then. */
  #elseMs: number;

  constructor(writes: WrittenKeys) {
    this.#writes = writes;
    this.#elseMs = writes.earlierUntilMs;
  }

  note(key: string, version: string, endMs: number): void {
    const known = this.#ends.get(key);
    this.#ends.set(key, { version, endMs: Math.max(endMs, known?.endMs ?? 0) });
  }

  *keys(): Iterable<string> {
    for (const [key] of this.#ends) yield key;
  }

  /** Whether the source may have what this node stored in the place of a write that takes its place. `stampMs` null: what shows is made up of several writes. */
  mayHideLater(key: string, version: string, stampMs: number | null): boolean {
    const known = this.#ends.get(key);
    if (known === undefined) return stampMs !== null && stampMs <= this.#elseMs + this.#writes.skewMs;
    if (known.version === version && version !== '') return false;
    return stampMs === null || stampMs <= known.endMs + this.#writes.skewMs;
  }

  /** Forgets what no write can come for any more. */
  forget(): void {
    if (this.#ends.size === 0) return;
    const floorMs = this.#writes.floorMs() - this.#writes.skewMs;
    for (const [key, { endMs }] of this.#ends) {
      if (endMs >= floorMs) return;
      this.#ends.delete(key);
    }
  }
}
