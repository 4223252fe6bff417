import { assert } from '../base/assert.ts';
import { campaign, countOwnVote, hearsQuorum, onVote, onVoteResponse } from './election.ts';
import { hearLeader, onAppend, tellTerm } from './following.ts';
import { type ConfigChange, isMember } from './group-config.ts';
import { ABSTAINS } from './messages.ts';
import type {
  AppendResponse,
  Entry,
  GroupConfig,
  HardState,
  Message,
  PersistBatch,
  SnapshotMeta,
  SnapshotResponse,
} from './messages.ts';
import { assertOptions, type RaftOptions, ROUNDS_UNDER_WAY_MAX } from './options.ts';
import type { ProposalPlace } from './own-proposals.ts';
import type { ProgressView } from './progress.ts';
import { type ConfigRefusal, propose, proposeConfig, type ProposeRefusal } from './proposing.ts';
import { askRead, hasLease, leaseUntilMs, onReadIndex, onReadIndexResponse, wantsRound } from './read-index.ts';
import { beginRound, commitByCounting, heard, heartbeat, onAppendResponse, sendAppends } from './replication.ts';
import { becomeFollower, follow, giveUpReads } from './roles.ts';
import { onSnapshotChunk, takeParts } from './snapshot-receiving.ts';
import { giveSnapshot, hasChunks, neededFrom, onSnapshotProgress } from './snapshot-sending.ts';
import type { SnapshotSource } from './snapshot-transfer.ts';
import { type Install, RaftState, type ReadOutcome, type Role } from './state.ts';
import { endTransferInTime, onTimeoutNow, startTransfer, tellIfCaughtUp, type TransferRefusal } from './transfer.ts';
import { isSound } from './validity.ts';

/**
 * What there is to do after a turn. `messages` may leave at once, whatever `persist` is: what had to wait for the disk is
 * not among them until `persisted`. `install` is done before `committed`. `committed` and `install` are on disk here.
 */
export interface RaftOutputs {
  readonly messages: readonly Message[];
  /** One atomic, durable step; then `persisted`. The next comes only after that. A write that fails stops the node. */
  readonly persist: PersistBatch | null;
  /** The state machine is to be replaced. What was proposed here up to its index may or may not have happened. */
  readonly install: Install | null;
  /** In order, without a gap, each once: those of all kinds. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadOutcome[];
  /** Followers that need `sendSnapshot`; said again with heartbeats until it comes. */
  readonly snapshotsWanted: readonly number[];
  /** Own proposals that certainly did not happen: another entry is committed at their index. */
  readonly overwritten: readonly ProposalPlace[];
  /** Entries up to here may go from the disk, at any time; null for no change. */
  readonly discardUpTo: number | null;
}

/**
 * Raft (Ongaro and Ousterhout, 2014; Ongaro's thesis, 2014) as a step machine: messages, times and requests go in, outputs
 * are taken out after each turn. It never waits, reads no clock and does no input or output. Everything that comes within
 * a turn leaves together: proposals in one append a follower and one batch on disk. Byte arrays that go in or out are
 * kept: nobody may change them.
 */
export class Raft {
  readonly #state: RaftState;
  #writtenCommit: number;
  #isTouched = true;

  /** Throws a `STORE` error where what is on disk contradicts itself. */
  constructor(options: RaftOptions) {
    assertOptions(options);
    this.#state = new RaftState(options);
    this.#writtenCommit = options.restored?.hardState.commit ?? 0;
  }

  /** A message came. Whatever is in it, it throws nothing: what is not sound or not due is dropped. */
  step(message: Message, nowMs: number): void {
    const state = this.#state;
    this.#observe(nowMs);
    if (!isSound(message, state.id)) return;
    switch (message.type) {
      case 'vote':
        return onVote(state, message);
      case 'vote-response':
        if (!isMember(state.configs.current, message.from)) return undefined;
        // A granted pre-vote speaks of the term to come.
        if (message.term > state.term && !(message.isPreVote && message.isGranted)) {
          return becomeFollower(state, message.term, 0);
        }
        return onVoteResponse(state, message);
      case 'append':
      case 'snapshot':
        if (message.term < state.term) return tellTerm(state, message.from);
        if (!hearLeader(state, message.from, message.term)) return undefined;
        return message.type === 'append' ? onAppend(state, message) : onSnapshotChunk(state, message);
      case 'append-response':
      case 'snapshot-response':
        return this.#onResponse(message);
      case 'timeout-now':
        return onTimeoutNow(state, message);
      case 'read-index':
        return onReadIndex(state, message);
      case 'read-index-response':
        return onReadIndexResponse(state, message);
    }
  }

  #onResponse(message: AppendResponse | SnapshotResponse): void {
    const state = this.#state;
    if (!isMember(state.configs.current, message.from)) return;
    if (message.term > state.term) becomeFollower(state, message.term, 0);
    const { leading } = state;
    if (leading === null || message.term < state.term) return;
    if (message.type === 'append-response') {
      onAppendResponse(state, leading, message);
      return;
    }
    const progress = leading.progress.get(message.from);
    if (progress === undefined || !heard(state, leading, progress, message.round)) return;
    onSnapshotProgress(progress, message, state.nowMs);
  }

  /** Time passes; due at `nextTickMs`, earlier and later do no harm. */
  tick(nowMs: number): void {
    const state = this.#state;
    this.#observe(nowMs);
    giveUpReads(state, state.nowMs - state.timing.electionMs);
    if (state.leading !== null) {
      endTransferInTime(state, state.leading);
      // Check-quorum (thesis, 6.2): who does not hear a quorum may have been replaced long ago.
      if (!hearsQuorum(state)) becomeFollower(state, state.term, 0);
    } else if (state.nowMs >= state.electionDeadlineMs && !campaign(state)) {
      follow(state, 0);
      state.resetElectionTimer();
    }
  }

  /** When `tick` has something to do, in the time that was last said. */
  nextTickMs(): number {
    const { asked, electionDeadlineMs, leading, nowMs, timing } = this.#state;
    if (nowMs === -Infinity || this.#hasMoreToDo) return nowMs;
    const dueMs = leading === null ? electionDeadlineMs : Math.min(leading.heartbeatDueMs, leading.messageDueMs);
    return Math.min(dueMs, leading?.transfer?.deadlineMs ?? Infinity, asked.oldestMs + timing.electionMs);
  }

  /** Whether there is more of a snapshot than a turn may make or take in. */
  get #hasMoreToDo(): boolean {
    const { durability, leading, partial } = this.#state;
    if (leading !== null) return hasChunks(this.#state, leading);
    return partial !== null && partial.hasParts && !durability.isUnderWay;
  }

  #observe(nowMs: number): void {
    const state = this.#state;
    this.#isTouched = true;
    if (state.nowMs === -Infinity) {
      state.nowMs = nowMs;
      state.voteFromMs = nowMs + state.timing.leaseMs;
      state.resetElectionTimer();
      return;
    }
    // A process that stood still cannot say how long: its clock may have stood too.
    if (nowMs - state.nowMs > state.timing.pauseMs) state.leading?.rounds.voidLease();
    state.nowMs = Math.max(state.nowMs, nowMs);
  }

  /** Appends an entry at the leader: where it is, if it stays. */
  propose(data: Uint8Array, nowMs: number): ProposalPlace | ProposeRefusal {
    this.#observe(nowMs);
    return propose(this.#state, data);
  }

  proposeConfig(change: ConfigChange, nowMs: number): ProposalPlace | ConfigRefusal {
    this.#observe(nowMs);
    return proposeConfig(this.#state, change);
  }

  /** Asks for an index to read at; the outcome is in `reads`, perhaps at once. `id` is the caller's. */
  readIndex(id: number, nowMs: number): void {
    this.#observe(nowMs);
    askRead(this.#state, id);
  }

  transfer(to: number, nowMs: number): TransferRefusal | null {
    this.#observe(nowMs);
    return startTransfer(this.#state, to);
  }

  /**
   * What this member promised before is lost with its disk: from now on, restarts included, it votes for nobody and does not
   * campaign, for it may have given its vote of any term away. It takes entries as before. It votes again once a configuration without
   * its vote is committed, and it is made a voter after that.
   */
  abstain(): void {
    const state = this.#state;
    if (state.abstains) return;
    this.#isTouched = true;
    state.abstains = true;
    becomeFollower(state, state.term, 0);
    state.votedFor = ABSTAINS;
    state.durability.hardStateChanged();
    state.endAbstention();
  }

  /** Another life of a member has begun. A leader asks it anew what it has: it may have lost its disk. */
  restarted(node: number): void {
    const { leading, log } = this.#state;
    this.#isTouched = true;
    leading?.progress.get(node)?.forget(log.lastIndex + 1);
  }

  /** At a leader: a member waits for what is committed, and is told with this turn. */
  tellCommit(node: number): void {
    this.#isTouched = true;
    this.#state.leading?.tellCommit(node);
  }

  get abstains(): boolean {
    return this.#state.abstains;
  }

  /** Campaigns now, if this node votes and keeps to no leader. */
  campaign(nowMs: number): boolean {
    this.#observe(nowMs);
    return campaign(this.#state);
  }

  /** Answers `snapshotsWanted`. False where it does not fit: too old, not of this log, or nobody waits for it any more. */
  sendSnapshot(to: number, source: SnapshotSource): boolean {
    this.#isTouched = true;
    return giveSnapshot(this.#state, to, source);
  }

  /** The snapshot that is on its way to a member, null for none. */
  snapshotFor(to: number): SnapshotSource | null {
    return this.#state.leading?.progress.get(to)?.snapshot?.source ?? null;
  }

  /** The index of the snapshot of which this node has a part, or all and not installed yet; 0 for none. */
  get receivingIndex(): number {
    const { commit, installing, partial, received, term } = this.#state;
    const whole = received ?? installing;
    if (whole !== null) return whole.meta.index;
    return partial !== null && partial.term === term && partial.meta.index > commit ? partial.meta.index : 0;
  }

  /** The state machine's state up to `meta` is durable: entries before it need not stay, but for a slack. */
  compacted(meta: SnapshotMeta): void {
    const state = this.#state;
    assert(meta.index <= state.handedOut, 'only what was handed out is compacted');
    this.#isTouched = true;
    const before = state.log.baseIndex;
    const index = Math.min(meta.index, neededFrom(state, meta.index));
    const base = state.log.compact(index, state.limits.slackBytesMax);
    state.configs.compact(meta.index);
    if (base > before) state.discardUpTo = base;
  }

  /** Whether anything came since the outputs were taken: where nothing did there are none. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  /** Ends a turn: what there is to do. */
  takeOutputs(): RaftOutputs {
    const state = this.#state;
    this.#isTouched = false;
    this.#flush();
    const persist = this.#takeBatch();
    const committed = this.#takeCommitted();
    const { messages, reads, install, overwritten, discardUpTo } = state;
    const snapshotsWanted = [...state.snapshotsWanted];
    state.messages = [];
    state.reads = [];
    state.install = null;
    state.overwritten = [];
    state.discardUpTo = null;
    state.snapshotsWanted.clear();
    return { messages, persist, install, committed, reads, snapshotsWanted, overwritten, discardUpTo };
  }

  /** A leader's messages of this turn. */
  #flush(): void {
    const state = this.#state;
    const { leading } = state;
    if (leading === null) return;
    if (state.nowMs >= leading.heartbeatDueMs) heartbeat(state, leading);
    else if (wantsRound(state, leading, ROUNDS_UNDER_WAY_MAX)) beginRound(state, leading);
    sendAppends(state, leading);
    tellIfCaughtUp(state, leading);
  }

  #takeBatch(): PersistBatch | null {
    const state = this.#state;
    const { durability, log } = state;
    if (durability.isUnderWay) return null;
    // what nobody was sent yet goes to the disk with what comes to it
    if (state.leading?.isGathering === true && !durability.isHardStateNew) return null;
    const parts = takeParts(state);
    const { received: snapshot } = state;
    if (!durability.isHardStateNew && !log.hasUnsaved && parts.length === 0) return null;
    const isHardStateNew = durability.isHardStateNew || state.commit > this.#writtenCommit;
    const hardState: HardState = { term: state.term, votedFor: state.votedFor, commit: state.commit };
    this.#writtenCommit = state.commit;
    state.installing = snapshot;
    state.received = null;
    durability.taken();
    return { hardState: isHardStateNew ? hardState : null, ...log.takeUnsaved(), parts, snapshot };
  }

  #takeCommitted(): readonly Entry[] {
    const state = this.#state;
    if (state.received !== null || state.installing !== null) return [];
    const last = Math.min(state.commit, state.log.durableIndex);
    if (last <= state.handedOut) return [];
    const committed = state.log.range(state.handedOut + 1, last);
    state.handedOut = last;
    return committed;
  }

  /** The batch taken last is on disk. Says whether there is something to do because of that, a turn that is to come at once. */
  persisted(): boolean {
    const state = this.#state;
    this.#isTouched = true;
    const released = state.durability.persisted();
    state.log.saved();
    // What it said of the log may be truncated since: of an earlier term nobody hears any more, nor does who does not ask.
    const isTrue = ({ term, type }: Message): boolean =>
      term === state.term && (type !== 'vote' || state.role === 'candidate');
    state.messages.push(...released.filter(isTrue));
    if (state.installing !== null) {
      state.install = state.installing;
      state.handedOut = state.installing.meta.index;
      state.installing = null;
    }
    const { role } = state;
    countOwnVote(state);
    if (state.leading !== null) commitByCounting(state, state.leading);
    return state.role !== role || this.#hasOutputs;
  }

  get #hasOutputs(): boolean {
    const { commit, durability, handedOut, install, log, messages, partial } = this.#state;
    if (messages.length > 0 || install !== null || Math.min(commit, log.durableIndex) > handedOut) return true;
    return log.hasUnsaved || durability.isHardStateNew || partial?.hasParts === true;
  }

  get id(): number {
    return this.#state.id;
  }

  get role(): Role {
    return this.#state.role;
  }

  get term(): number {
    return this.#state.term;
  }

  /** Whom this node voted for in its term, 0 for nobody. */
  get votedFor(): number {
    return this.#state.votedFor;
  }

  /** 0 for unknown. */
  get leader(): number {
    return this.#state.leader;
  }

  get commit(): number {
    return this.#state.commit;
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex;
  }

  /** The last index of which all is on disk here as it is now in the log. */
  get durableIndex(): number {
    return this.#state.log.durableIndex;
  }

  /** In effect: that of the newest Config entry of the log, committed or not. */
  get config(): GroupConfig {
    return this.#state.configs.current;
  }

  /** The entry that made it. */
  get configIndex(): number {
    return this.#state.configs.currentIndex;
  }

  /** Null where the log does not have it. */
  termAt(index: number): number | null {
    return this.#state.log.termAt(index);
  }

  /** An entry that is still in memory. */
  entryAt(index: number): Entry | undefined {
    return this.#state.log.entryAt(index);
  }

  /** Bytes of the entries in (after, upTo], as far as they are still in memory. */
  bytesBetween(after: number, upTo: number): number {
    return this.#state.log.bytesBetween(after, upTo);
  }

  /** What a snapshot of the state machine at `index`, which is handed out, has to say; null where the log is beyond it. */
  snapshotMeta(index: number): SnapshotMeta | null {
    const { configs, handedOut, log } = this.#state;
    const term = log.termAt(index);
    const at = configs.at(index);
    if (index === 0 || index > handedOut || term === null || at === null) return null;
    return { index, term, config: at.config, configIndex: at.index };
  }

  hasLease(nowMs: number): boolean {
    this.#observe(nowMs);
    return hasLease(this.#state);
  }

  /** -Infinity for none. */
  get leaseUntilMs(): number {
    return leaseUntilMs(this.#state);
  }

  /** Whom leadership is being handed to, 0 for nobody. */
  get transferringTo(): number {
    return this.#state.leading?.transfer?.to ?? 0;
  }

  /** At a leader what it knows of each other member; else nothing. */
  get progress(): ReadonlyMap<number, ProgressView> {
    const { leading, nowMs, timing } = this.#state;
    const views = [...(leading?.progress ?? [])].map(([node, { match, next, lastHeardMs, state }]) => {
      const isActive = nowMs - lastHeardMs < timing.electionMs;
      return [node, { match, next, lastHeardMs, isActive, state }] as const;
    });
    return new Map(views);
  }
}
