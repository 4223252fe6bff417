/** What a checker found of one promise in one history. */
export interface Verdict {
  /** In a word or two, as a report names it: `causal`, `linearizable`. */
  readonly promise: string;
  /** Nothing that was checked breaks the promise. Says little where `checked` is 0 or something is `undecided`. */
  readonly holds: boolean;
  /** How many operations (or what else `unit` names) were judged. */
  readonly checked: number;
  /** What `checked` counts, with where it is from: `operations of 9 sessions`. */
  readonly unit: string;
  /** The smallest of what was found, the clearest first: at most `VIOLATIONS_MAX` of each pattern. */
  readonly violations: readonly Violation[];
  /** How many violations there are altogether. */
  readonly found: number;
  /** What could not be judged, and why, in plain words. */
  readonly undecided: readonly string[];
}

/** One way in which a promise is broken, and the few operations that show it. */
export interface Violation {
  /** The name that the literature has for it, or ours. */
  readonly pattern: string;
  /** What is wrong, in plain words. */
  readonly text: string;
  /** Places in the history that was checked, from 0, in the order in which they are best read. */
  readonly operations: readonly number[];
}

/** Violations of one pattern that a verdict carries. */
const VIOLATIONS_MAX = 3;

/** Collects violations of one promise: counts all, keeps the first few of each pattern with the fewest operations. */
export class Findings {
  readonly #kept: Map<string, Violation[]> = new Map();
  #found = 0;

  /** Counts one that is not told. */
  count(): void {
    this.#found++;
  }

  add(violation: Violation): void {
    this.#found++;
    const kept = this.#kept.get(violation.pattern);
    if (kept === undefined) {
      this.#kept.set(violation.pattern, [violation]);
      return;
    }
    kept.push(violation);
    kept.sort((left, right) => left.operations.length - right.operations.length);
    kept.length = Math.min(kept.length, VIOLATIONS_MAX);
  }

  verdict(promise: string, checked: number, unit: string, undecided: readonly string[] = []): Verdict {
    const violations = [...this.#kept.values()]
      .flat()
      .sort((left, right) => left.operations.length - right.operations.length);
    return { promise, holds: this.#found === 0, checked, unit, violations, found: this.#found, undecided };
  }
}
