import type { Origin } from '../clock/origin.ts';
import { incarnationOf, nodeOf } from '../clock/origin.ts';
import { stampOfMs, type Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { Update } from '../crdt/update.ts';
import type { ColumnsReader } from './columns-reader.ts';
import type { Chunk } from './op-log.ts';
import type { Now } from './replica.ts';

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

/** An origin's chunks in their order. Those at its front go one by one, so what went is only cut off now and then. */
class Queue {
  #chunks: HeldChunk[] = [];
  #head = 0;
  /** The highest sequence held. */
  last: number;
  waitingSinceMs: number;

  constructor(last: number, waitingSinceMs: number) {
    this.last = last;
    this.waitingSinceMs = waitingSinceMs;
  }

  get first(): HeldChunk | undefined {
    return this.#chunks[this.#head];
  }

  get chunks(): readonly HeldChunk[] {
    return this.#chunks.slice(this.#head);
  }

  push(held: HeldChunk): void {
    this.#chunks.push(held);
    this.last = held.chunk.last;
  }

  shift(): void {
    this.#head++;
    if (this.#head < this.#chunks.length && this.#head < QUEUE_HEAD_MAX) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#head = 0;
  }
}

const QUEUE_HEAD_MAX = 1_024;

/** What became of a chunk. */
export type Taken = 'held' | 'duplicate' | 'gap' | 'full';

/** How far all would be if something were there. */
export interface Reach {
  readonly vector: VersionVector;
  /**
   * What has to come before the next transaction of an origin can be reached: one that is neither there nor held. Null where that
   * cannot be said: it waits for its stamp's time, or for what waits for it.
   */
  barrier(origin: Origin): readonly [Origin, number] | null;
}

/** Where transactions are delivered. */
export interface DeliveryTarget {
  /** An origin's deps at its last applied transaction. */
  running(origin: Origin): VersionVector;
  /** Applies the next transaction of the chunk; returns what it cost of the budget, 1 at least. */
  deliverNext(held: HeldChunk, deps: VersionVector): number;
  /** So many transactions of an origin in a row were applied, the last of them with this stamp: raises the vector. Nobody looks before. */
  delivered(origin: Origin, last: number, count: number, stamp: Stamp): void;
  /** The last transaction of a chunk was applied. */
  done(chunk: Chunk): void;
}

export interface HoldBackOptions {
  readonly bytesMax: number;
  /** How far a stamp may be ahead of the local clock, milliseconds. */
  readonly skewMsMax: number;
}

/**
 * Transactions that came and whose causes did not yet (DESIGN section 4). Per origin, in its order, no gaps. The head is delivered when
 * its deps are within the local vector and its stamp is not too far ahead (RULES D3). The bytes are bounded without ever stopping
 * to read a link: past the bound the newest is dropped, for its sender to send again. Two things pass the bound (D2): what was
 * asked for, and the next chunk of an origin of which nothing is held, for the cause that everything here waits for is such a one.
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

  /** Whether anything of an origin is held. */
  holds(origin: Origin): boolean {
    return this.#queues.has(origin);
  }

  /** Takes a chunk in. `asked`: it was fetched because something waits for it, and passes the bound. */
  take(held: HeldChunk, applied: number, asked: boolean, monotonicMs: number): Taken {
    const { chunk } = held;
    const tail = this.tail(chunk.origin, applied);
    if (chunk.last <= tail) return 'duplicate';
    if (chunk.first > tail + 1) return 'gap';
    let queue = this.#queues.get(chunk.origin);
    const passes = asked || queue === undefined;
    if (!passes && this.#bytes + chunk.bytes.length > this.#options.bytesMax) return 'full';
    if (queue === undefined) {
      queue = new Queue(applied, monotonicMs);
      this.#queues.set(chunk.origin, queue);
    }
    queue.push(held);
    this.#bytes += chunk.bytes.length;
    return 'held';
  }

  /**
   * Delivers what can be, in causal order, and stops where `budget` is spent; says whether it stopped for that. Each origin has its
   * share of the budget, so that none waits for another one's thousands.
   */
  drain(vector: VersionVector, closed: VersionVector, now: Now, budget: number, target: DeliveryTarget): boolean {
    const latestStamp = stampOfMs(now.wallMs + this.#options.skewMsMax);
    const share = Math.ceil(budget / Math.max(1, this.#queues.size));
    let left = budget;
    for (let progress = true; progress;) {
      progress = false;
      for (const [origin, queue] of this.#queues) {
        if (left <= 0) return true;
        const spent = this.#drainOrigin(origin, queue, vector, closed, latestStamp, Math.min(share, left), target);
        if (queue.first === undefined) this.#queues.delete(origin);
        if (spent === 0) continue;
        left -= spent;
        queue.waitingSinceMs = now.monotonicMs;
        progress = true;
      }
    }
    return false;
  }

  /** Returns what of the budget was spent; 0 where nothing could be delivered. */
  #drainOrigin(
    origin: Origin,
    queue: Queue,
    vector: VersionVector,
    closed: VersionVector,
    latestStamp: number,
    budget: number,
    target: DeliveryTarget,
  ): number {
    const deps = target.running(origin);
    const before = vector.get(origin);
    let applied = before;
    let stamp = 0;
    let spent = 0;
    for (let held = queue.first; held !== undefined; held = queue.first) {
      const { reader } = held;
      const { last } = held.chunk;
      while (held.nextSeq <= last && held.nextSeq <= applied) this.#skip(held, deps);
      let isStopped = false;
      while (held.nextSeq <= last) {
        isStopped = spent >= budget || reader.stamp > latestStamp || reader.missingDep(vector, closed, origin) !== null;
        if (isStopped) break;
        // only now: the running deps are those of what is applied, never of a head that waits (RULES D1)
        reader.raiseDeps(deps);
        stamp = reader.stamp;
        spent += target.deliverNext(held, deps);
        applied = held.nextSeq++;
      }
      if (isStopped) break;
      queue.shift();
      this.#bytes -= held.chunk.bytes.length;
      target.done(held.chunk);
    }
    if (applied > before) target.delivered(origin, applied, applied - before, stamp as Stamp);
    return spent;
  }

  /** How far all would be if `vector` were there and then all were delivered that can be. Delivers nothing. */
  reach(vector: VersionVector, closed: VersionVector, wallMs: number): Reach {
    const latestStamp = stampOfMs(wallMs + this.#options.skewMsMax);
    const reached = vector.clone();
    const left = [...this.#queues].map(([origin, { chunks }]) => ({ origin, forks: chunks.map(forkOf) }));
    for (let progress = true; progress;) {
      progress = false;
      for (const { origin, forks } of left) {
        for (let fork = forks[0]; fork !== undefined; fork = forks[0]) {
          const { last, nextSeq, reader } = fork;
          if (nextSeq > last) {
            forks.shift();
            continue;
          }
          if (nextSeq > reached.get(origin)) {
            if (reader.stamp > latestStamp || reader.missingDep(reached, closed, origin) !== null) break;
            reached.raise(origin, nextSeq);
            progress = true;
          }
          reader.next(SKIPPED, () => {});
          fork.nextSeq++;
        }
      }
    }
    const heads = new Map(
      left.flatMap(({ origin, forks: [head] }) => (head === undefined ? [] : [[origin, head.reader]])),
    );
    const barrier = (of: Origin): readonly [Origin, number] | null => {
      const passed = new Set<Origin>();
      for (let origin = of; !passed.has(origin);) {
        const head = heads.get(origin);
        if (head === undefined) return [origin, reached.get(origin) + 1];
        passed.add(origin);
        origin = head.missingDep(reached, closed, origin)?.[0] ?? origin;
      }
      return null;
    };
    return { vector: reached, barrier };
  }

  /** Moves past a transaction that came another way meanwhile. */
  #skip(held: HeldChunk, deps: VersionVector): void {
    held.reader.raiseDeps(deps);
    held.reader.next(SKIPPED, () => {});
    held.nextSeq++;
  }

  /** What each waiting origin waits for. */
  waits(vector: VersionVector, closed: VersionVector): Wait[] {
    const waits: Wait[] = [];
    for (const [origin, queue] of this.#queues) {
      const head = queue.first;
      if (head === undefined) continue;
      const missing = head.reader.missingDep(vector, closed, origin);
      waits.push({ origin, seq: head.nextSeq, sender: head.sender, missing, sinceMs: queue.waitingSinceMs });
    }
    return waits;
  }

  /** Drops what is held of origins that are here whole by another way; nothing is lost by it. */
  forget(gone: (origin: Origin, last: number) => boolean): void {
    for (const [origin, queue] of this.#queues) {
      if (!gone(origin, queue.last)) continue;
      for (const held of queue.chunks) this.#bytes -= held.chunk.bytes.length;
      this.#queues.delete(origin);
    }
  }

  /** The lowest incarnation of a node of which something is held; Infinity for none. */
  lowestHeld(node: number): number {
    let lowest = Infinity;
    for (const origin of this.#queues.keys()) {
      if (nodeOf(origin) === node) lowest = Math.min(lowest, incarnationOf(origin));
    }
    return lowest;
  }
}

const SKIPPED: Update = new Update();

function forkOf({ chunk, nextSeq, reader }: HeldChunk): { last: number; nextSeq: number; reader: ColumnsReader } {
  return { last: chunk.last, nextSeq, reader: reader.fork() };
}
