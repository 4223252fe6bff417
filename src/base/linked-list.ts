/** The place of a value in a list: whoever has it takes the value out in constant time. */
export class Place<T> {
  readonly value: T;
  #list: LinkedList<T> | null;
  /** For the list alone. */
  before: Place<T> | null = null;
  after: Place<T> | null = null;

  constructor(value: T, list: LinkedList<T>) {
    this.value = value;
    this.#list = list;
  }

  /** Takes the value out of its list; does nothing the second time. */
  leave(): void {
    this.#list?.unlink(this);
    this.#list = null;
  }
}

/**
 * Values in an order, each taken out in constant time wherever it is. Unlike a Map or Set, from whose beginning many were deleted, its
 * first value is found at once.
 */
export class LinkedList<T> {
  #first: Place<T> | null = null;
  #last: Place<T> | null = null;

  get first(): T | undefined {
    return this.#first?.value;
  }

  get last(): T | undefined {
    return this.#last?.value;
  }

  get isEmpty(): boolean {
    return this.#first === null;
  }

  append(value: T): Place<T> {
    return this.#link(new Place(value, this), this.#last);
  }

  /** Takes the first value out. */
  shift(): T | undefined {
    const place = this.#first;
    place?.leave();
    return place?.value;
  }

  /** Puts a value before the first that comes after it, looking from the beginning: quick for what belongs there. */
  insert(value: T, comesAfter: (other: T, value: T) => boolean): Place<T> {
    let before: Place<T> | null = null;
    for (let at = this.#first; at !== null && !comesAfter(at.value, value); at = at.after) before = at;
    return this.#link(new Place(value, this), before);
  }

  #link(place: Place<T>, before: Place<T> | null): Place<T> {
    place.before = before;
    place.after = before === null ? this.#first : before.after;
    if (before === null) this.#first = place;
    else before.after = place;
    if (place.after === null) this.#last = place;
    else place.after.before = place;
    return place;
  }

  /** For `Place.leave` alone. */
  unlink(place: Place<T>): void {
    const { before, after } = place;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    place.before = null;
    place.after = null;
  }
}
