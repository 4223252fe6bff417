/** Keys (latin1) that others depend on. May have ones too many, which go bit by bit: so it grows with what there is, not with what there was. */
export class DependedNames {
  /** Whether some may depend on its writes. Those that were looked at longest ago first. */
  readonly #names: Map<string, boolean> = new Map();
  #onWrites = 0;

  get size(): number {
    return this.#names.size;
  }

  /** Whether some key may depend on writes of another. */
  get hasOnWrites(): boolean {
    return this.#onWrites > 0;
  }

  isOnWrites(name: string): boolean {
    return this.#names.get(name) === true;
  }

  add(name: string, onWrites: boolean): void {
    if (this.#names.get(name) === true) return;
    this.#names.set(name, onWrites);
    if (onWrites) this.#onWrites++;
  }

  /** All of them, those that come meanwhile too. */
  names(): IterableIterator<string> {
    return this.#names.keys();
  }

  /** Looks at so many of them, and leaves out what nothing depends on any more. */
  tidy(budget: number, isDependedOn: (name: string) => boolean): void {
    let left = Math.min(budget, this.#names.size);
    for (const [name, onWrites] of this.#names) {
      if (left-- === 0) return;
      this.#names.delete(name);
      if (isDependedOn(name)) this.#names.set(name, onWrites);
      else if (onWrites) this.#onWrites--;
    }
  }
}
