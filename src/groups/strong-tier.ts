import type { Now } from '../causal/replica.ts';
import { nodeOf, type NodeNumber, type Origin } from '../clock/origin.ts';
import type { AuditPage } from '../commands/audit-page.ts';
import type { CommandIndex } from '../commands/command-index.ts';
import type {
  GroupOperation,
  GroupStatus,
  MembersGroupStatus,
  StrongAnswer,
  StrongRequest,
  StrongView,
} from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';
import type { HashKey } from '../base/key-hash.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { QuorumBatch, QuorumImage, QuorumStore } from '../ports.ts';
import { ABSTAINS } from '../quorum/messages.ts';
import type { RaftLimits, RaftTiming } from '../quorum/options.ts';
import { Raft } from '../quorum/raft.ts';
import { AUDIT_KEPT_BYTES_MAX, auditPage } from './audit-pages.ts';
import type { Sha256 } from './audit-text.ts';
import { Forwarder } from './forwarder.ts';
import { electionDraw, type GroupPlan } from './group-plan.ts';
import { Group, type GroupHost } from './group.ts';
import { GroupState, type GroupChunk } from './group-state.ts';
import { restoredState } from './group-batch.ts';
import { operationRequest } from './group-change.ts';
import type { GroupFigures } from './group-figures.ts';
import { GroupsDisk, Kept } from './groups-disk.ts';
import { followMembers, type ClusterMembers } from './group-voters.ts';
import { isTooLarge, TOO_LARGE } from './request-size.ts';
import { restoredLog } from './restored-log.ts';
import type { OwnRules } from './rules-in-force.ts';
import { GroupIntake } from './group-intake.ts';
import { GroupSnapshot } from './group-snapshot.ts';
import { groupStatus, membersStatus } from './group-status.ts';
import { MembersGroup, type MembersGroupOptions } from './members-group.ts';
import { MEMBERS_GROUP } from './members-plan.ts';
import { PeerLanes, type LanesHost } from './peer-lanes.ts';
import type { GroupCodec, LeaderAnswer, StrongRequestFrame } from './strong-frames.ts';
import type { NewReply } from './strong-executor.ts';

/** What the strong tier asks of its node. */
export interface StrongHost
  extends
    Pick<GroupHost, 'covers' | 'rowCovers' | 'isClockAhead' | 'nextStamp' | 'random'>,
    Pick<LanesHost, 'send' | 'isUp' | 'controlOf'>,
    ClusterMembers {
  /** Which life of a node is connected, 0 for none that was ever heard of. */
  incarnationOf(node: number): number;
  /** Whether a peer said in its hello that it knows a life of this node from before the first one on this disk. */
  readonly hasLostDisk: boolean;
  /** All groups know on this disk that an earlier one was lost: nobody need look for that any more. */
  settleVotes(): void;
  /** Puts transactions of a group into the causal order; says whether they go on where that is. */
  show(origin: Origin, chunk: GroupChunk): boolean;
  /** How far a group is shown here. */
  visible(origin: Origin): number;
  /**
   * Puts groups' whole states in the place of what is shown of them, with all that waits for them, in one step. Of those that it shows then
   * nothing lacks its causes (RULES T1); the others stay as they are. Says which it has shown.
   */
  showWhole(groups: readonly Group[]): readonly Group[];
  nodeId(node: number): string;
  now(): Now;
}

export interface StrongTierOptions {
  readonly self: NodeNumber;
  readonly origin: Origin;
  readonly plans: readonly GroupPlan[];
  readonly commands: CommandIndex;
  readonly newReply: NewReply;
  /** For the audit. */
  readonly sha256: Sha256;
  /** What the node's own classes say of a group's keys. */
  readonly ownRules: (group: string) => OwnRules;
  readonly codec: GroupCodec;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** The group that decides who is a member; null where the cluster is too small for one. */
  readonly members: Pick<MembersGroupOptions, 'nodes' | 'codec' | 'timing'> | null;
  /** What is on disk of a group; null where nothing is kept over a restart. */
  readonly load: ((group: string) => QuorumImage) | null;
  /** Of the groups' keyspaces (`KeyHash`). */
  readonly hashKey: HashKey | undefined;
  /** The audit on that disk. */
  readonly readAudit: QuorumStore['audit'] | null;
}

/** Stands for a connection to this node itself. */
const OWN_LINK = -1;
/** Of a request that was answered at once. */
const NO_TICKET = 0;

/**
 * All quorum groups of a node: their machines and states, the requests of its clients on their way, and what is to be on disk before
 * anything that promises it is sent. Pure; the driver stores the batches that it gives out, in order.
 */
export class StrongTier implements StrongView {
  readonly #options: StrongTierOptions;
  readonly #host: StrongHost;
  readonly #groups: Map<string, Kept> = new Map();
  readonly #forwarder: Forwarder;
  readonly #lanes: PeerLanes;
  readonly #disk: GroupsDisk;
  /** Decides who is a member of the cluster (RULES D7). */
  readonly members: MembersGroup | null;
  /** Whether the groups were told that what an earlier life promised is lost. */
  #hasAbstained = false;
  /** Groups that were, until that is on disk. */
  readonly #abstaining: Set<string> = new Set();
  /** The life of each peer that was heard last. */
  readonly #lives: Map<number, number> = new Map();

  constructor(options: StrongTierOptions, host: StrongHost) {
    this.#options = options;
    this.#host = host;
    this.#lanes = new PeerLanes(
      {
        send: (to, frame) => host.send(to, frame),
        isUp: (node) => host.isUp(node),
        controlOf: (node) => host.controlOf(node),
        now: () => host.now(),
        isGroup: (name) => name === MEMBERS_GROUP || this.#groups.has(name),
      },
      options.codec,
    );
    this.#forwarder = new Forwarder({
      origin: options.origin,
      self: options.self,
      leaderOf: (group) => (group === MEMBERS_GROUP ? this.members : this.#groups.get(group)?.group)?.raft.leader ?? 0,
      // nobody waits for what the members decided: it is no stream
      originOf: (group) => (group === MEMBERS_GROUP ? options.origin : this.#groupOf(group).plan.origin),
      nodeId: (node) => host.nodeId(node),
      now: () => host.now(),
      linkOf: (node) => (node === options.self ? OWN_LINK : host.isUp(node) ? host.controlOf(node) : 0),
      askHere: (frame) => this.#askHere(frame),
      ask: (node, bytes, frame, left) => this.#lanes.request(node, bytes, frame, left),
    });
    for (const plan of options.plans) {
      this.#groups.set(plan.name, this.#open(plan));
    }
    this.members = options.members === null ? null : this.#openMembers(options.members);
    this.#disk = new GroupsDisk(options.codec, options.load !== null, [...this.#groups.values()], this.members);
  }

  /** What a group's log made of its keys here, apart from what is shown of them; null for no group. */
  keyspaceOf(group: string): SlabKeyspace | null {
    return this.#groups.get(group)?.group.state.keyspace ?? null;
  }

  get hasGroups(): boolean {
    return this.#groups.size > 0;
  }

  #groupOf(name: string): Group {
    const kept = this.#groups.get(name);
    if (kept === undefined) throw new Error(`no group ${name}`);
    return kept.group;
  }

  // ── begin ──

  #open(plan: GroupPlan): Kept {
    const image = this.#options.load?.(plan.name) ?? null;
    const { codec } = this.#options;
    const state = this.#newState(plan);
    const stored = image === null ? null : restoredState(codec, image);
    if (stored !== null) state.restore(stored);
    let voters = (): readonly number[] => plan.voters;
    const raft = new Raft({
      id: this.#options.self,
      config: { voters: plan.voters, learners: plan.learners },
      restored: restoredLog(image, state.applied, this.#options.codec),
      timing: this.#options.timing,
      limits: this.#options.limits,
      random: () => electionDraw(plan, voters(), this.#options.self, this.#host.random()),
    });
    voters = () => raft.config.voters;
    const group = new Group(plan, this.#options.self, raft, state, this.#options.codec, {
      covers: (deps) => this.#host.covers(deps),
      rowCovers: (node, deps) => this.#host.rowCovers(node, deps),
      isClockAhead: (node) => this.#host.isClockAhead(node),
      nextStamp: (wallMs) => this.#host.nextStamp(wallMs),
      random: () => this.#host.random(),
      nodeId: (node) => this.#host.nodeId(node),
      ownRules: () => this.#options.ownRules(plan.name),
      send: (to, message) => this.#lanes.quorum(to, plan.name, message),
      answer: (to, serial, answer) => this.#answer(to, serial, answer),
      hasRoom: (node, bytes) => node === this.#options.self || this.#lanes.hasRoom(node, bytes),
    });
    return new Kept(group, (index) => new GroupIntake(index, codec, this.#newState(plan)));
  }

  #openMembers(members: NonNullable<StrongTierOptions['members']>): MembersGroup {
    const { self, codec, limits, load } = this.#options;
    const image = load?.(MEMBERS_GROUP) ?? null;
    return new MembersGroup(
      { ...members, self, snapshotMetas: codec, limits, image },
      {
        isRemoved: (node) => this.#host.isRemoved(node),
        send: (to, message) => this.#lanes.quorum(to, MEMBERS_GROUP, message),
        answer: (to, serial, answer) => this.#answer(to, serial, answer),
        random: () => this.#host.random(),
      },
    );
  }

  #newState({ origin, name }: GroupPlan): GroupState {
    const { commands, newReply, sha256, load, hashKey } = this.#options;
    return new GroupState({ name, origin, commands, newReply, sha256, isStored: load !== null, hashKey });
  }

  /** A peer knows of an earlier life of this node, of which nothing is here: what that promised is not known (see `Raft.abstain`). */
  #abstainWhereLost(): void {
    if (this.#hasAbstained || !this.#host.hasLostDisk) return;
    this.#hasAbstained = true;
    for (const { group } of this.#groups.values()) {
      group.raft.abstain();
      this.#abstaining.add(group.plan.name);
    }
    if (this.members === null) return;
    this.members.raft.abstain();
    this.#abstaining.add(MEMBERS_GROUP);
  }

  /** Only when all groups have it on disk is it known in later lives without looking. */
  #noteAbstentions({ groups }: QuorumBatch): void {
    if (this.#abstaining.size === 0) return;
    for (const { group, hardState } of groups) if (hardState?.votedFor === ABSTAINS) this.#abstaining.delete(group);
    if (this.#abstaining.size === 0) this.#host.settleVotes();
  }

  /** Of a peer's new life the leader does not know what it has; and a peer may know of an earlier life of this node. */
  #noteLife(from: number): void {
    this.#abstainWhereLost();
    const incarnation = this.#host.incarnationOf(from);
    if (this.#lives.get(from) === incarnation) return;
    this.#lives.set(from, incarnation);
    for (const { group } of this.#groups.values()) group.raft.restarted(from);
    this.members?.raft.restarted(from);
  }

  // ── StrongView ──

  originOf(group: string): Origin | null {
    return this.#groups.get(group)?.group.plan.origin ?? null;
  }

  leaderOf(group: string): string | null {
    const leader = this.#groups.get(group)?.group.raft.leader ?? 0;
    return leader === 0 ? null : this.#host.nodeId(leader);
  }

  groups(): GroupStatus[] {
    const now = this.#host.now();
    return Array.from(this.#groups.values(), ({ group }) =>
      groupStatus(group, this.#host.visible(group.plan.origin), (node) => this.#host.nodeId(node), now),
    );
  }

  membersGroup(): MembersGroupStatus | null {
    return this.members === null
      ? null
      : membersStatus(this.members, (node) => this.#host.nodeId(node), this.#host.now());
  }

  ageMs(name: string): number | null {
    const group = this.#groups.get(name)?.group;
    group?.wantAge(this.#host.now());
    return group?.ageMs(this.#host.visible(group.plan.origin), this.#host.now()) ?? null;
  }

  audit(group: string, fromIndex: number, count: number): AuditPage | null {
    const kept = this.#groups.get(group);
    if (kept === undefined) return null;
    const stored = this.#options.readAudit?.(group, fromIndex) ?? [];
    return auditPage(kept.group.state.audit, stored, fromIndex, count);
  }

  /** All groups with what was counted of them. */
  telemetry(): (GroupStatus & Omit<GroupFigures, 'countRefusal'>)[] {
    return this.groups().map((status) => {
      const { proposalsTotal, refusals, quorumLatency, syncLatency } = this.#groupOf(status.name).figures;
      return { ...status, proposalsTotal, refusals, quorumLatency, syncLatency };
    });
  }

  submit(request: StrongRequest, answered: (answer: StrongAnswer) => void): number {
    const counted = (answer: StrongAnswer): void => {
      if ('error' in answer) this.#groups.get(request.group)?.group.figures.countRefusal(answer.error.code);
      answered(answer);
    };
    if (!isTooLarge(request, this.#options.limits.entryBytesMax))
      return this.#forwarder.submit(request, counted, this.#host.now());
    counted({ error: new CausewayError(TOO_LARGE.code, TOO_LARGE.message) });
    return NO_TICKET;
  }

  operate(operation: GroupOperation, answered: (answer: StrongAnswer) => void): number {
    const plan = this.#groups.get(operation.group)?.group.plan;
    if (operation.group === MEMBERS_GROUP)
      throw new CausewayError(
        'ERR',
        'who votes on the members follows from who is one: see CW.MEMBER and `causeway member`',
      );
    if (plan === undefined)
      throw new CausewayError('ERR', `unknown group; there are ${[...this.#groups.keys()].join(', ')}`);
    return this.submit(
      operationRequest(operation, plan, (node) => this.#host.nodeId(node)),
      answered,
    );
  }

  cancel(ticket: number): void {
    this.#forwarder.cancel(ticket);
  }

  // ── frames ──

  #askHere(frame: StrongRequestFrame): void {
    const { self } = this.#options;
    if (frame.group === MEMBERS_GROUP) this.members?.request(self, frame, this.#host.now());
    else this.#groupOf(frame.group).request(self, frame, this.#host.now());
  }

  #answer(to: number, serial: number, answer: LeaderAnswer): void {
    if (to === this.#options.self) this.#forwarder.answered(to, serial, answer, this.#host.now());
    else this.#lanes.answer(to, serial, answer);
  }

  /** Takes a frame of a peer that has proven to be `from`. Throws PROTOCOL for what it may not say. */
  frame(from: number, bytes: Uint8Array): void {
    const frame = this.#lanes.received(from, bytes);
    if (frame === null) return;
    const now = this.#host.now();
    if (frame.type === 'strong-answer') return this.#forwarder.answered(from, frame.serial, frame.answer, now);
    // a group that its rules have and ours do not cannot be: the digests were compared
    const group = frame.group === MEMBERS_GROUP ? this.members : this.#groups.get(frame.group)?.group;
    if (group === undefined || group === null) return;
    if (frame.type === 'quorum') {
      this.#noteLife(from);
      if (frame.message.from === from && frame.message.to === this.#options.self) group.step(frame.message, now);
    } else if (nodeOf(frame.request.origin) === from) {
      group.request(from, frame, now);
    }
  }

  // ── time ──

  tick(now: Now): void {
    for (const { group } of this.#groups.values()) {
      group.tick(now);
      followMembers(group.raft, group.plan, this.#host, now.monotonicMs);
    }
    this.#catchUpShown();
    this.members?.tick(now);
    this.#forwarder.tick(now);
  }

  nextTickMs(now: Now): number {
    let nextMs = this.#forwarder.nextTickMs() - now.monotonicMs;
    for (const { group } of this.#groups.values()) nextMs = Math.min(nextMs, group.nextTickMs(now));
    return Math.max(1, Math.min(nextMs, this.members?.nextTickMs(now) ?? Infinity));
  }

  /** Ends a turn: what the machines want is sent, applied and shown. Says whether anything was. */
  flush(now: Now): boolean {
    let isBusy = false;
    // before anything is said to who came, or by it, and before what it knows is retired
    this.#abstainWhereLost();
    // an answer may lead to another request, and that to a proposal of this turn
    for (let wasBusy = true; wasBusy;) {
      wasBusy = false;
      for (const kept of this.#groups.values()) if (this.#turn(kept, now)) wasBusy = true;
      if (this.members?.turn() === true) wasBusy = true;
      if (wasBusy) isBusy = true;
    }
    this.#catchUpShown();
    if (this.#forwarder.size > 0) this.#forwarder.tick(now);
    return isBusy;
  }

  /** Ends a turn of the node: groups apply what they put off in it. Says whether there is anything to show by that. */
  settle(now: Now): boolean {
    let isBusy = false;
    for (const kept of this.#groups.values()) {
      const chunk = kept.group.settle(now);
      if (chunk === null) continue;
      this.#show(kept, chunk);
      isBusy = true;
    }
    return isBusy;
  }

  /** Whether a group has something left to apply, in a turn that is to come at once. */
  get isBehind(): boolean {
    for (const { group } of this.#groups.values()) if (group.isBehind) return true;
    return false;
  }

  #show(kept: Kept, chunk: GroupChunk): void {
    if (!kept.isShownBehind) kept.isShownBehind = !this.#host.show(kept.group.plan.origin, chunk);
  }

  /**
   * Answers what was applied. To be called when all that could be shown of it is: a client that reads here what it wrote need not wait for
   * it then. Says whether anything was answered, which may lead to more.
   */
  answerApplied(): boolean {
    let isBusy = false;
    for (const { group } of this.#groups.values()) if (group.answerApplied()) isBusy = true;
    return isBusy;
  }

  #turn(kept: Kept, now: Now): boolean {
    const { group } = kept;
    group.admit(now);
    const turn = group.turn(now, () => kept.install());
    if (turn === null) return false;
    const { outputs, chunk } = turn;
    if (outputs.persist !== null) this.#disk.persist(kept, outputs.persist);
    if (this.#options.load === null) group.state.audit.keepLast(AUDIT_KEPT_BYTES_MAX);
    kept.compactTo = outputs.discardUpTo ?? kept.compactTo;
    kept.tendSnapshots();
    for (const to of outputs.snapshotsWanted) this.#sendSnapshot(kept, to);
    if (chunk !== null) this.#show(kept, chunk);
    const { committed, messages, persist, reads } = outputs;
    // who got an answer may have asked again at once; of a snapshot a turn makes a part
    const hasSaid = messages.some(({ type }) => type !== 'snapshot');
    return hasSaid || committed.length > 0 || reads.length > 0 || persist !== null;
  }

  /**
   * Shows whole states where the transactions that led to them are not all at hand: after a restart or a snapshot. All groups together:
   * what one has seen of the other and the other of it can only be shown at once.
   */
  #catchUpShown(): void {
    const behind = [...this.#groups.values()].filter((kept) => kept.isShownBehind);
    if (behind.length === 0) return;
    const lacking = behind.filter(({ group }) => this.#host.visible(group.plan.origin) < group.state.applied);
    const shown = lacking.length === 0 ? [] : this.#host.showWhole(lacking.map(({ group }) => group));
    for (const kept of behind) kept.isShownBehind = lacking.includes(kept) && !shown.includes(kept.group);
  }

  // ── snapshots ──

  #sendSnapshot({ group, sending }: Kept, to: number): void {
    const meta = group.raft.snapshotMeta(group.state.applied);
    if (meta === null) return;
    const snapshot = new GroupSnapshot(meta, group.state.openCut(), this.#options.codec);
    if (group.raft.sendSnapshot(to, snapshot)) sending.set(to, snapshot);
    else snapshot.close();
  }

  // ── the disk ──

  /** See `GroupsDisk.takeBatch`. */
  takeBatch(now: Now): QuorumBatch | null {
    return this.#disk.takeBatch(now);
  }

  /** Says whether a turn is to come at once because of it. */
  committed(batch: QuorumBatch, now: Now): boolean {
    const isBusy = this.#disk.committed(batch, now);
    this.#noteAbstentions(batch);
    return isBusy;
  }

  nextBatchMs(now: Now): number {
    return this.#disk.nextBatchMs(now);
  }
}
