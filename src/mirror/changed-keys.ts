import type { MirrorLimits } from './limits.ts';

/** Keys that changed and are still to be mirrored, each once, the oldest first. Bounded: past the bound only that there were more is known. */
export class ChangedKeys {
  readonly #limits: MirrorLimits;
  readonly #keys: Set<string> = new Set();
  #bytes = 0;
  #isOverflown = false;

  constructor(limits: MirrorLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whether some were forgotten since it was emptied last. */
  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  add(key: string): void {
    if (this.#isOverflown || this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#bytes += key.length;
    const { mirrorChangedKeysMax, mirrorChangedBytesMax } = this.#limits;
    if (this.#keys.size <= mirrorChangedKeysMax && this.#bytes <= mirrorChangedBytesMax) return;
    this.clear();
    this.#isOverflown = true;
  }

  /** Takes the oldest out, null when there is none. */
  shift(): string | null {
    const [key] = this.#keys;
    if (key === undefined) return null;
    this.#keys.delete(key);
    this.#bytes -= key.length;
    return key;
  }

  /** Forgets all, also that there were more. */
  clear(): void {
    this.#keys.clear();
    this.#bytes = 0;
    this.#isOverflown = false;
  }
}
