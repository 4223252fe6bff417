import { assert, present } from '../base/assert.ts';
import type { Entry } from './messages.ts';
import { ENTRY_OVERHEAD_BYTES } from './options.ts';

/** What goes to disk in one batch. */
export interface UnsavedEntries {
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
}

/**
 * The log (Raft paper, 5.3; compaction: 7): the entries after `base` in memory, and how far they are on disk. Its callers
 * keep what is committed: they never truncate or replace it.
 *
 *     base          durable     unsaved              last
 *      |  on disk      |  batch    |  not yet taken    |
 *      |               |  under way|                   |
 */
export class RaftLog {
  #baseIndex: number;
  #baseTerm: number;
  /** Bytes of all entries up to and with the base, counted from an arbitrary zero; the same for each entry after. */
  #baseBytes = 0;
  #entries: Entry[] = [];
  #bytesUpTo: number[] = [];
  #durableIndex: number;
  #unsavedFrom: number;
  #truncateFrom: number | null = null;
  /** How far the batch under way makes the log of now durable. */
  #underWayTo = 0;

  /** `entries` are on disk. */
  constructor(baseIndex: number, baseTerm: number, entries: readonly Entry[]) {
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.append(entries);
    this.#durableIndex = this.lastIndex;
    this.#unsavedFrom = this.lastIndex + 1;
  }

  /** Entries up to here are gone; the term of the last of them is kept. */
  get baseIndex(): number {
    return this.#baseIndex;
  }

  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#baseTerm;
  }

  /** Entries up to here are on disk as they are here. */
  get durableIndex(): number {
    return this.#durableIndex;
  }

  get hasUnsaved(): boolean {
    return this.#truncateFrom !== null || this.#unsavedFrom <= this.lastIndex;
  }

  /** Null where the entry is not here: compacted or not yet written. */
  termAt(index: number): number | null {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.entryAt(index)?.term ?? null;
  }

  entryAt(index: number): Entry | undefined {
    return index > this.#baseIndex ? this.#entries[index - this.#baseIndex - 1] : undefined;
  }

  /** Whether a log that ends so is at least as complete as this one (5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** The last index up to `index` with a term of at most `term`: neither log can match the other after it. At least the base. */
  lastIndexOfTermUpTo(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex);
    while (candidate > this.#baseIndex && (this.termAt(candidate) ?? 0) > term) candidate -= 1;
    return candidate;
  }

  /** Bytes of the entries in (after, upTo]. */
  bytesBetween(after: number, upTo: number): number {
    return Math.max(0, this.#bytesAt(upTo) - this.#bytesAt(after));
  }

  #bytesAt(index: number): number {
    if (index <= this.#baseIndex) return this.#baseBytes;
    return this.#bytesUpTo[Math.min(index, this.lastIndex) - this.#baseIndex - 1] ?? this.#baseBytes;
  }

  /** Entries from an index on, as many as fit in `bytesMax`, at least one if there is one. */
  from(index: number, bytesMax: number): readonly Entry[] {
    let last = Math.min(index, this.lastIndex);
    while (last < this.lastIndex && this.bytesBetween(index - 1, last + 1) <= bytesMax) last += 1;
    return this.range(index, last);
  }

  /** Entries of [first, last]. */
  range(first: number, last: number): readonly Entry[] {
    assert(first > this.#baseIndex, 'entries that are asked for are still here');
    return this.#entries.slice(first - this.#baseIndex - 1, last - this.#baseIndex);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'the log has no gap');
      assert(entry.term >= this.lastTerm, 'terms do not fall along the log');
      const before = this.#bytesUpTo.at(-1) ?? this.#baseBytes;
      this.#bytesUpTo.push(before + entry.data.length + ENTRY_OVERHEAD_BYTES);
      this.#entries.push(entry);
    }
  }

  /** Takes the entries from an index on away. */
  truncate(from: number): void {
    assert(from > this.#baseIndex, 'what is compacted is not truncated');
    this.#entries.length = from - this.#baseIndex - 1;
    this.#bytesUpTo.length = this.#entries.length;
    if (from < this.#unsavedFrom) {
      this.#truncateFrom = Math.min(from, this.#truncateFrom ?? Infinity);
      this.#unsavedFrom = from;
    }
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
    this.#underWayTo = Math.min(this.#underWayTo, from - 1);
  }

  /** The log is now what a snapshot up to `index` leaves: nothing. What is on disk agrees with it only up to `commonIndex`. */
  reset(index: number, term: number, commonIndex: number): void {
    this.#baseIndex = index;
    this.#baseTerm = term;
    this.#baseBytes = 0;
    this.#entries = [];
    this.#bytesUpTo = [];
    this.#durableIndex = Math.min(this.#durableIndex, commonIndex);
    this.#unsavedFrom = index + 1;
    this.#truncateFrom = null;
    this.#underWayTo = 0;
  }

  /** Drops entries up to `index`, but for the newest of them that fit in `slackBytes`. Returns the new base. */
  compact(index: number, slackBytes: number): number {
    assert(index <= this.#durableIndex, 'only what is on disk is compacted');
    let upTo = this.#baseIndex;
    while (upTo < index && this.bytesBetween(upTo, index) > slackBytes) upTo += 1;
    if (upTo === this.#baseIndex) return upTo;
    const count = upTo - this.#baseIndex;
    this.#baseTerm = present(this.termAt(upTo), 'the last compacted entry is here');
    this.#baseBytes = this.#bytesAt(upTo);
    this.#entries.splice(0, count);
    this.#bytesUpTo.splice(0, count);
    this.#baseIndex = upTo;
    return upTo;
  }

  /** What is not yet on its way to disk, for one batch. */
  takeUnsaved(): UnsavedEntries {
    const unsaved = { truncateFrom: this.#truncateFrom, entries: this.range(this.#unsavedFrom, this.lastIndex) };
    this.#truncateFrom = null;
    this.#unsavedFrom = this.lastIndex + 1;
    this.#underWayTo = this.lastIndex;
    return unsaved;
  }

  /** The batch taken last is on disk; what was truncated meanwhile does not count. */
  saved(): void {
    this.#durableIndex = Math.max(this.#durableIndex, this.#underWayTo);
    this.#underWayTo = 0;
  }
}
