import type { Origin } from '../../../src/clock/origin.ts';
import type { VersionVector } from '../../../src/clock/version-vector.ts';
import type { Entry } from '../../../src/crdt/entry.ts';

interface Waiting {
  readonly key: string;
  readonly origin: number;
  readonly seq: number;
}

const NOTHING_STABLE_ORIGIN = 0;

/**
 * Keys of which something can be forgotten once a transaction is stable, in the order in which they changed. A key stands in it
 * once at most for each time it is looked at, so the queue is never longer than the keys that changed.
 */
export class ForgetQueue {
  #queue: Waiting[] = [];
  #head = 0;
  readonly #queued: Set<string> = new Set();

  get size(): number {
    return this.#queue.length - this.#head;
  }

  /** Notes that a transaction left something behind in an entry that is not its plain latest value. */
  note(key: string, origin: number, seq: number, entry: Entry): void {
    if (isPlain(entry) || this.#queued.has(key)) return;
    this.#queued.add(key);
    this.#queue.push({ key, origin, seq });
  }

  /** Notes an entry of a snapshot or of the store, whose last transaction is not known: it is looked at soon. */
  noteMerged(key: string, entry: Entry): void {
    this.note(key, NOTHING_STABLE_ORIGIN, 0, entry);
  }

  /** Looks at up to `budget` keys whose transaction is stable; `settle` says whether nothing is left to wait for. */
  drain(stable: VersionVector, budget: number, settle: (key: string) => boolean): void {
    const again: Waiting[] = [];
    for (let looked = 0; looked < budget && this.#head < this.#queue.length; looked++) {
      const waiting = this.#queue[this.#head++] as Waiting;
      const isStable = stable.contains(waiting.origin as Origin, waiting.seq);
      if (isStable && settle(waiting.key)) this.#queued.delete(waiting.key);
      else again.push(waiting);
    }
    for (const waiting of again) this.#queue.push(waiting);
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** A live value and nothing else: nothing to forget. */
function isPlain(entry: Entry): boolean {
  if (entry.isEmpty) return true;
  if (!entry.string.isPlain || entry.hasSeveralTypes) return false;
  if (entry.hash !== null && !entry.hash.isSettled) return false;
  if (entry.set !== null && !entry.set.isSettled) return false;
  if (entry.document !== null && !entry.document.isPlain) return false;
  return entry.expiries === null || entry.expiries.isSettled;
}
