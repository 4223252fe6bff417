import type { Origin } from '../../clock/origin.ts';
import type { VersionVector } from '../../clock/version-vector.ts';
import { FOLDED_FROM_RUNS, type RunState } from '../../crdt/increments.ts';

/** Runs that a counter may have in the slab: more are increments that nobody has acknowledged yet, of a counter that is hot. */
export const RUNS_MAX = 8;

/** Doubles before the runs: the sum, and how many runs there are. */
const HEAD = 2;
const SUM = 0;
const COUNT = 1;
/** Doubles of a run: origin, first, last, stamp, amount. */
const RUN = 5;
const FIRST = 1;
const LAST = 2;
const STAMP = 3;
const AMOUNT = 4;

/** Runs that are not stable, while the others are folded. */
const REST = new Float64Array(RUN * RUNS_MAX);

/** One by one: views of five doubles cost more than they do. */
function moveRun(from: Float64Array, run: number, into: Float64Array, at: number): void {
  if (from === into && run === at) return;
  for (let part = 0; part < RUN; part++) into[at + part] = from[run + part] as number;
}

/** What a counter's block holds behind its key: its increments as runs (RULES V4), of whole numbers that a double holds exactly. */
export class CounterRuns {
  #doubles: Float64Array = new Float64Array(0);
  #at = 0;

  /** Points at a counter's doubles. */
  point(doubles: Float64Array, at: number): this {
    this.#doubles = doubles;
    this.#at = at;
    return this;
  }

  /** The bytes for so many runs: there is room for 2, 4 or 8, so that not each increment needs another block. */
  static bytesFor(runs: number): number {
    return (HEAD + RUN * (runs <= 2 ? 2 : runs <= 4 ? 4 : RUNS_MAX)) * Float64Array.BYTES_PER_ELEMENT;
  }

  get sum(): number {
    return this.#doubles[this.#at + SUM] as number;
  }

  get count(): number {
    return this.#doubles[this.#at + COUNT] as number;
  }

  #run(index: number): number {
    return this.#at + HEAD + RUN * index;
  }

  #part(index: number, part: number): number {
    return this.#doubles[this.#run(index) + part] as number;
  }

  clear(): void {
    this.#doubles[this.#at + SUM] = 0;
    this.#doubles[this.#at + COUNT] = 0;
  }

  /** Whether the run added last is that of a transaction: several increments of one have one dot, so they are one run. */
  isLast(origin: number, seq: number): boolean {
    const last = this.count - 1;
    return last >= 0 && this.#part(last, 0) === origin && this.#part(last, FIRST) === seq;
  }

  /** Whether an increment finds room, and all stays exact. */
  takes(amount: number, origin: number, seq: number): boolean {
    return Number.isSafeInteger(this.sum + amount) && (this.count < RUNS_MAX || this.isLast(origin, seq));
  }

  /** Adds to the run added last. */
  addToLast(amount: number): void {
    this.#doubles[this.#run(this.count - 1) + AMOUNT] = this.#part(this.count - 1, AMOUNT) + amount;
    this.#doubles[this.#at + SUM] = this.sum + amount;
  }

  /** Adds a run; there is room for it. */
  push(origin: number, first: number, last: number, stamp: number, amount: number): void {
    const doubles = this.#doubles;
    const at = this.#run(this.count);
    doubles[at] = origin;
    doubles[at + FIRST] = first;
    doubles[at + LAST] = last;
    doubles[at + STAMP] = stamp;
    doubles[at + AMOUNT] = amount;
    doubles[this.#at + COUNT] = this.count + 1;
    doubles[this.#at + SUM] = this.sum + amount;
  }

  /** Whether each part of the runs has a sum that is exact, as all of them together have. */
  get isExactInParts(): boolean {
    let most = 0;
    for (let index = 0; index < this.count; index++) most += Math.abs(this.#part(index, AMOUNT));
    return Number.isSafeInteger(most);
  }

  /** Folds the stable runs of each origin into one, which come first then, where `isExactInParts`; says whether nothing is left to be folded (`Increments.isSettled`). */
  fold(stable: VersionVector): boolean {
    const doubles = this.#doubles;
    const { count } = this;
    let folded = 0;
    let rest = 0;
    for (let index = 0; index < count; index++) {
      const run = this.#run(index);
      const origin = doubles[run] as number;
      if (!stable.contains(origin as Origin, doubles[run + LAST] as number)) {
        moveRun(doubles, run, REST, RUN * rest++);
        continue;
      }
      const known = this.#foldedOf(origin, folded);
      if (known >= 0) this.#join(this.#run(known), run);
      else moveRun(doubles, run, doubles, this.#run(folded++));
    }
    for (let index = 0; index < rest; index++) moveRun(REST, RUN * index, doubles, this.#run(folded + index));
    doubles[this.#at + COUNT] = folded + rest;
    return rest === 0 || folded + rest < FOLDED_FROM_RUNS;
  }

  /**
   * Folds the run added last into the one before it of its origin, where both are stable: as `fold`, of one run, for who is about to add another
   * and has the counter at hand. Of a counter that one node increments now and then there are two runs then, however often.
   */
  foldLast(stable: VersionVector): void {
    const last = this.count - 1;
    if (last < 1) return;
    const doubles = this.#doubles;
    const run = this.#run(last);
    const origin = doubles[run] as number;
    const known = this.#foldedOf(origin, last);
    // of an origin what is earlier is stable where what is later is
    if (known < 0 || !stable.contains(origin as Origin, doubles[run + LAST] as number) || !this.isExactInParts) return;
    this.#join(this.#run(known), run);
    this.#doubles[this.#at + COUNT] = last;
  }

  /** Which of the first `folded` runs is of an origin, -1 for none. */
  #foldedOf(origin: number, folded: number): number {
    for (let index = 0; index < folded; index++) if (this.#part(index, 0) === origin) return index;
    return -1;
  }

  #join(into: number, run: number): void {
    const doubles = this.#doubles;
    doubles[into + FIRST] = Math.min(doubles[into + FIRST] as number, doubles[run + FIRST] as number);
    doubles[into + LAST] = Math.max(doubles[into + LAST] as number, doubles[run + LAST] as number);
    doubles[into + STAMP] = Math.max(doubles[into + STAMP] as number, doubles[run + STAMP] as number);
    doubles[into + AMOUNT] = (doubles[into + AMOUNT] as number) + (doubles[run + AMOUNT] as number);
  }

  /** The plain form of the increments. */
  toState(): RunState[] {
    return Array.from({ length: this.count }, (_unused, index): RunState => [
      this.#part(index, 0),
      this.#part(index, FIRST),
      this.#part(index, LAST),
      this.#part(index, STAMP),
      String(this.#part(index, AMOUNT)),
      '0',
    ]);
  }
}
