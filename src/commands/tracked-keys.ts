/** Ids kept for each key that the table may have, on average: one key can be read by every client. */
const CLIENTS_A_KEY = 4;

/** Bytes of a key, on average. */
const BYTES_A_KEY = 256;

/** Keys that are given up beyond those that a request adds, where the limit was lowered: each is a message. */
const EVICTED_AT_ONCE = 100;

/**
 * Which clients may keep which keys (CLIENT TRACKING): by the client's id, so that a client that goes costs nothing and leaves what
 * the next change of the key takes away. Bounded: past the limit keys are given up, the oldest first.
 */
export class TrackedKeys {
  /** A key that one client keeps, as most are, costs no set. */
  #clients: Map<string, number | Set<number>> = new Map();
  #itemCount = 0;
  #keyBytes = 0;

  get keyCount(): number {
    return this.#clients.size;
  }

  /** Pairs of a key and a client. */
  get itemCount(): number {
    return this.#itemCount;
  }

  add(key: string, id: number): void {
    const known = this.#clients.get(key);
    if (known === id) return;
    if (known === undefined) {
      this.#clients.set(key, id);
      this.#keyBytes += key.length;
    } else if (typeof known === 'number') this.#clients.set(key, new Set([known, id]));
    else if (known.has(id)) return;
    else known.add(id);
    this.#itemCount++;
  }

  /** Forgets a key; gives the clients that may keep it, null for none. */
  take(key: string): Iterable<number> | null {
    const known = this.#clients.get(key);
    if (known === undefined) return null;
    this.#clients.delete(key);
    this.#keyBytes -= key.length;
    this.#itemCount -= typeof known === 'number' ? 1 : known.size;
    return typeof known === 'number' ? [known] : known;
  }

  clear(): void {
    this.#clients = new Map();
    this.#itemCount = 0;
    this.#keyBytes = 0;
  }

  /** Whether there are more than so many keys, or far more clients or bytes of them; 0 is no limit. */
  isOver(keysMax: number): boolean {
    if (keysMax === 0) return false;
    const isLarge = this.#itemCount > keysMax * CLIENTS_A_KEY || this.#keyBytes > keysMax * BYTES_A_KEY;
    return isLarge || this.#clients.size > keysMax;
  }

  /** Keys to be given up, after `added` were added, until the limit is kept: to be taken by who tells their clients. */
  *excess(keysMax: number, added: number): Generator<string> {
    for (let left = EVICTED_AT_ONCE + added; left > 0 && this.isOver(keysMax); left--) {
      const [oldest] = this.#clients.keys();
      if (oldest === undefined) return;
      yield oldest;
    }
  }
}
