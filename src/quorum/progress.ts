import type { SnapshotTransfer } from './snapshot-transfer.ts';

interface Flight {
  readonly lastIndex: number;
  readonly bytes: number;
}

/** Appends under way to one follower, by count and bytes (thesis, 10.2.1: pipelining). */
class Window {
  readonly #flights: Flight[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#flights.length === 0;
  }

  isFull(countMax: number, bytesMax: number): boolean {
    return this.#flights.length >= countMax || this.#bytes >= bytesMax;
  }

  add(flight: Flight): void {
    this.#flights.push(flight);
    this.#bytes += flight.bytes;
  }

  freeUpTo(index: number): void {
    const left = this.#flights.findIndex((flight) => flight.lastIndex > index);
    for (const flight of this.#flights.splice(0, left === -1 ? this.#flights.length : left))
      this.#bytes -= flight.bytes;
  }

  clear(): void {
    this.freeUpTo(Infinity);
  }
}

/**
 * What a leader knows of one other member. Probe: where its log matches is not known, one append at a time.
 * Replicate: it matches, appends are sent ahead of their answers. Snapshot: what it needs next is compacted.
 */
export class Progress {
  state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** Known to match and to be on its disk. */
  match = 0;
  /** What is sent next. */
  next: number;
  /** When an answer of this term came last; at first when it became a follower of this leader. */
  lastHeardMs: number;
  /** The highest round that it echoed. */
  echoedRound = 0;
  /** The highest commit index that it was sent. */
  sentCommit = 0;
  /** When it is to hear of a higher one at the latest; Infinity where it knows, or nothing new was looked at. */
  commitDueMs: number = Infinity;
  /** When entries were sent last. */
  sentMs: number = -Infinity;
  /** When what is gathered for it leaves at the latest; Infinity where nothing is. */
  gatherDueMs: number = Infinity;
  /** Whether a majority is there without it: then it may get entries later (`spares.ts`). */
  isSpare = false;
  /** In probe: an append is out and not answered. */
  isProbeSent = false;
  readonly window: Window = new Window();
  /** In snapshot: null until the driver has given one. */
  snapshot: SnapshotTransfer | null = null;

  constructor(next: number, nowMs: number) {
    this.next = next;
    this.lastHeardMs = nowMs;
  }

  probeFrom(next: number): void {
    this.state = 'probe';
    this.next = Math.max(next, this.match + 1);
    this.isProbeSent = false;
    this.snapshot = null;
    this.window.clear();
  }

  /** It begins anew: what it had said to be on its disk may be gone with that. */
  forget(next: number): void {
    this.match = 0;
    this.probeFrom(next);
  }

  needSnapshot(): void {
    this.state = 'snapshot';
    this.window.clear();
  }

  /** Its log matches up to `index`, which is on its disk. Where the probe asked it, `isOfProbe`, it is sent what comes next. */
  matched(index: number, isOfProbe = true): void {
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, this.match + 1);
    this.window.freeUpTo(this.match);
    if (this.state === 'probe' && isOfProbe) this.state = 'replicate';
  }
}

/** What others may see of a member's progress. */
export interface ProgressView {
  readonly match: number;
  readonly next: number;
  readonly lastHeardMs: number;
  /** Heard within the election time. */
  readonly isActive: boolean;
  readonly state: Progress['state'];
}
