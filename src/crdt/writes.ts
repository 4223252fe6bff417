import type { VersionVector } from '../clock/version-vector.ts';
import type { Origin } from '../clock/origin.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';

/** One write: its value, its stamp and its dot. */
export interface Write<V> {
  readonly value: V;
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
}

/** Plain form of a write, for snapshots and the store. */
export type WriteState<V> = [value: V, stamp: number, origin: number, seq: number];

/**
 * A register with observed removal (RULES V1): it keeps every write that no other write has seen; a write or a removal
 * deletes those its deps cover and its own earlier ones; the view is the latest by (stamp, origin).
 * One write is the common case and costs one slot.
 */
export class ObservedWrites<V> {
  best: Write<V> | null = null;
  losers: Write<V>[] | null = null;

  add(value: V, context: UpdateContext): void {
    this.removeCovered(context);
    this.insert({ value, stamp: context.stamp, origin: context.origin, seq: context.seq });
  }

  insert(write: Write<V>): void {
    const best = this.best;
    if (best === null) {
      this.best = write;
    } else if (compareWrites(write.stamp, write.origin, best.stamp, best.origin) > 0) {
      (this.losers ??= []).push(best);
      this.best = write;
    } else {
      (this.losers ??= []).push(write);
    }
  }

  /** Removes what the transaction had seen; says whether anything went. */
  removeCovered(context: UpdateContext): boolean {
    return this.retain((write) => !covers(context, write.origin, write.seq));
  }

  /** Forgets losers that are stable: whatever comes will cover them, so they can never show again. */
  forgetStableLosers(stable: VersionVector): void {
    if (this.losers === null) return;
    const kept = this.losers.filter((write) => !stable.contains(write.origin as Origin, write.seq));
    this.losers = kept.length === 0 ? null : kept;
  }

  /** Keeps the writes that pass; says whether any went. */
  retain(keep: (write: Write<V>) => boolean): boolean {
    const best = this.best;
    if (best === null) return false;
    if (this.losers === null) {
      if (keep(best)) return false;
      this.best = null;
      return true;
    }
    const all = this.all();
    const kept = all.filter(keep);
    if (kept.length === all.length) return false;
    this.best = null;
    this.losers = null;
    for (const write of kept) this.insert(write);
    return true;
  }

  all(): Write<V>[] {
    if (this.best === null) return [];
    return this.losers === null ? [this.best] : [this.best, ...this.losers];
  }

  get isEmpty(): boolean {
    return this.best === null;
  }

  toState(): WriteState<V>[] {
    return this.all().map((write) => [write.value, write.stamp, write.origin, write.seq]);
  }

  static fromState<V>(state: readonly WriteState<V>[]): ObservedWrites<V> {
    const writes = new ObservedWrites<V>();
    for (const [value, stamp, origin, seq] of state) writes.insert({ value, stamp, origin, seq });
    return writes;
  }

  /** Merges a snapshot's writes by dot (RULES D6). */
  merge(other: ObservedWrites<V> | undefined, sides: MergeSides): void {
    const theirs = other?.all() ?? [];
    const inTheirs = (write: Write<V>): boolean =>
      theirs.some((their) => their.origin === write.origin && their.seq === write.seq);
    this.retain((write) => inTheirs(write) || !sides.remote.contains(write.origin as Origin, write.seq));
    for (const write of theirs) {
      if (!sides.local.contains(write.origin as Origin, write.seq)) this.insert(write);
    }
  }
}

/** The two vectors of a merge: what each side had applied when it had the state that it brings. */
export interface MergeSides {
  readonly local: VersionVector;
  readonly remote: VersionVector;
}

/** The two sides of a merge with the FLUSHALL that each keeps in mind. */
export interface FlushedSides extends MergeSides {
  readonly localFlush: StampedDot | null;
  readonly remoteFlush: StampedDot | null;
}
