import { LinkedList } from '../base/linked-list.ts';
import type { LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';

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

type Done = Extract<LeaderAnswer, { kind: 'done' }>;

export interface ReadsHost {
  /** Whether there is room for an answer of so many bytes to a node. */
  hasRoom(node: number, bytes: number): boolean;
  /** Runs a read. */
  run(job: ReadJob): Done;
  answer(job: ReadJob, answer: LeaderAnswer): void;
}

/** Reads that wait for room of answers, all together; more are refused. */
const HELD_MAX = 100_000;
/** When so many bytes were read in a turn the rest waits for the next: heartbeats come between. */
const TURN_BYTES = 8 * 1024 * 1024;

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
  /** Read in this turn. */
  #turnBytes = 0;

  constructor(host: ReadsHost) {
    this.#host = host;
  }

  /** Whether none waits for what is to be applied, or for room of its answer. */
  get isIdle(): boolean {
    return this.#heldCount === 0 && this.#confirmed.first === undefined;
  }

  ask(id: number, job: ReadJob): void {
    this.#asked.set(id, job);
  }

  /** The machine's answer: what must be applied first, null where it cannot say. */
  confirmed(id: number, index: number | null): void {
    const job = this.#asked.get(id);
    if (job === undefined) return;
    this.#asked.delete(id);
    if (index === null) this.#host.answer(job, REFUSED);
    else this.#confirmed.append({ job, index });
  }

  /** Runs what may be; false where some of it is left for the next turn. */
  run(applied: number, nowMs: number): boolean {
    this.#turnBytes = 0;
    // held ones first, or those that come would take their room
    for (const [node, list] of this.#held) this.#runHeld(node, list, nowMs);
    const confirmed = this.#confirmed;
    for (let next = confirmed.first; next !== undefined && next.index <= applied; next = confirmed.first) {
      if (this.#turnBytes >= TURN_BYTES) return false;
      confirmed.shift();
      if (!this.#run(next.job)) this.#hold(next.job);
    }
    return this.#turnBytes < TURN_BYTES || this.#heldCount === 0;
  }

  /** Runs and answers it; false where there is no room for its answer. */
  #run(job: ReadJob): boolean {
    const { node } = job.ticket;
    // for a peer that takes nothing at all it is not even run
    if (!this.#host.hasRoom(node, 0)) return false;
    const answer = this.#host.run(job);
    this.#turnBytes += answer.reply.length;
    if (!this.#host.hasRoom(node, answer.reply.length)) return false;
    this.#host.answer(job, answer);
    return true;
  }

  #hold(job: ReadJob): void {
    const { node } = job.ticket;
    if (this.#heldCount >= HELD_MAX) return this.#host.answer(job, REFUSED);
    this.#heldCount++;
    const list = this.#held.get(node) ?? new LinkedList<ReadJob>();
    list.append(job);
    this.#held.set(node, list);
  }

  #runHeld(node: number, list: LinkedList<ReadJob>, nowMs: number): void {
    for (let job = list.first; job !== undefined; job = list.first) {
      if (job.untilMs > nowMs) {
        if (this.#turnBytes >= TURN_BYTES || !this.#host.hasRoom(node, Infinity) || !this.#run(job)) return;
      }
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
    for (const job of jobs) this.#host.answer(job, REFUSED);
  }
}

const REFUSED: LeaderAnswer = { kind: 'refused' };
