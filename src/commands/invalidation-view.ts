import type { Dot } from '../clock/dot.ts';
import type { CausewayError } from '../errors.ts';

/** What an invalidation is of. Names are latin1. */
export interface InvalidationTarget {
  readonly kind: 'key' | 'tag' | 'pattern';
  readonly name: string;
}

/** What becomes of a key that is invalidated. */
export type InvalidationEffect =
  | { readonly kind: 'remove' }
  /** It stays for so long, to be shown while it is made anew; null for as long as its class says. */
  | { readonly kind: 'lazy'; readonly graceMs: number };

/** An invalidation as it goes on. */
export interface InvalidationRun {
  readonly isDone: boolean;
  /** Keys that this node took away, or gave their last time. */
  readonly count: number;
  /** This node's transaction in which it did so last, null where it did not. */
  readonly lastDot: Dot | null;
  /** Keys whose dependents were not looked at, because they are too deep or too many. */
  readonly unreached: readonly string[];
}

/** One key depends on another one. Names are latin1. */
export interface DependencyEdge {
  readonly key: string;
  readonly on: string;
  readonly onWrites: boolean;
}

/** Invalidations as commands see them (SPEC I2). */
export interface InvalidationView {
  /** Begins an invalidation in the open transaction: a first part is done at once, the rest in the turns that follow. */
  invalidate(targets: readonly InvalidationTarget[], effect: InvalidationEffect): readonly InvalidationRun[];
  /** Why nothing that is under way goes on now; null where it does. */
  readonly refusal: CausewayError | null;
  /** Lets it begin later, at this node, also when it was started again since. Unix milliseconds. */
  delay(targets: readonly InvalidationTarget[], effect: InvalidationEffect, dueMs: number): void;
  /** Dependencies, some places at a time: from a cursor on (0 begins), and the next cursor, 0 at the end. */
  edges(cursor: number, places: number): { readonly next: number; readonly edges: readonly DependencyEdge[] };
  /** A mark of now for `isHit`. */
  mark(): number;
  /**
   * Whether a key, or one with these tags (latin1), was invalidated here since the mark: then what was loaded for it in the meantime is not to be
   * kept. May say so where it was not, never the other way round.
   */
  isHit(mark: number, key: string, tags: readonly string[]): boolean;
}
