/** Marks kept: keys share them by a hash of their names. */
const MARKS = 1_024;
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * At which log index a key that is not there was last made, for all keys of a hash together: a key that is absent now and was absent
 * then may have been there between, and whoever saw it then must not take both for the same (RULES T3). Of bounded size, and never too
 * early: at worst a transaction is told to try again because another key was made.
 */
export class CreationMarks {
  #marks: number[] = new Array<number>(MARKS).fill(0);

  /** A key that was not there is made by an entry. */
  made(key: string, index: number): void {
    this.#marks[placeOf(key)] = index;
  }

  /** The version of a key that is not there: below zero, another one if it was there since. */
  versionOf(key: string): number {
    return -1 - (this.#marks[placeOf(key)] ?? 0);
  }

  toState(): readonly number[] {
    return [...this.#marks];
  }

  restore(marks: readonly number[]): void {
    this.#marks = Array.from({ length: MARKS }, (_, at) => marks[at] ?? 0);
  }
}

/** FNV-1a (Fowler, Noll, Vo; public domain) over the latin1 name. */
function placeOf(key: string): number {
  let hash = FNV_BASIS;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), FNV_PRIME);
  return (hash >>> 0) % MARKS;
}
