/** Options common to all benches. */
export interface BenchOptions {
  /** A run of seconds that only shows that the bench works. */
  readonly small: boolean;
  readonly seconds: number;
  /** Writes a second in all. */
  readonly rate: number;
  readonly portBase: number;
  /** Operations in all, for benches that are counted by operations. */
  readonly operations: number;
}

/** What a bench found. `passed` is its bar, checked results included. */
export interface BenchResult {
  readonly text: string;
  readonly json: unknown;
  readonly passed: boolean;
}

export interface Bench {
  readonly name: string;
  readonly summary: string;
  readonly run: (options: BenchOptions) => Promise<BenchResult>;
}
