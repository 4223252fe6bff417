import type { Args } from './context.ts';
import type { Fetched } from './fetcher.ts';

/** Requests of a connection that have come whole and wait behind the one that it runs. */
export interface RequestsBehind {
  /** Shows them from the given number on (0: the first behind), until `each` says no. Arguments are good for the call. */
  requestsBehind(from: number, each: (args: Args) => boolean): void;
}

/**
 * What is fetched for reads that wait behind a read, while that waits: a pipeline of reads takes the time of the slowest and not of all. What comes is put
 * into the keyspace as ever, and the reads find it there when they are run; only that there was nothing, or no answer, is remembered here, for
 * the read that it was asked for.
 */
export class FetchAhead {
  /** Requests that were looked at since the one in front began to wait. */
  seen = 0;
  /** Whether the one in front waits. */
  isWaiting = false;
  isOver = false;
  /** By key, latin1. */
  readonly results: Map<string, Fetched> = new Map();

  /** A key was changed; null for all: what was said of it may not be so any more. */
  forget(key: string | null): void {
    if (key === null) this.results.clear();
    else this.results.delete(key);
  }
}
