import type {
  AppendRequest,
  Entry,
  GroupConfig,
  Message,
  SnapshotChunk,
  VoteRequest,
  PersistBatch,
} from '../../src/quorum/messages.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { EntryKind } from '../../src/quorum/messages.ts';
import type { RaftLimits, RaftTiming } from '../../src/quorum/options.ts';
import { Raft, type RaftOutputs } from '../../src/quorum/raft.ts';
import { Disk } from './disk.ts';
import { EMPTY_MACHINE } from './machine.ts';
import { LIMITS, TIMING } from './world.ts';

export interface LoneOptions {
  readonly config?: GroupConfig;
  readonly timing?: Partial<RaftTiming>;
  readonly limits?: Partial<RaftLimits>;
}

const THREE: GroupConfig = { voters: [1, 2, 3], learners: [] };

/** Member 1 alone with whoever writes its messages; its disk works when it is told to, if `isDiskHeld`. */
export class Lone {
  disk: Disk = new Disk();
  raft: Raft;
  nowMs = 10_000;
  isDiskHeld = false;
  /** All since `clear`. */
  readonly said: Message[] = [];
  readonly committed: Entry[] = [];
  readonly reads: RaftOutputs['reads'][number][] = [];
  readonly overwritten: RaftOutputs['overwritten'][number][] = [];
  readonly installs: NonNullable<RaftOutputs['install']>[] = [];
  readonly snapshotsWanted: number[] = [];
  readonly batches: PersistBatch[] = [];
  /** By batch that was ended: whether there was something to do because of that. */
  readonly wasBusy: boolean[] = [];
  #underWay: RaftOutputs['persist'] = null;
  readonly #options: LoneOptions;
  readonly #random: SeededRandom = new SeededRandom(1);

  constructor(options: LoneOptions = {}) {
    this.#options = options;
    this.raft = this.#start();
  }

  #start(): Raft {
    const raft = new Raft({
      id: 1,
      config: this.#options.config ?? THREE,
      restored: this.disk.restored(),
      timing: { ...TIMING, ...this.#options.timing },
      limits: { ...LIMITS, ...this.#options.limits },
      random: () => this.#random.unit(),
    });
    raft.tick(this.nowMs);
    return raft;
  }

  /** What is not on disk is gone. */
  restart(): void {
    this.#underWay = null;
    this.said.length = 0;
    this.raft = this.#start();
    this.settle();
  }

  /** Time in which this node's earlier promises to a leader run out. */
  forget(): this {
    return this.pass(TIMING.electionMs);
  }

  /** The clock goes on; nothing is due of itself. */
  pass(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  tick(ms = 0): this {
    this.nowMs += ms;
    this.raft.tick(this.nowMs);
    return this.settle();
  }

  step(...messages: readonly Message[]): this {
    for (const message of messages) {
      this.raft.step(message, this.nowMs);
      this.settle();
    }
    return this;
  }

  /** The disk ends what is under way, and what comes after that. */
  save(): this {
    if (this.#underWay === null) return this;
    // What a snapshot says is not this machine's business.
    this.disk.write(this.#underWay, () => EMPTY_MACHINE);
    this.#underWay = null;
    this.wasBusy.push(this.raft.persisted());
    return this.settle();
  }

  settle(): this {
    const outputs = this.raft.takeOutputs();
    this.said.push(...outputs.messages);
    this.committed.push(...outputs.committed);
    this.reads.push(...outputs.reads);
    this.overwritten.push(...outputs.overwritten);
    this.snapshotsWanted.push(...outputs.snapshotsWanted);
    if (outputs.install !== null) this.installs.push(outputs.install);
    if (outputs.discardUpTo !== null) this.disk.discard(outputs.discardUpTo);
    if (outputs.persist !== null) {
      this.#underWay = outputs.persist;
      this.batches.push(outputs.persist);
    }
    if (!this.isDiskHeld) this.save();
    return this;
  }

  /** Takes what was said since the last time, of one kind. */
  take<T extends Message['type']>(type: T): Extract<Message, { type: T }>[] {
    const of = this.said.filter((message): message is Extract<Message, { type: T }> => message.type === type);
    this.said.length = 0;
    return of;
  }

  /** Terms of the log, from 1 on. */
  get terms(): (number | null)[] {
    return Array.from({ length: this.raft.lastIndex }, (_, offset) => this.raft.termAt(offset + 1));
  }

  /** Member 1 leads `term`: 2 and 3 vote for it. */
  lead(): this {
    this.forget();
    this.raft.campaign(this.nowMs);
    this.settle();
    const others = this.raft.config.voters.filter((voter) => voter !== 1);
    for (const isPreVote of [true, false]) {
      const term = isPreVote ? this.raft.term + 1 : this.raft.term;
      for (const from of others) {
        this.step({ type: 'vote-response', from, to: 1, term, isPreVote, isGranted: true });
      }
    }
    if (this.raft.role !== 'leader') throw new Error('it does not lead');
    return this;
  }

  /** `from` accepts all up to `index` and echoes `round`. */
  accepts(from: number, index: number, round = 0): this {
    return this.step(accepted(this.raft.term, index, { from, round }));
  }
}

export function entriesOf(...places: readonly (readonly [index: number, term: number])[]): Entry[] {
  return places.map(([index, term]) => {
    return { index, term, kind: EntryKind.Command, data: new Uint8Array([index, term]) };
  });
}

/** From member 2, the leader of `term`. */
export function append(
  term: number,
  [previousIndex, previousTerm]: readonly [number, number],
  entries: readonly Entry[],
  rest: Partial<AppendRequest> = {},
): AppendRequest {
  return { type: 'append', from: 2, to: 1, term, previousIndex, previousTerm, entries, commit: 0, round: 1, ...rest };
}

export function accepted(term: number, index: number, rest: { from?: number; round?: number } = {}): Message {
  return {
    type: 'append-response',
    from: 2,
    to: 1,
    term,
    isAccepted: true,
    previousIndex: 0,
    index,
    conflictTerm: 0,
    round: 0,
    ...rest,
  };
}

export function vote(term: number, rest: Partial<VoteRequest> = {}): VoteRequest {
  return {
    type: 'vote',
    from: 2,
    to: 1,
    term,
    isPreVote: false,
    lastIndex: 0,
    lastTerm: 0,
    isTransfer: false,
    ...rest,
  };
}

export function chunk(term: number, index: number, ofTerm: number, rest: Partial<SnapshotChunk> = {}): SnapshotChunk {
  const bytes = rest.bytes ?? new TextEncoder().encode(JSON.stringify({ index, digest: 0, values: [] }));
  return {
    type: 'snapshot',
    from: 2,
    to: 1,
    term,
    meta: { index, term: ofTerm, config: THREE, configIndex: 0 },
    offset: 0,
    isLast: true,
    transfer: 1,
    bytes,
    round: 0,
    ...rest,
  };
}
