import type { Step } from './linearization-search.ts';

/** The value that must be there for a step's answer; undefined where any is right, or all but one. */
export function needOf({ op, value, expected, did, result }: Step): string | null | undefined {
  if (op === 'read') return value;
  if (op === 'cas') return did === true ? expected : undefined;
  if (op !== 'incr' || result === null) return undefined;
  return String(BigInt(result) - BigInt(value ?? '0'));
}

/**
 * Which values are still needed by steps of a key that are not done yet. A value that cannot come back must not be left before that: where
 * nothing is counted each value is written once, and where only positive amounts are added the sum goes one way.
 */
export class PendingNeeds {
  readonly #mode: 'unique' | 'growing' | 'any';
  /** By value how many steps need it; sums as numbers, nothing as 0. */
  readonly #left: Map<string | number, number> = new Map();
  /** The sums that are needed, ascending. */
  readonly #sums: readonly number[];
  readonly #needs: readonly (string | number | undefined)[];

  /** `known` are the steps that certainly happen, in the order in which they are told of later. */
  constructor(known: readonly Step[], unknown: readonly Step[]) {
    const all = [...known, ...unknown];
    const isCounted = all.some(({ op }) => op === 'incr');
    this.#mode = !isCounted ? 'unique' : all.every(onlyGrows) ? 'growing' : 'any';
    this.#needs = known.map((step) => this.#name(needOf(step)));
    for (const need of this.#needs) if (need !== undefined) this.#left.set(need, (this.#left.get(need) ?? 0) + 1);
    this.#sums =
      this.#mode === 'growing' ? ([...this.#left.keys()] as number[]).sort((left, right) => left - right) : [];
  }

  /** The step of this number is done. */
  done(step: number): void {
    this.#add(step, -1);
  }

  undone(step: number): void {
    this.#add(step, 1);
  }

  /** Whether nobody needs what is lost for good when a value takes the place of another. */
  mayChange(from: string | null, to: string | null): boolean {
    if (this.#mode === 'any') return true;
    if (this.#mode === 'unique') return from === null || from === to || (this.#left.get(from) ?? 0) === 0;
    const end = Number(to ?? 0);
    for (let at = this.#firstFrom(Number(from ?? 0)); (this.#sums[at] ?? Infinity) < end; at++)
      if ((this.#left.get(this.#sums[at] as number) ?? 0) > 0) return false;
    return true;
  }

  /** What is nothing is never lost for good where values are unique, and is not counted. */
  #name(need: string | null | undefined): string | number | undefined {
    if (need === undefined) return undefined;
    if (this.#mode === 'growing') return Number(need ?? 0);
    return need ?? undefined;
  }

  #add(step: number, count: number): void {
    const need = this.#needs[step];
    if (need !== undefined) this.#left.set(need, (this.#left.get(need) ?? 0) + count);
  }

  #firstFrom(sum: number): number {
    let [low, high] = [0, this.#sums.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sums[middle] as number) < sum) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Reads of numbers that are exact, and additions of more than nothing. */
function onlyGrows({ op, value, result }: Step): boolean {
  if (op === 'read') return value === null || isExact(value);
  return op === 'incr' && isExact(value ?? '') && Number(value) > 0 && (result === null || isExact(result));
}

function isExact(text: string): boolean {
  return /^-?\d{1,15}$/.test(text);
}
