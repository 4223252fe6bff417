import type { EntryState } from '../../../src/crdt/entry.ts';

/** What changed since the last time it was asked, for the store behind. */
export interface DirtyEntries {
  /** Everything is to be dropped before the entries are put in. */
  readonly clear: boolean;
  readonly entries: (readonly [key: string, state: EntryState | null])[];
}

/** The keys that the store behind does not have as they are. */
export class DirtyKeys {
  #keys: Set<string> = new Set();
  #clear = false;
  /** Whether there is a store to collect for. */
  isCollecting = false;

  get size(): number {
    return this.#keys.size + (this.#clear ? 1 : 0);
  }

  note(key: string): void {
    if (this.isCollecting) this.#keys.add(key);
  }

  /** Nothing is kept any more. */
  noteClear(): void {
    if (!this.isCollecting) return;
    this.#keys = new Set();
    this.#clear = true;
  }

  /** What changed since the last call, as it is now. */
  take(stateOf: (key: string) => EntryState | null): DirtyEntries {
    const entries = [...this.#keys].map((key) => [key, stateOf(key)] as const);
    const clear = this.#clear;
    this.#keys = new Set();
    this.#clear = false;
    return { clear, entries };
  }
}
