import { CausewayError } from '../errors.ts';
import { Durability } from './durability.ts';
import { ConfigHistory, decodeConfig } from './group-config.ts';
import type { Leading } from './leading.ts';
import { RaftLog } from './log.ts';
import { ABSTAINS, type Entry, EntryKind, type Message, type SnapshotMeta } from './messages.ts';
import type { RaftLimits, RaftOptions, RaftTiming, Restored } from './options.ts';
import { OwnProposals, type ProposalPlace } from './own-proposals.ts';
import { AskedReads } from './asked-reads.ts';
import type { PartialSnapshot } from './snapshot-transfer.ts';

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** The outcome of a read: wait until `index` is applied, then read; null: nobody could say, ask again. */
export interface ReadOutcome {
  readonly id: number;
  readonly index: number | null;
}

/** A snapshot that replaces the state machine. */
export interface Install {
  readonly meta: SnapshotMeta;
}

/** What one member has (Raft paper, figure 2) and what it has to say; the rules are in the files beside. */
export class RaftState {
  readonly id: number;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly random: () => number;

  readonly log: RaftLog;
  readonly configs: ConfigHistory;
  readonly durability: Durability = new Durability();
  readonly proposals: OwnProposals = new OwnProposals();
  readonly asked: AskedReads;

  term = 0;
  votedFor = 0;
  /** Earlier promises were lost with the disk: it votes for nobody until it is no voter any more (see `Raft.abstain`). */
  abstains = false;
  commit = 0;
  /** Entries up to here were handed out as committed. */
  handedOut = 0;
  role: Role = 'follower';
  /** 0 for unknown. */
  leader = 0;
  leading: Leading | null = null;
  readonly votes: Map<number, boolean> = new Map();
  /** The batch that has this candidate's vote for itself. */
  ownVoteBatch = 0;

  /** The newest time that was said; never goes back. Before the first it is not known. */
  nowMs: number = -Infinity;
  electionDeadlineMs: number = Infinity;
  /** When a leader was heard last. */
  heardLeaderMs: number = -Infinity;
  /** Before, this node's earlier life may have made promises to a leader that still rests on them. */
  voteFromMs: number = Infinity;

  partial: PartialSnapshot | null = null;
  /** Complete and not yet on its way to disk. */
  received: Install | null = null;
  /** In the batch under way. */
  installing: Install | null = null;

  messages: Message[] = [];
  reads: ReadOutcome[] = [];
  install: Install | null = null;
  readonly snapshotsWanted: Set<number> = new Set();
  overwritten: ProposalPlace[] = [];
  discardUpTo: number | null = null;

  constructor(options: RaftOptions) {
    const { id, timing, limits, random, restored } = options;
    this.id = id;
    this.timing = timing;
    this.limits = limits;
    this.random = random;
    this.asked = new AskedReads(random);
    const meta = restored?.snapshotMeta ?? { index: 0, term: 0, config: options.config, configIndex: 0 };
    this.log = restored === null ? new RaftLog(0, 0, []) : restoredLog(restored, meta);
    this.configs = new ConfigHistory(meta.configIndex, meta.config);
    if (restored === null) return;
    this.term = restored.hardState.term;
    this.votedFor = restored.hardState.votedFor;
    this.abstains = this.votedFor === ABSTAINS;
    this.handedOut = Math.max(restored.applied, meta.index);
    this.commit = Math.max(this.handedOut, Math.min(restored.hardState.commit, this.log.lastIndex));
    for (const entry of restored.entries) if (entry.index > meta.configIndex) this.noteConfig(entry);
    if (this.log.lastTerm > this.term) throw broken(`the log's last term is beyond the term ${this.term}`);
    if (this.handedOut > this.log.lastIndex) throw broken(`${this.handedOut} is applied, the log ends before`);
  }

  /** Whether this node's vote counts in the configuration of now. */
  get isVoter(): boolean {
    return this.configs.current.voters.includes(this.id);
  }

  /** Keeps the configuration that an appended entry has, if it has one. */
  noteConfig(entry: Entry): void {
    const config = entry.kind === EntryKind.Config ? decodeConfig(entry.data) : null;
    if (config !== null) this.configs.append(entry.index, config);
  }

  /** Leaves at once. */
  send(message: Message): void {
    this.messages.push(message);
  }

  /** Leaves when the batch is on disk. */
  sendAfter(batch: number, message: Message): void {
    if (this.durability.isDurable(batch)) this.messages.push(message);
    else this.durability.hold(batch, message);
  }

  /** The batch whose end makes all of this node's state of now durable. */
  get batchOfAll(): number {
    return this.durability.batchOfAll(this.log.hasUnsaved || this.received !== null);
  }

  resetElectionTimer(): void {
    this.electionDeadlineMs = this.nowMs + this.timing.electionMs + this.random() * this.timing.electionSpreadMs;
  }

  /** What is committed is decided for ever, also for this node's own proposals there. */
  /** Once it is decided that this node does not vote, what it promised before binds nobody any more. */
  endAbstention(): void {
    const decided = this.configs.at(this.commit)?.config;
    if (!this.abstains || decided === undefined || decided.voters.includes(this.id)) return;
    this.abstains = false;
    this.votedFor = 0;
    this.durability.hardStateChanged();
  }

  commitUpTo(index: number): void {
    if (index <= this.commit) return;
    this.commit = index;
    this.endAbstention();
    const happened = (place: ProposalPlace): boolean => this.log.termAt(place.index) === place.term;
    this.overwritten.push(...this.proposals.decided(index, this.log.termAt(index) ?? 0, happened));
  }
}

/** The log from disk: its base is the snapshot, or the first entry where older ones than the snapshot's are still there. */
function restoredLog({ entries }: Restored, meta: SnapshotMeta): RaftLog {
  const [first] = entries;
  for (const [offset, entry] of entries.entries()) {
    if (entry.index !== (first?.index ?? 0) + offset) throw broken(`there is a gap before the entry ${entry.index}`);
  }
  const last = entries.at(-1);
  if (first === undefined || last === undefined || last.index < meta.index)
    return new RaftLog(meta.index, meta.term, []);
  if (first.index > meta.index + 1) throw broken(`entries from ${meta.index + 1} to ${first.index} are not there`);
  if (first.index > meta.index) return new RaftLog(meta.index, meta.term, entries);
  const log = new RaftLog(first.index, first.term, entries.slice(1));
  if (log.termAt(meta.index) !== meta.term) throw broken(`the log differs from its snapshot at ${meta.index}`);
  return log;
}

function broken(what: string): CausewayError {
  return new CausewayError('STORE', `the log on disk is damaged: ${what}`);
}
