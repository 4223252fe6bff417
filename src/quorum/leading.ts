import { majorityValue } from './majority.ts';
import type { GroupConfig } from './messages.ts';
import { Progress } from './progress.ts';
import { ReadQueue } from './read-queue.ts';
import { Rounds } from './rounds.ts';

/** A leadership that is being handed over (thesis, 3.10). */
export interface Transfer {
  readonly to: number;
  readonly deadlineMs: number;
  /** The other was told: it may campaign at any time from now on. */
  isTold: boolean;
}

/** What only a leader has; it ends with its leadership. */
export class Leading {
  /** Snapshots that were begun for followers. */
  transfersBegun = 0;
  readonly id: number;
  /** The first entry of the own term. */
  readonly noopIndex: number;
  readonly progress: Map<number, Progress> = new Map();
  readonly rounds: Rounds = new Rounds();
  readonly reads: ReadQueue = new ReadQueue();
  transfer: Transfer | null = null;
  /** Someone was told to campaign past the others' leases: until the term ends there is no lease that others keep. */
  isLeaseGone = false;
  heartbeatDueMs: number;

  constructor(id: number, noopIndex: number, nowMs: number) {
    this.id = id;
    this.noopIndex = noopIndex;
    this.heartbeatDueMs = nowMs;
  }

  /** Progress of exactly the other members of a configuration. */
  follow(config: GroupConfig, next: number, nowMs: number): void {
    const others = new Set([...config.voters, ...config.learners].filter((node) => node !== this.id));
    for (const node of this.progress.keys()) if (!others.has(node)) this.progress.delete(node);
    for (const node of others) if (!this.progress.has(node)) this.progress.set(node, new Progress(next, nowMs));
  }

  /** A member waits for what is committed: it is told with this turn. */
  tellCommit(node: number): void {
    const progress = this.progress.get(node);
    if (progress !== undefined) progress.commitDueMs = -Infinity;
  }

  /** When a member is to hear of what is committed, or to get what was gathered for it; Infinity for none. */
  get messageDueMs(): number {
    let dueMs = Infinity;
    for (const { commitDueMs, gatherDueMs } of this.progress.values())
      dueMs = Math.min(dueMs, commitDueMs, gatherDueMs);
    return dueMs;
  }

  /** Whether whoever could get what is new is to get it together with more: nobody, this node's disk included, has to have it before. */
  get isGathering(): boolean {
    let isGathering = false;
    for (const { gatherDueMs, isSpare, state } of this.progress.values()) {
      if (isSpare) continue;
      if (state === 'replicate' && gatherDueMs === Infinity) return false;
      if (gatherDueMs < Infinity) isGathering = true;
    }
    return isGathering;
  }

  /** What a majority of voters has reached; `own` is this node's value where it votes. */
  #majority(config: GroupConfig, own: number, valueOf: (progress: Progress) => number): number {
    return majorityValue(config.voters, (voter) => {
      if (voter === this.id) return own;
      const progress = this.progress.get(voter);
      return progress === undefined ? -Infinity : valueOf(progress);
    });
  }

  matchedByMajority(config: GroupConfig, ownDurable: number): number {
    return this.#majority(config, ownDurable, (progress) => progress.match);
  }

  echoedByMajority(config: GroupConfig): number {
    return this.#majority(config, this.rounds.current, (progress) => progress.echoedRound);
  }

  /** The latest time at which all of some quorum had been heard. */
  heardFromMajorityMs(config: GroupConfig, nowMs: number): number {
    return this.#majority(config, nowMs, (progress) => progress.lastHeardMs);
  }
}
