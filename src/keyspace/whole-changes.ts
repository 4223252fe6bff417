import { latin1Range } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { compareWrites, type UpdateContext } from '../crdt/update.ts';
import type { FlushedSides, MergeSides } from '../crdt/writes.ts';
import { Arrival, type ArrivingSource, type ArrivingState } from './arrival.ts';
import { FlushSweep, type SweptKeyspace } from './flush-sweep.ts';
import type { KeyKinds } from './key-kinds.ts';
import type { RecentChanges } from './recent-changes.ts';

/** What changes all keys of a keyspace, or all of one origin, at once: FLUSHALL, snapshots, whole states of quorum groups. */
export class WholeChanges {
  readonly #keyspace: SweptKeyspace;
  readonly #parts: { readonly kinds: KeyKinds; readonly recent: RecentChanges };
  /** The latest FLUSHALL, until it is stable (RULES V2). */
  flushMark: FlushMark | null = null;

  constructor(keyspace: SweptKeyspace, parts: { readonly kinds: KeyKinds; readonly recent: RecentChanges }) {
    this.#keyspace = keyspace;
    this.#parts = parts;
  }

  /** FLUSHALL. `seesAll`: it has seen all that is here. */
  flushAll({ origin, seq, stamp, deps }: UpdateContext, seesAll: boolean): void {
    const mark = { stamp, origin, seq };
    this.#parts.recent.noteEvery(origin, seq);
    // the context of one transaction is used for the next
    const context = { ...mark, deps: deps.clone() };
    const flush = { mark, context, isLatest: this.#raiseFlush(mark), seesAll };
    this.#keyspace.pending.begin(new FlushSweep(flush, this.#keyspace));
  }

  #raiseFlush(mark: FlushMark): boolean {
    const { flushMark } = this;
    const isLatest =
      flushMark === null || compareWrites(mark.stamp, mark.origin, flushMark.stamp, flushMark.origin) >= 0;
    if (isLatest) this.flushMark = mark;
    return isLatest;
  }

  /** No write that a stable one is to keep away is still to come. */
  forgetStable(stable: VersionVector): void {
    const { flushMark } = this;
    if (flushMark !== null && stable.contains(flushMark.origin as Origin, flushMark.seq)) this.flushMark = null;
  }

  /** A whole snapshot (RULES D6), with the FLUSHALL that it keeps in mind. */
  mergeSnapshot(source: ArrivingSource, flush: FlushMark | null, sides: MergeSides): void {
    const { kinds } = this.#parts;
    const flushed = { ...sides, localFlush: this.flushMark, remoteFlush: flush };
    if (flush !== null && !sides.local.contains(flush.origin as Origin, flush.seq)) this.#raiseFlush(flush);
    this.#arrive({ before: [], isOfAll: true, isOf: (key) => !kinds.isWeak(latin1Range(key)) }, source, flushed);
  }

  /** What another keyspace holds of one origin's pinned keys, while both go on. */
  mergeGroup(origin: Origin, source: ArrivingSource, sides: MergeSides): void {
    const before = [[origin, sides.local.get(origin)]] as const;
    const isOf = (key: string): boolean => this.#parts.kinds.isPinned(latin1Range(key));
    this.#arrive({ before, isOfAll: false, isOf }, source, { ...sides, localFlush: null, remoteFlush: null });
  }

  #arrive(state: ArrivingState, source: ArrivingSource, sides: FlushedSides): void {
    const { slots, entries, pending } = this.#keyspace;
    this.#parts.recent.noteUnknown(sides.remote, sides.local);
    const mergeKey = (key: string, other: EntryState | null): void => entries.mergeKey(key, other, sides);
    pending.begin(new Arrival(state, source, { slots, pending, mergeKey }));
  }
}
