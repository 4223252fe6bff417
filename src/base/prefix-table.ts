/** Values by prefixes, found by the texts that begin with them: by the lengths that prefixes have, and not prefix by prefix. */
export class PrefixTable<T> {
  readonly #values: Map<string, T> = new Map();
  /** Lengths of prefixes, with how many have each. */
  readonly #lengths: Map<number, number> = new Map();

  get size(): number {
    return this.#values.size;
  }

  get(prefix: string): T | undefined {
    return this.#values.get(prefix);
  }

  set(prefix: string, value: T): void {
    if (!this.#values.has(prefix)) this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    this.#values.set(prefix, value);
  }

  delete(prefix: string): void {
    if (!this.#values.delete(prefix)) return;
    const others = (this.#lengths.get(prefix.length) ?? 0) - 1;
    if (others > 0) this.#lengths.set(prefix.length, others);
    else this.#lengths.delete(prefix.length);
  }

  /** Visits the values of all prefixes that a text begins with. */
  each(text: string, visit: (value: T) => void): void {
    for (const length of this.#lengths.keys()) {
      const value = length <= text.length ? this.#values.get(text.slice(0, length)) : undefined;
      if (value !== undefined) visit(value);
    }
  }
}
