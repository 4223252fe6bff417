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
  /** The smallest of what was found, the clearest first: a few of each pattern. */
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
