/** Places that a slot's record has room for. */
const PLACES_MAX = 65_536;

/** Origins by a small number each, so that a slot's record need not have the whole. None leaves: a process meets few. */
export class OriginTable {
  readonly #origins: number[] = [];
  readonly #places: Map<number, number> = new Map();
  #latest = 0;
  #latestPlace = -1;

  at(place: number): number {
    return this.#origins[place] as number;
  }

  /** The place of an origin; −1 where there is no more room. */
  placeOf(origin: number): number {
    if (origin === this.#latest) return this.#latestPlace;
    const place = this.#places.get(origin) ?? this.#add(origin);
    this.#latest = origin;
    this.#latestPlace = place;
    return place;
  }

  #add(origin: number): number {
    if (this.#origins.length >= PLACES_MAX) return -1;
    this.#places.set(origin, this.#origins.length);
    return this.#origins.push(origin) - 1;
  }
}
