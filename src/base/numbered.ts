import { assert } from './assert.ts';

const PLACES_FIRST = 64;

/**
 * Values by numbers that count up, nearly all of them in use, of which the lowest go first. It does what a map does, without a map's growing and
 * shrinking each time that it is filled and emptied.
 */
export class Numbered<T> {
  /** A number's place is its remainder. */
  #places: (T | undefined)[] = places(PLACES_FIRST);
  /** Of the values that there are; all before, and from `#end` on, is empty. */
  #first = 0;
  #end = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The lowest number that has a value, null for none. */
  get first(): number | null {
    return this.#size === 0 ? null : this.#first;
  }

  get(number: number): T | undefined {
    return number >= this.#first && number < this.#end ? this.#places[number % this.#places.length] : undefined;
  }

  /** Gives a number that has none a value: one above all others, or above the first. */
  add(number: number, value: T): void {
    if (this.#size === 0) this.#first = number;
    assert(number >= this.#first && this.get(number) === undefined, 'numbers count up');
    if (number - this.#first >= this.#places.length) this.#grow(number + 1 - this.#first);
    this.#places[number % this.#places.length] = value;
    this.#end = this.#size === 0 ? number + 1 : Math.max(this.#end, number + 1);
    this.#size++;
  }

  delete(number: number): void {
    if (this.get(number) === undefined) return;
    this.#places[number % this.#places.length] = undefined;
    this.#size--;
    if (this.#size === 0) this.#first = this.#end;
    while (this.#first < this.#end && this.#places[this.#first % this.#places.length] === undefined) this.#first++;
  }

  /** In the order of their numbers; good while what it is at goes. */
  *entries(): Generator<readonly [number: number, value: T]> {
    for (let number = this.#first; number < this.#end; number++) {
      const value = this.get(number);
      if (value !== undefined) yield [number, value];
    }
  }

  #grow(count: number): void {
    let length = this.#places.length;
    while (length < count) length *= 2;
    const grown = places<T>(length);
    for (const [number, value] of this.entries()) grown[number % length] = value;
    this.#places = grown;
  }
}

function places<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
