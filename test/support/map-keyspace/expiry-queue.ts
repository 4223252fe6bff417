/** Keys by expiry time: a binary heap whose outdated records are skipped when they surface. */
export class ExpiryQueue {
  #times: number[] = [];
  #keys: string[] = [];

  get size(): number {
    return this.#times.length;
  }

  push(atMs: number, key: string): void {
    const times = this.#times;
    const keys = this.#keys;
    let at = times.length;
    times.push(atMs);
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((times[parent] as number) <= atMs) break;
      times[at] = times[parent] as number;
      keys[at] = keys[parent] as string;
      at = parent;
    }
    times[at] = atMs;
    keys[at] = key;
  }

  /** The earliest time, Infinity when empty. */
  get nextMs(): number {
    return this.#times[0] ?? Infinity;
  }

  /** Removes and returns the key of the earliest record. */
  pop(): string | undefined {
    const times = this.#times;
    const keys = this.#keys;
    const top = keys[0];
    const lastTime = times.pop();
    const lastKey = keys.pop();
    if (times.length === 0 || lastTime === undefined || lastKey === undefined) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= lastTime) break;
      times[at] = times[child] as number;
      keys[at] = keys[child] as string;
      at = child;
    }
    times[at] = lastTime;
    keys[at] = lastKey;
    return top;
  }

  /** Starts anew with the records given: for when most of those kept are outdated. */
  rebuild(records: Iterable<readonly [atMs: number, key: string]>): void {
    this.#times = [];
    this.#keys = [];
    for (const [atMs, key] of records) this.push(atMs, key);
  }
}
