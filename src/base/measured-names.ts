/**
 * A map by names that clients have the node keep: up to half a mebibyte long and more, so that their number alone bounds nothing. Whoever keeps
 * them asks for the characters (latin1: bytes) that they have together.
 */
export class NameMap<T> extends Map<string, T> {
  #chars = 0;

  get chars(): number {
    return this.#chars;
  }

  override set(name: string, value: T): this {
    if (!this.has(name)) this.#chars += name.length;
    return super.set(name, value);
  }

  override delete(name: string): boolean {
    const was = super.delete(name);
    if (was) this.#chars -= name.length;
    return was;
  }

  override clear(): void {
    super.clear();
    this.#chars = 0;
  }
}
