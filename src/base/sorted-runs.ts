/** Below 0 where the first comes before the second, 0 where either may. */
export type Compare = (left: number, right: number) => number;

/** Items by their numbers, sorted run by run as they come, and walked in one order in the end: so no step is as long as it takes to sort them all. */
export class SortedRuns {
  readonly #compare: Compare;
  readonly #runs: Int32Array[] = [];
  /** The end of the last run. */
  ended: number = 0;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  get count(): number {
    return this.#runs.length;
  }

  /** The items from the end of the last run up to this number, exclusive, are the next run. */
  end(to: number): void {
    const from = this.ended;
    if (to === from) return;
    this.ended = to;
    this.#runs.push(Int32Array.from({ length: to - from }, (_unused, at) => from + at).sort(this.#compare));
  }

  /** All items of the runs, of equal ones those with the lower numbers first. */
  merged(): RunMerge {
    return new RunMerge(this.#runs, this.#compare);
  }
}

/** A merge of sorted runs by a heap of their first items (Knuth, TAOCP 3, 5.4.1). */
class RunMerge {
  readonly #runs: readonly Int32Array[];
  readonly #compare: Compare;
  /** Of each run, how many of its items were taken. */
  readonly #taken: Int32Array;
  /** Runs that have more, none before its parent. */
  readonly #heap: Int32Array;
  #size: number;

  constructor(runs: readonly Int32Array[], compare: Compare) {
    this.#runs = runs;
    this.#compare = compare;
    this.#taken = new Int32Array(runs.length);
    this.#heap = Int32Array.from(runs, (_run, at) => at);
    this.#size = runs.length;
    for (let at = this.#size >> 1; at-- > 0;) this.#sink(at);
  }

  /** The next item, -1 where there is none. */
  next(): number {
    if (this.#size === 0) return -1;
    const run = this.#heap[0] as number;
    const item = this.#firstOf(run);
    const taken = (this.#taken[run] as number) + 1;
    this.#taken[run] = taken;
    if (taken === (this.#runs[run] as Int32Array).length) this.#heap[0] = this.#heap[--this.#size] as number;
    this.#sink(0);
    return item;
  }

  #firstOf(run: number): number {
    return (this.#runs[run] as Int32Array)[this.#taken[run] as number] as number;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.#compare(this.#firstOf(left), this.#firstOf(right));
    return difference < 0 || (difference === 0 && left < right);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let at = from; ;) {
      const left = 2 * at + 1;
      if (left >= this.#size) return;
      const right = left + 1;
      const [leftRun, rightRun] = [heap[left] as number, heap[right] as number];
      const child = right < this.#size && this.#isBefore(rightRun, leftRun) ? right : left;
      const [run, first] = [heap[at] as number, heap[child] as number];
      if (this.#isBefore(run, first)) return;
      heap[at] = first;
      heap[child] = run;
      at = child;
    }
  }
}
