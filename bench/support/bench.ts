/** Options common to all benches. */
export interface BenchOptions {
  /** A run of seconds that only shows that the bench works. */
  readonly small: boolean;
  readonly seconds: number;
  /** Writes a second in all. */
  readonly rate: number;
  /** How long a region is cut off, in seconds, for benches that do that. */
  readonly cutSeconds: number;
  readonly portBase: number;
  /** Operations in all, for benches that are counted by operations. */
  readonly operations: number;
  /** Requests of one run, for benches that repeat runs. */
  readonly requests: number;
  readonly runs: number;
  /** The loads to run, by their names; all where none is named. */
  readonly only: readonly string[];
  /** Requests sent together; the bench's own where it is not said. */
  readonly pipeline: readonly number[] | undefined;
  /** Sizes of values; the bench's own where it is not said. */
  readonly bytes: readonly number[] | undefined;
  /** Numbers of peers to measure with; the bench's own where it is not said. */
  readonly peers: readonly number[] | undefined;
}

/** What a bench found. `passed` is its bar, checked results included. */
export interface BenchResult {
  readonly text: string;
  readonly json: unknown;
  /** A drawing of it, for benches that make one. */
  readonly svg?: string;
  readonly passed: boolean;
}

export interface Bench {
  readonly name: string;
  readonly summary: string;
  readonly run: (options: BenchOptions) => Promise<BenchResult>;
}
