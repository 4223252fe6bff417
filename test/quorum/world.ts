import type { GroupConfig, Message } from '../../src/quorum/messages.ts';
import type { RaftLimits, RaftTiming } from '../../src/quorum/options.ts';
import { EventQueue } from '../support/event-queue.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { Invariants } from './invariants.ts';
import { Member } from './member.ts';

export const TIMING: RaftTiming = {
  electionMs: 1000,
  electionSpreadMs: 1000,
  heartbeatMs: 100,
  commitNoteMs: 0,
  gatherMs: 0,
  spareMs: 0,
  leaseMs: 900,
  pauseMs: 400,
};

export const LIMITS: RaftLimits = {
  appendBytesMax: 4096,
  inflightMax: 8,
  inflightBytesMax: 16_384,
  entryBytesMax: 4096,
  unappliedBytesMax: 65_536,
  snapshotChunkBytes: 64,
  snapshotTurnBytes: 200,
  snapshotBytesMax: 65_536,
  slackBytesMax: 1,
  readsMax: 100,
};

export interface WorldOptions {
  readonly voters: readonly number[];
  readonly learners?: readonly number[];
  readonly seed?: number;
  readonly timing?: Partial<RaftTiming>;
  readonly limits?: Partial<RaftLimits>;
}

/** How a message fares: its delay, or nothing for a loss; several for duplicates. */
export type Fate = (message: Message) => readonly number[];

/** Members of one group in virtual time, with a network and disks that fail as they are told. Every step is checked. */
export class World {
  readonly random: SeededRandom;
  readonly config: GroupConfig;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly members: Map<number, Member> = new Map();
  readonly invariants: Invariants = new Invariants(this);
  /** Pairs `from>to` that carry nothing. */
  readonly cut: Set<string> = new Set();
  fate: Fate = () => [10];
  /** Sees every message that leaves. */
  tap: (message: Message) => void = () => {};
  nowMs = 0;
  steps = 0;
  readonly #events: EventQueue = new EventQueue();

  constructor(options: WorldOptions) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.timing = { ...TIMING, ...options.timing };
    this.limits = { ...LIMITS, ...options.limits };
    this.config = { voters: options.voters, learners: options.learners ?? [] };
    for (const id of [...this.config.voters, ...this.config.learners]) this.add(id);
  }

  /** A further member, which has nothing yet. */
  add(id: number): Member {
    const member = new Member(this, id);
    this.members.set(id, member);
    member.start();
    return member;
  }

  member(id: number): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  get all(): Member[] {
    return [...this.members.values()];
  }

  /** The leader of the highest term; undefined while nobody leads. */
  get leader(): Member | undefined {
    return this.all
      .filter((member) => member.raft?.role === 'leader')
      .sort((one, other) => (other.raft?.term ?? 0) - (one.raft?.term ?? 0))[0];
  }

  at(atMs: number, run: () => void): void {
    this.#events.push(atMs, run);
  }

  carry(message: Message): void {
    this.tap(message);
    if (this.cut.has(`${message.from}>${message.to}`)) return;
    for (const delayMs of this.fate(message)) this.deliverAt(this.nowMs + delayMs, message);
  }

  deliverAt(atMs: number, message: Message): void {
    this.at(atMs, () => {
      if (!this.cut.has(`${message.from}>${message.to}`)) this.members.get(message.to)?.receive(message);
    });
  }

  /** Both ways between the two sides. */
  part(side: readonly number[], other: readonly number[]): void {
    for (const from of side) for (const to of other) this.cut.add(`${from}>${to}`).add(`${to}>${from}`);
  }

  isolate(id: number): void {
    this.part(
      [id],
      [...this.members.keys()].filter((other) => other !== id),
    );
  }

  heal(): void {
    this.cut.clear();
  }

  /** Carries out what is due first, if that is by `untilMs`. False when nothing is. */
  step(untilMs: number): boolean {
    const timer = this.all.reduce<Member | null>(
      (first, member) => (member.timerMs < (first?.timerMs ?? Infinity) ? member : first),
      null,
    );
    const dueMs = Math.min(this.#events.nextMs, timer?.timerMs ?? Infinity);
    if (dueMs > untilMs) return false;
    this.nowMs = Math.max(this.nowMs, dueMs);
    this.steps += 1;
    if (timer !== null && timer.timerMs <= this.#events.nextMs) timer.tick();
    else this.#events.pop()?.run();
    this.invariants.check();
    return true;
  }

  run(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    while (this.step(untilMs));
    this.nowMs = untilMs;
  }

  /** Runs until it is so; throws where it is not within the time. */
  until(isSo: () => boolean, limitMs = 60_000): void {
    const untilMs = this.nowMs + limitMs;
    while (!isSo()) if (!this.step(untilMs)) throw new Error('it did not come to be');
  }

  /** Runs until somebody leads and has committed an entry of its term; returns that member. */
  elect(): Member {
    let led: Member | undefined;
    this.until(() => {
      led = this.leader;
      return led?.raft !== null && led?.raft !== undefined && led.raft.termAt(led.raft.commit) === led.raft.term;
    });
    if (led === undefined) throw new Error('nobody leads');
    return led;
  }
}
