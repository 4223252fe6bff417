import { present } from '../../../src/base/assert.ts';

/**
 * A map from text to values that can also be read by position in constant time, for random choice and for cursors.
 * A removal moves the last element into the hole, so a cursor that walks positions downwards meets every element that
 * stays, and may meet a moved one twice: what SCAN promises.
 */
export class IndexedMap<T> {
  readonly #positions: Map<string, number> = new Map();
  readonly #keys: string[] = [];
  readonly #values: T[] = [];

  get size(): number {
    return this.#keys.length;
  }

  has(key: string): boolean {
    return this.#positions.has(key);
  }

  get(key: string): T | undefined {
    const position = this.#positions.get(key);
    return position === undefined ? undefined : this.#values[position];
  }

  set(key: string, value: T): void {
    const position = this.#positions.get(key);
    if (position !== undefined) {
      this.#values[position] = value;
      return;
    }
    this.#positions.set(key, this.#keys.length);
    this.#keys.push(key);
    this.#values.push(value);
  }

  delete(key: string): boolean {
    const position = this.#positions.get(key);
    if (position === undefined) return false;
    this.#positions.delete(key);
    const lastKey = present(this.#keys.pop(), 'an indexed map has as many keys as positions');
    const lastValue = this.#values.pop() as T;
    if (lastKey !== key) {
      this.#keys[position] = lastKey;
      this.#values[position] = lastValue;
      this.#positions.set(lastKey, position);
    }
    return true;
  }

  keyAt(position: number): string {
    return present(this.#keys[position], 'position is within the map');
  }

  valueAt(position: number): T {
    return this.#values[position] as T;
  }
}
