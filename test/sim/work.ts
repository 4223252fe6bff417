import type { SeededRandom } from '../support/seeded-random.ts';
import type { Dot } from '../../src/clock/dot.ts';
import type { Operation } from '../../src/verify/history.ts';
import type { VersionVector } from '../../src/clock/version-vector.ts';
import type { InvalidationLog } from './invalidation-works.ts';
import type { SimSource } from './sim-sources.ts';

export const NS_A_MS = 1_000_000;

/** What became of a request: the reply as text, or null where the connection was lost before it came. */
export type Reply = string | null;

/** For so long a client asks nothing; then its work goes on. */
export interface Rest {
  readonly restMs: number;
}

export const rest = (restMs: number): Rest => ({ restMs });

/** A client's work: gives requests, is told of each what came, and is ended by a lost connection unless it goes on over another one. */
export type Script = Generator<string | Rest, void, Reply>;

/** What an operation is noted with: its client, region and end are known where it is noted. */
export type Noted = Omit<Operation, 'client' | 'region' | 'end' | 'dot' | 'error'>;

/** What works know, and tell of what happened. */
export interface Desk {
  /** The number of the action: written values are made of it, so that they are unique in a run. */
  readonly id: number;
  /** Which of the keys it is for. */
  readonly choice: number;
  readonly random: SeededRandom;
  nowMs(): number;
  wallMs(): number;
  nowNs(): number;
  note(operation: Noted): void;
  /** Keys that are made once, in the order in which they were. */
  readonly once: string[];
  /** What became of large values: how many requests were answered, and the actions whose values were not written. */
  readonly freight: { answers: number; readonly refused: Set<number> };
  /** What the session has read or written of counters that only grow. */
  readonly seenCounts: Map<string, number>;
  /** Numbers of notes written so far. */
  readonly notes: number[];
  /** What all nodes load from and store in. */
  readonly source: SimSource;
  readonly invalidations: InvalidationLog;
  /** What the connection's node has by now. */
  vector(): VersionVector;
  /** The transaction that the connection made last. */
  lastWrite(): Dot | null;
  /** The same when the latest request had run first: of one that takes several transactions the first of them. */
  begunWrite(): Dot | null;
  wrong(what: string): void;
  /** Other regions that may have what the connection wrote last: of each a node has it, or nobody can say. */
  regionsWithLastWrite(): number;
}

/** A kind of work that clients do. */
export interface Work {
  readonly script: (desk: Desk) => Script;
  /** How often, beside the others. */
  readonly weight: number;
  /** Goes on over another connection where one is lost. */
  readonly isPersistent?: true;
}

export function pick<T>(list: readonly T[], choice: number): T {
  return list[choice % list.length] as T;
}

export const textOf = (reply: string): string | null => (reply === 'nil' ? null : reply.replace(/^"(.*)"$/, '$1'));

export const isError = (reply: Reply): boolean => reply?.startsWith('-') ?? false;

/** What a reply says of whether the request happened. */
export function endingOf(reply: Reply): 'done' | 'nothing' | 'unknown' {
  if (reply === null || reply.startsWith('-UNCERTAIN')) return 'unknown';
  return isError(reply) ? 'nothing' : 'done';
}
