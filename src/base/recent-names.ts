import { NameMap } from './measured-names.ts';

/** How many names, and characters of them all, are remembered at most. */
export interface NamesMax {
  readonly names: number;
  readonly chars: number;
}

/**
 * Names with what is known of each, the latest last. Past its bounds the ones set longest ago go: names come from clients, and are up to half a mebibyte
 * long, so that their number alone bounds nothing.
 */
export class RecentNames<T> {
  readonly #max: NamesMax;
  readonly #forgotten: (name: string, value: T) => void;
  readonly #values: NameMap<T> = new NameMap();

  /** `forgotten` is called with each that goes for want of room. */
  constructor(max: NamesMax, forgotten: (name: string, value: T) => void = () => {}) {
    this.#max = max;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#values.size;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get(name: string): T | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: T): void {
    // behind all others
    this.#values.delete(name);
    this.#values.set(name, value);
    for (const [oldest, known] of this.#values) {
      if (this.#values.size <= this.#max.names && this.#values.chars <= this.#max.chars) return;
      this.#values.delete(oldest);
      this.#forgotten(oldest, known);
    }
  }

  delete(name: string): boolean {
    return this.#values.delete(name);
  }

  clear(): void {
    this.#values.clear();
  }

  /** The one set longest ago first. */
  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.#values.entries();
  }
}
