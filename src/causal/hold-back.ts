import type { Origin } from '../clock/origin.ts';
import { nodeOf } from '../clock/origin.ts';
import { stampOfMs } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { Update } from '../crdt/update.ts';
import type { ColumnsReader } from './columns.ts';
import type { Chunk } from './op-log.ts';

/** A chunk that came in, with how far it was applied. */
export interface HeldChunk {
  readonly chunk: Chunk;
  readonly reader: ColumnsReader;
  /** The node that sent it: who has the effect has the cause. */
  readonly sender: number;
  /** The next transaction to apply. */
  nextSeq: number;
}

/** Why the head of an origin's queue waits. */
export interface Wait {
  readonly origin: Origin;
  readonly seq: number;
  readonly sender: number;
  /** What it needs that is not here: origin and sequence; null when it is the stamp. */
  readonly missing: readonly [Origin, number] | null;
  /** Since when the head waits, monotonic milliseconds. */
  readonly sinceMs: number;
}

interface Queue {
  readonly chunks: HeldChunk[];
  /** The highest sequence held. */
  last: number;
  waitingSinceMs: number;
}

/** What became of a chunk. */
export type Taken = 'held' | 'duplicate' | 'gap' | 'full';

export interface HoldBackOptions {
  readonly bytesMax: number;
  /** How far a stamp may be ahead of the local clock, milliseconds. */
  readonly skewMsMax: number;
}

/**
 * Transactions that came and whose causes did not yet (DESIGN section 4). Per origin, in its order, no gaps. The head is delivered when
 * its deps are within the local vector and its stamp is not too far ahead (RULES D3). The bytes are bounded without ever stopping
 * to read a link: past the bound the newest is dropped, for its sender to send again, unless it was asked for (D2).
 */
export class HoldBack {
  readonly #queues: Map<Origin, Queue> = new Map();
  readonly #options: HoldBackOptions;
  #bytes = 0;

  constructor(options: HoldBackOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get transactions(): number {
    let count = 0;
    for (const queue of this.#queues.values())
      for (const held of queue.chunks) count += held.chunk.last - held.nextSeq + 1;
    return count;
  }

  /** The highest sequence of an origin that is applied or held. */
  tail(origin: Origin, applied: number): number {
    return Math.max(applied, this.#queues.get(origin)?.last ?? 0);
  }

  /** Takes a chunk in. `asked`: it was fetched because something waits for it, and passes the bound. */
  take(held: HeldChunk, applied: number, asked: boolean, monotonicMs: number): Taken {
    const { chunk } = held;
    const tail = this.tail(chunk.origin, applied);
    if (chunk.last <= tail) return 'duplicate';
    if (chunk.first > tail + 1) return 'gap';
    if (!asked && this.#bytes + chunk.bytes.length > this.#options.bytesMax && this.#bytes > 0) return 'full';
    let queue = this.#queues.get(chunk.origin);
    if (queue === undefined) {
      queue = { chunks: [], last: applied, waitingSinceMs: monotonicMs };
      this.#queues.set(chunk.origin, queue);
    }
    queue.chunks.push(held);
    queue.last = chunk.last;
    this.#bytes += chunk.bytes.length;
    return 'held';
  }

  /**
   * Delivers all that can be, in causal order. `running` gives an origin's deps at its last applied transaction; `deliver` applies the
   * next transaction of the chunk and raises the vector; `done` gets a chunk whose last transaction was applied.
   */
  drain(
    vector: VersionVector,
    wallMs: number,
    monotonicMs: number,
    running: (origin: Origin) => VersionVector,
    deliver: (held: HeldChunk, deps: VersionVector) => void,
    done: (chunk: Chunk) => void,
  ): void {
    const latestStamp = stampOfMs(wallMs + this.#options.skewMsMax);
    for (let progress = true; progress;) {
      progress = false;
      for (const [origin, queue] of this.#queues) {
        const deps = running(origin);
        for (let held = queue.chunks[0]; held !== undefined; held = queue.chunks[0]) {
          while (held.nextSeq <= held.chunk.last && held.nextSeq <= vector.get(origin)) this.#skip(held, deps);
          if (held.nextSeq > held.chunk.last) {
            this.#finish(queue, done);
            continue;
          }
          // deps that did not change since the transaction before are met: that one was applied
          const hasNewDeps = held.reader.raiseDeps(deps);
          if (held.reader.stamp > latestStamp || (hasNewDeps && missingOf(deps, vector, origin) !== null)) break;
          deliver(held, deps);
          held.nextSeq++;
          queue.waitingSinceMs = monotonicMs;
          progress = true;
        }
        if (queue.chunks.length === 0) this.#queues.delete(origin);
      }
    }
  }

  /** Moves past a transaction that came another way meanwhile. */
  #skip(held: HeldChunk, deps: VersionVector): void {
    held.reader.raiseDeps(deps);
    held.reader.next(SKIPPED, () => {});
    held.nextSeq++;
  }

  #finish(queue: Queue, done: (chunk: Chunk) => void): void {
    const finished = queue.chunks.shift();
    if (finished === undefined) return;
    this.#bytes -= finished.chunk.bytes.length;
    done(finished.chunk);
  }

  /** What each waiting origin waits for. */
  waits(vector: VersionVector, running: (origin: Origin) => VersionVector): Wait[] {
    const waits: Wait[] = [];
    for (const [origin, queue] of this.#queues) {
      const head = queue.chunks[0];
      if (head === undefined) continue;
      const missing = missingOf(running(origin), vector, origin);
      waits.push({ origin, seq: head.nextSeq, sender: head.sender, missing, sinceMs: queue.waitingSinceMs });
    }
    return waits;
  }

  /** Drops what is held of nodes' incarnations that are superseded or of everything below a snapshot; nothing is lost by it. */
  forget(gone: (origin: Origin, last: number) => boolean): void {
    for (const [origin, queue] of this.#queues) {
      if (!gone(origin, queue.last)) continue;
      for (const held of queue.chunks) this.#bytes -= held.chunk.bytes.length;
      this.#queues.delete(origin);
    }
  }

  /** Nodes with something held. */
  nodes(): Set<number> {
    return new Set([...this.#queues.keys()].map((origin) => nodeOf(origin)));
  }
}

const SKIPPED: Update = new Update();

/** The first of the deps that the vector lacks; an origin's own earlier transactions are in order anyway. */
function missingOf(deps: VersionVector, vector: VersionVector, own: Origin): readonly [Origin, number] | null {
  for (const [origin, seq] of deps.dots()) if (origin !== own && vector.get(origin) < seq) return [origin, seq];
  return null;
}
