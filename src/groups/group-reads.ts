import { LinkedList } from '../base/linked-list.ts';
import type { StrongRequestFrame } from './strong-frames.ts';

/** Who asked, and under which number. */
export interface Ticket {
  readonly node: number;
  readonly serial: number;
}

/** A read that waits until it may be run. */
export interface ReadJob {
  readonly ticket: Ticket;
  readonly frame: StrongRequestFrame;
  /** Nobody waits for it after this. */
  readonly untilMs: number;
}

interface Confirmed {
  readonly job: ReadJob;
  readonly index: number;
}

export interface ReadsHost {
  /** Whether there is room for a large answer to a node. */
  hasRoom(node: number): boolean;
  /** Runs and answers it; false where there is no room for its answer. */
  run(job: ReadJob): boolean;
  refuse(job: ReadJob): void;
}

/** Reads that wait for room of answers, all together; more are refused. */
const HELD_MAX = 100_000;

/**
 * Reads of the leader: each waits for the index that makes it linearizable, until that is applied, and then for room of its answer at
 * who asked. How large that is shows when it is run: what is small does not wait behind what is large.
 */
export class GroupReads {
  readonly #host: ReadsHost;
  readonly #asked: Map<number, ReadJob> = new Map();
  /** Their indexes do not fall: who asked later waits for as much or more. */
  readonly #confirmed: LinkedList<Confirmed> = new LinkedList();
  /** By the node that asked. */
  readonly #held: Map<number, LinkedList<ReadJob>> = new Map();
  #heldCount = 0;

  constructor(host: ReadsHost) {
    this.#host = host;
  }

  ask(id: number, job: ReadJob): void {
    this.#asked.set(id, job);
  }

  /** The machine's answer: what must be applied first, null where it cannot say. */
  confirmed(id: number, index: number | null): void {
    const job = this.#asked.get(id);
    if (job === undefined) return;
    this.#asked.delete(id);
    if (index === null) this.#host.refuse(job);
    else this.#confirmed.append({ job, index });
  }

  /** Runs what may be. */
  run(applied: number, nowMs: number): void {
    const confirmed = this.#confirmed;
    for (let next = confirmed.first; next !== undefined && next.index <= applied; next = confirmed.first) {
      confirmed.shift();
      this.#runOrHold(next.job);
    }
    for (const [node, list] of this.#held) this.#runHeld(node, list, nowMs);
  }

  #runOrHold(job: ReadJob): void {
    const { node } = job.ticket;
    if (this.#host.run(job)) return;
    if (this.#heldCount >= HELD_MAX) return this.#host.refuse(job);
    this.#heldCount++;
    const list = this.#held.get(node) ?? new LinkedList<ReadJob>();
    list.append(job);
    this.#held.set(node, list);
  }

  #runHeld(node: number, list: LinkedList<ReadJob>, nowMs: number): void {
    for (let job = list.first; job !== undefined; job = list.first) {
      const isWanted = job.untilMs > nowMs;
      if (isWanted && (!this.#host.hasRoom(node) || !this.#host.run(job))) return;
      list.shift();
      this.#heldCount--;
    }
    this.#held.delete(node);
  }

  /** This node leads no more. */
  refuseAll(): void {
    const jobs = [...this.#asked.values()];
    this.#asked.clear();
    for (let next = this.#confirmed.shift(); next !== undefined; next = this.#confirmed.shift()) jobs.push(next.job);
    for (const list of this.#held.values())
      for (let job = list.shift(); job !== undefined; job = list.shift()) jobs.push(job);
    this.#held.clear();
    this.#heldCount = 0;
    for (const job of jobs) this.#host.refuse(job);
  }
}
