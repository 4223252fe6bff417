import { Numbered } from '../base/numbered.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { Now } from '../causal/replica.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Entry, Message } from '../quorum/messages.ts';
import { EntryKind } from '../quorum/messages.ts';
import type { Raft, RaftOutputs } from '../quorum/raft.ts';
import { CopyAge } from './copy-age.ts';
import type { GroupEntry } from './group-entry.ts';
import { GroupFigures } from './group-figures.ts';
import { GroupOperator } from './group-operator.ts';
import { isAtHome, nearestFirst, rankOf, type GroupPlan } from './group-plan.ts';
import { GroupReads, type ReadJob, type ReadsHost, type Ticket } from './group-reads.ts';
import type { GroupChunk, GroupState } from './group-state.ts';
import { TOO_LARGE } from './request-size.ts';
import { RulesOffer, type OwnRules } from './rules-in-force.ts';
import type { GroupCodec, LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';

/** What a group asks of its node. */
export interface GroupHost {
  send(to: number, message: Message): void;
  /** A leader's answer to a request that came from a node, this one too. */
  answer(to: number, serial: number, answer: LeaderAnswer): void;
  /** Whether another answer of so many bytes may be made for a node: what it has not taken yet is not too much. */
  hasRoom(node: number, bytes: number): boolean;
  /** Whether all of this is applied and shown here. */
  covers(deps: VectorEntries): boolean;
  /** Whether a node is known to show all of it. */
  rowCovers(node: number, deps: VersionVector): boolean;
  /** Whether a node's clock, this one's too, is so far ahead of others' that what it stamps would show nowhere (RULES D3). */
  isClockAhead(node: number): boolean;
  nextStamp(wallMs: number): Stamp;
  /** What this node's classes say of the group's keys. */
  ownRules(): OwnRules;
  /** [0, 1) */
  random(): number;
  nodeId(node: number): string;
}

interface Proposed extends Ticket {
  readonly term: number;
  readonly atMs: number;
  /** What the entry says; null for one that changes the members: then there is no reply but that it is done. */
  readonly entry: GroupEntry | null;
}

interface Admission {
  readonly ticket: Ticket;
  readonly frame: StrongRequestFrame;
  readonly untilMs: number;
}

/** How long a leader waits for what a request's session has seen before it answers BEHIND (RULES T1). */
const ADMISSION_MS_MAX = 1_000;
/** Requests that wait for admission. */
const ADMISSIONS_MAX = 10_000;
/** How often a leader looks whether a node of the home region should lead. */
const PREFER_EVERY_MS = 500;
/** How long after its election it begins to: whoever asked for this leader has said so by then. */
const PREFER_AFTER_MS = 2_000;
/** When a leader looks again that could not remove what has expired. */
const EXPIRE_AGAIN_MS = 200;
/** Turns of the node that a follower's entries wait for what is to be put on disk. */
const TURNS_WAITED_MAX = 2;
const SEEDS = 2 ** 32;

/**
 * One quorum group at one node: its Raft, its state machine, and what clients wait for while this node leads. Pure; what it wants sent,
 * stored and shown is taken with `turn`.
 */
export class Group {
  readonly plan: GroupPlan;
  readonly raft: Raft;
  readonly #self: number;
  readonly #codec: GroupCodec;
  readonly #host: GroupHost;
  #state: GroupState;
  /** By log index: whose proposals of this node's leadership are under way. */
  readonly #proposed: Numbered<Proposed> = new Numbered();
  #admissions: Admission[] = [];
  /** Committed and not applied yet. */
  #waiting: Entry[] = [];
  #turnsWaited = 0;
  /** Whether there is something to be put on disk since the node's last turn. */
  #isKeeping = false;
  /** Whether something was applied at the end of a turn since the last one. */
  #hasSettled = false;
  /** Of what is applied and was proposed here. */
  #answers: { readonly ticket: Ticket; readonly answer: LeaderAnswer }[] = [];
  readonly #reads: GroupReads;
  /** There is more to read than one turn may: the next is to come soon. */
  #isReadingLeft = false;
  #readId = 0;
  #ledTerm = 0;
  #preferAtMs = 0;
  /** The index of the last entry of this leadership that removes what has expired. */
  #expiringUpTo = 0;
  readonly #offer: RulesOffer;
  /** The index of the last entry of this leadership that brings rules. */
  #offeredUpTo = 0;
  /** A leader that may not propose it, or is refused, looks at what has expired again then. */
  #expireNotBeforeMs = 0;
  #ledAtMs = -Infinity;
  readonly #age: CopyAge = new CopyAge();
  readonly #operator: GroupOperator;
  readonly figures: GroupFigures = new GroupFigures();

  constructor(plan: GroupPlan, self: number, raft: Raft, state: GroupState, codec: GroupCodec, host: GroupHost) {
    this.plan = plan;
    this.raft = raft;
    this.#self = self;
    this.#state = state;
    this.#codec = codec;
    this.#host = host;
    this.#offer = new RulesOffer(host.ownRules());
    this.#reads = new GroupReads({
      hasRoom: (node, bytes) => host.hasRoom(node, bytes),
      run: (job) => this.#read(job),
      answer: ({ ticket }, answer) => this.#answer(ticket, answer),
    });
    this.#operator = new GroupOperator(plan, raft, {
      nodeId: (node) => host.nodeId(node),
      showsCauses: (node) => host.rowCovers(node, this.#state.running),
      mayLead: (node) => this.#mayLead(node),
    });
  }

  get state(): GroupState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  // ── requests of clients, here and forwarded ──

  request(from: number, frame: StrongRequestFrame, now: Now): void {
    const ticket = { node: from, serial: frame.request.serial };
    if (!this.isLeader) return this.#host.answer(ticket.node, ticket.serial, { kind: 'refused' });
    if (frame.kind === 'operate') return this.#operate(ticket, frame, now);
    if (frame.kind !== 'write') return this.#beginRead(ticket, frame, now);
    if (this.#host.isClockAhead(this.#self)) {
      const message = `the clock of the leader of group ${this.plan.name} is ahead of most of its peers: the write did not happen`;
      return this.#host.answer(ticket.node, ticket.serial, { kind: 'failed', code: 'CLOCKSKEW', message });
    }
    if (this.#host.covers(frame.deps)) return this.#propose(ticket, frame, now);
    if (this.#admissions.length >= ADMISSIONS_MAX) {
      const message = `group ${this.plan.name} has too many writes that wait for what they have seen (limit admissions-max ${ADMISSIONS_MAX})`;
      return this.#host.answer(ticket.node, ticket.serial, { kind: 'failed', code: 'BEHIND', message });
    }
    const untilMs = now.monotonicMs + Math.min(frame.timeoutMs, ADMISSION_MS_MAX);
    this.#admissions.push({ ticket, frame, untilMs });
  }

  #propose(ticket: Ticket, frame: StrongRequestFrame, now: Now): void {
    if (!this.#offerRules(now)) return this.#answer(ticket, { kind: 'refused' });
    const { request, once, deps, watches, commands, isExec, respVersion, requester } = frame;
    const entry: GroupEntry = {
      kind: 'commands',
      stamp: this.#host.nextStamp(now.wallMs),
      seed: Math.floor(this.#host.random() * SEEDS),
      request,
      once,
      deps,
      watches,
      commands,
      isExec,
      respVersion,
      requester,
    };
    const proposed = this.raft.propose(this.#codec.encodeEntry(entry), now.monotonicMs);
    if (typeof proposed === 'string') this.#host.answer(ticket.node, ticket.serial, refusedProposal(proposed));
    else {
      // its client reads there what it wrote
      this.raft.tellCommit(ticket.node);
      this.#note(ticket, proposed, now, entry);
    }
  }

  /** The rules of this node's classes go into the log where they are due. Says whether what is to run under them may follow. */
  #offerRules(now: Now): boolean {
    const { inForce, applied } = this.#state;
    const own = this.#host.ownRules();
    if (!this.#offer.isDue(inForce, own) || this.#offeredUpTo > applied) return true;
    const { version, pins, rules } = own;
    const stamp = this.#host.nextStamp(now.wallMs);
    const entry: GroupEntry = { kind: 'rules', stamp, over: inForce.index, version, pins, rules: rules.list };
    this.#offeredUpTo = this.#proposeOwn(entry, now);
    return this.#offeredUpTo > 0;
  }

  /** Whether the rules in force are those of this node's classes. */
  get hasOwnRules(): boolean {
    return this.#host.ownRules().rules.text === this.#state.inForce.rules.text;
  }

  #note(
    ticket: Ticket,
    { index, term }: { index: number; term: number },
    { monotonicMs }: Now,
    entry: GroupEntry | null,
  ): void {
    const { node, serial } = ticket;
    this.#proposed.add(index, { node, serial, term, atMs: monotonicMs, entry });
    this.figures.proposalsTotal++;
  }

  #answer({ node, serial }: Ticket, answer: LeaderAnswer): void {
    this.#host.answer(node, serial, answer);
  }

  /** What it has begun is answered when that is committed. */
  #operate(ticket: Ticket, { commands }: StrongRequestFrame, now: Now): void {
    const verdict = this.#operator.operate(commands, this.#state.applied, now);
    if ('kind' in verdict) this.#answer(ticket, verdict);
    else this.#note(ticket, verdict, now, null);
  }

  #beginRead(ticket: Ticket, frame: StrongRequestFrame, now: Now): void {
    const id = ++this.#readId;
    this.#reads.ask(id, { ticket, frame, untilMs: now.monotonicMs + frame.timeoutMs });
    this.raft.readIndex(id, now.monotonicMs);
  }

  #read({ frame: { kind, keys, commands, isExec, respVersion } }: ReadJob): ReturnType<ReadsHost['run']> {
    const index = this.#state.applied;
    if (kind === 'versions') {
      const versions = keys.map((key) => this.#state.versionOf(key));
      return { kind: 'done', reply: NO_REPLY, versions, index };
    }
    const reply = this.#state.read(commands, isExec, respVersion, Math.floor(this.#host.random() * SEEDS));
    return { kind: 'done', reply, versions: NO_VERSIONS, index };
  }

  /** Lets in what waited for its causes, and gives up what waited too long. To be called when this node has applied something. */
  admit(now: Now): void {
    if (this.#admissions.length === 0) return;
    const waiting = this.#admissions;
    this.#admissions = [];
    for (const admission of waiting) {
      const { ticket, frame, untilMs } = admission;
      if (!this.isLeader) this.#host.answer(ticket.node, ticket.serial, { kind: 'refused' });
      else if (this.#host.covers(frame.deps)) this.#propose(ticket, frame, now);
      else if (now.monotonicMs < untilMs) this.#admissions.push(admission);
      else {
        const message = `the leader of group ${this.plan.name} does not have yet what this session has seen: the write did not happen`;
        this.#host.answer(ticket.node, ticket.serial, { kind: 'failed', code: 'BEHIND', message });
      }
    }
  }

  // ── time and messages ──

  step(message: Message, now: Now): void {
    this.raft.step(message, now.monotonicMs);
  }

  tick(now: Now): void {
    this.raft.tick(now.monotonicMs);
    this.admit(now);
    if (now.monotonicMs >= this.#age.dueMs) this.#askAge(now);
    if (!this.isLeader) {
      this.#preferAtMs = now.monotonicMs + PREFER_AFTER_MS;
      return;
    }
    const isAhead = this.#host.isClockAhead(this.#self);
    if (!isAhead) this.#offerRules(now);
    if (this.#expiringUpTo <= this.#state.applied && this.#state.hasExpired(now.wallMs)) this.#expire(isAhead, now);
    if (now.monotonicMs < this.#preferAtMs) return;
    this.#preferAtMs = now.monotonicMs + PREFER_EVERY_MS;
    const keys = isAhead ? [] : this.#state.documentsDue();
    if (keys.length > 0) this.#proposeOwn({ kind: 'renew', stamp: this.#host.nextStamp(now.wallMs), keys }, now);
    this.#handOn(isAhead, now);
  }

  #expire(isAhead: boolean, now: Now): void {
    this.#expiringUpTo = isAhead
      ? 0
      : this.#proposeOwn({ kind: 'expire', stamp: this.#host.nextStamp(now.wallMs) }, now);
    if (this.#expiringUpTo === 0) this.#expireNotBeforeMs = now.monotonicMs + EXPIRE_AGAIN_MS;
  }

  #askAge(now: Now): void {
    const id = ++this.#readId;
    this.#age.ask(id, now.monotonicMs);
    this.raft.readIndex(id, now.monotonicMs);
  }

  /** A client of this node reads the copy by its age. */
  wantAge({ monotonicMs }: Now): void {
    this.#age.want(monotonicMs);
  }

  /** How old what a node that shows the log up to `visible` shows can be; null for not known. */
  ageMs(visible: number, { monotonicMs }: Now): number | null {
    return this.#age.ageMs(visible, monotonicMs);
  }

  /** Milliseconds since a leader was known, 0 where one is. */
  leaderlessMs({ monotonicMs }: Now): number {
    return this.raft.leader === 0 && this.#ledAtMs > -Infinity ? monotonicMs - this.#ledAtMs : 0;
  }

  /** The index of the entry, 0 where it was refused. */
  #proposeOwn(entry: GroupEntry, now: Now): number {
    const proposed = this.raft.propose(this.#codec.encodeEntry(entry), now.monotonicMs);
    return typeof proposed === 'string' ? 0 : proposed.index;
  }

  /**
   * Leadership goes to a node of a region nearer to home, home first, from one whose clock is wrong to any voter: that is up to date, shows all that the log
   * depends on (RULES T1) and has its clock right.
   */
  #handOn(isAhead: boolean, now: Now): void {
    if (!isAhead && (isAtHome(this.plan, this.#self) || this.#operator.isHeld(now))) return;
    const voters = nearestFirst(this.plan, this.raft.config.voters);
    const own = rankOf(this.plan, this.#self);
    const heirs = isAhead ? voters : voters.filter((node) => rankOf(this.plan, node) < own);
    const heir = heirs.find((node) => this.#mayLead(node));
    if (heir !== undefined) this.raft.transfer(heir, now.monotonicMs);
  }

  #mayLead(node: number): boolean {
    if (!this.#isCaughtUp(node) || this.#host.isClockAhead(node)) return false;
    return this.#host.rowCovers(node, this.#state.running);
  }

  #isCaughtUp(node: number): boolean {
    const progress = this.raft.progress.get(node);
    return progress !== undefined && progress.isActive && progress.match >= this.raft.commit;
  }

  /** Milliseconds until `tick` is wanted. */
  nextTickMs(now: Now): number {
    const untilAdmissionMs = this.#admissions.length > 0 ? 5 : Infinity;
    const untilMs = Math.min(this.raft.nextTickMs(), this.#age.dueMs) - now.monotonicMs;
    return Math.min(untilMs, this.#untilExpiryMs(now), untilAdmissionMs, this.#isReadingLeft ? 1 : Infinity);
  }

  #untilExpiryMs({ wallMs, monotonicMs }: Now): number {
    // while an entry that removes some is on its way, its end is the next that happens
    if (!this.isLeader || this.#expiringUpTo > this.#state.applied) return Infinity;
    const dueMs = this.#state.hasExpired(wallMs) ? 0 : this.#state.keyspace.nextExpiryMs - wallMs;
    return Math.max(1, dueMs, this.#expireNotBeforeMs - monotonicMs);
  }

  // ── what follows from it ──

  /**
   * Takes what the machine wants: messages are sent, committed entries applied, reads answered; `install` puts the state of a snapshot that came in, in
   * the place of this one's. Returns the rest: what is to be stored and what is to be shown; null where nothing came since the turn before.
   */
  turn(now: Now, install: () => void): { readonly outputs: RaftOutputs; readonly chunk: GroupChunk | null } | null {
    if (!this.raft.isTouched && !this.#hasSettled && this.#reads.isIdle) return null;
    this.#hasSettled = false;
    const outputs = this.raft.takeOutputs();
    if (this.raft.leader !== 0 || this.#ledAtMs === -Infinity) this.#ledAtMs = now.monotonicMs;
    if (outputs.install !== null) {
      this.#applyWaiting(now);
      install();
    }
    for (const message of outputs.messages) this.#host.send(message.to, message);
    for (const { index, term } of outputs.overwritten) this.#fail(index, term, 'refused');
    this.#noteLeadership();
    this.#isKeeping ||= outputs.persist !== null;
    for (const entry of outputs.committed) this.#waiting.push(entry);
    if (this.isLeader) this.#applyWaiting(now);
    this.#offer.note(this.#state.inForce, this.#host.ownRules());
    for (const { id, index } of outputs.reads) if (!this.#age.answered(id, index)) this.#reads.confirmed(id, index);
    this.#isReadingLeft = !this.#reads.run(this.#state.applied, now.monotonicMs);
    return { outputs, chunk: this.#state.takeChunk() };
  }

  #applyWaiting(now: Now): void {
    if (this.#waiting.length === 0) return;
    const entries = this.#waiting;
    this.#waiting = [];
    this.#turnsWaited = 0;
    for (const entry of entries) this.#apply(entry, now);
  }

  /**
   * To be called at the end of a turn of the node, when what it sends has left. A follower that has something to put on disk does that first: its leader
   * waits for it, for the copy here nobody does. What it has applied is returned, to be shown; null for nothing.
   */
  settle(now: Now): GroupChunk | null {
    const isKeeping = this.#isKeeping;
    this.#isKeeping = false;
    if (this.#waiting.length === 0) return null;
    if (isKeeping && this.#turnsWaited < TURNS_WAITED_MAX) {
      this.#turnsWaited++;
      return null;
    }
    this.#applyWaiting(now);
    this.#hasSettled = true;
    this.#isReadingLeft = !this.#reads.run(this.#state.applied, now.monotonicMs);
    return this.#state.takeChunk();
  }

  /** Whether something is committed and not applied yet. */
  get isBehind(): boolean {
    return this.#waiting.length > 0;
  }

  /** Answers what was applied since the last call, which can be shown by now. Says whether anything was. */
  answerApplied(): boolean {
    if (this.#answers.length === 0) return false;
    const answers = this.#answers;
    this.#answers = [];
    for (const { ticket, answer } of answers) this.#answer(ticket, answer);
    return true;
  }

  #noteLeadership(): void {
    const term = this.isLeader ? this.raft.term : 0;
    if (term === this.#ledTerm) return;
    this.#ledTerm = term;
    this.#expiringUpTo = 0;
    this.#offeredUpTo = 0;
    for (const [index, proposed] of [...this.#proposed.entries()]) {
      if (proposed.term !== term) this.#fail(index, proposed.term, 'lost');
    }
    this.#reads.refuseAll();
  }

  #fail(index: number, term: number, kind: 'refused' | 'lost'): void {
    const proposed = this.#proposed.get(index);
    if (proposed === undefined || proposed.term !== term) return;
    this.#proposed.delete(index);
    this.#host.answer(proposed.node, proposed.serial, { kind });
  }

  #apply(entry: Entry, { monotonicMs }: Now): void {
    const proposed = this.#proposed.get(entry.index);
    const reply = this.#state.apply(entry.index, this.#said(entry, proposed));
    if (proposed === undefined) return;
    // another leader's entry is at this index: what was proposed here did not happen
    if (proposed.term !== entry.term) return this.#fail(entry.index, proposed.term, 'refused');
    this.#proposed.delete(entry.index);
    this.figures.quorumLatency.add((monotonicMs - proposed.atMs) * USEC_PER_MS);
    // what its client reads there next may wait for this to show
    this.raft.tellCommit(proposed.node);
    const done = proposed.entry === null ? NO_REPLY : reply;
    const answer: LeaderAnswer =
      done === null ? { kind: 'refused' } : { kind: 'done', reply: done, versions: NO_VERSIONS, index: entry.index };
    this.#answers.push({ ticket: proposed, answer });
  }

  /** Null for one of Raft's own. What was proposed here is at hand. */
  #said(entry: Entry, proposed: Proposed | undefined): GroupEntry | null {
    if (entry.kind !== EntryKind.Command) return null;
    const isOwn = proposed?.term === entry.term;
    return (isOwn ? proposed.entry : null) ?? this.#codec.decodeEntry(entry.data);
  }

  /** A state that a snapshot brought takes the place of this one's. */
  replaceState(state: GroupState): void {
    this.#state = state;
  }
}

const NO_REPLY = new Uint8Array(0);
const NO_VERSIONS: readonly number[] = [];
const USEC_PER_MS = 1_000;

/** A request that is too large for an entry will be so everywhere; all else may be asked again. */
function refusedProposal(why: string): LeaderAnswer {
  return why === 'too-large' ? { kind: 'failed', ...TOO_LARGE } : { kind: 'refused' };
}
