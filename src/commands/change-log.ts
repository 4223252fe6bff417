/** Changes that are kept for readers who are behind, and the bytes of their keys. Past either the oldest go. */
const CHANGES_MAX = 65_536;
const KEY_BYTES_KEPT_MAX: number = 8 * 1024 * 1024;

/** One change of what a node shows. */
export interface Change {
  /** Latin1; null where every key may have changed. */
  readonly key: string | null;
  /** Its time was over. */
  readonly isExpiry: boolean;
  /** The transaction that it came with; 0 for none. */
  readonly origin: number;
  readonly seq: number;
}

/** The latest changes in their order, numbered from 1 for the life of a node. */
export class ChangeLog {
  readonly #changes: (Change | null)[] = [];
  /** Number of the first that is kept, and of the one that comes next. */
  #first = 1;
  #next = 1;
  #keyBytes = 0;

  /** The number of the latest change, 0 before the first. */
  get last(): number {
    return this.#next - 1;
  }

  /** Whether all that came after a change is kept. */
  reaches(after: number): boolean {
    return after + 1 >= this.#first && after < this.#next;
  }

  push(change: Change): void {
    this.#changes[this.#next++ % CHANGES_MAX] = change;
    this.#keyBytes += change.key?.length ?? 0;
    while (this.#next - this.#first > CHANGES_MAX - 1 || this.#keyBytes > KEY_BYTES_KEPT_MAX) this.#dropFirst();
  }

  #dropFirst(): void {
    const at = this.#first++ % CHANGES_MAX;
    this.#keyBytes -= this.#changes[at]?.key?.length ?? 0;
    this.#changes[at] = null;
  }

  at(number: number): Change | null {
    return number < this.#first || number >= this.#next ? null : (this.#changes[number % CHANGES_MAX] ?? null);
  }

  /** Forgets all, and what is not written down from now on: nobody can go on from before. */
  interrupt(): void {
    this.#changes.length = 0;
    this.#keyBytes = 0;
    this.#first = ++this.#next;
  }
}
