import { latin1Range, type ByteRange } from '../base/bytes.ts';
import type { ReplicationLimits } from '../causal/limits.ts';
import type { Member } from '../causal/members.ts';
import type { Codec, PeerFrame } from '../causal/peer-frames.ts';
import { clockSkew } from '../causal/clock-skew.ts';
import { Replica, type Identity, type Now } from '../causal/replica.ts';
import { Replicator } from '../causal/replicator.ts';
import { Sender } from '../causal/sender.ts';
import { SessionHorizon } from '../causal/session-horizon.ts';
import type { Snapshot } from '../causal/snapshot-receiver.ts';
import { ActiveClasses } from '../classes/active-classes.ts';
import type { Dot, NodeNames } from '../clock/dot.ts';
import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import { HybridClock, msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Engine, EngineEvents } from '../commands/engine.ts';
import type { NodeView, PeerStatus } from '../commands/node-view.ts';
import { carriesReads } from '../commands/session-level.ts';
import type { StrongView } from '../commands/strong-view.ts';
import { UpdateKind, type Update } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import { LocalTransaction } from '../keyspace/local-transaction.ts';
import { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { HashKey } from '../base/key-hash.ts';
import { NO_GROUPS } from '../groups/no-groups.ts';
import type { StrongTier } from '../groups/strong-tier.ts';
import { NOBODY } from '../keyspace/weak-writes.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';
import type { QuorumBatch, StoreBatch, StoredImage } from '../ports.ts';
import { EXPIRED, eventOf } from './change-events.ts';
import { ClosedIncarnations } from './closed-incarnations.ts';
import { conflictHost } from './conflict-host.ts';
import { Delivery } from './delivery.ts';
import { explainKey } from './explain.ts';
import { MembershipDesk } from './membership-desk.ts';
import { siblingKeys } from './sibling-keys.ts';
import { NodeCounters, NodeReport } from './node-report.ts';
import { OwnStream } from './own-stream.ts';
import { Outbox, type NodeOutputs } from './outbox.ts';
import { Persistence } from './persistence.ts';
import { KeyOwners } from './key-owners.ts';
import { groupTroubles, Readiness } from './readiness.ts';
import { openStrongTier, type StrongOptions } from './strong-side.ts';
import type { NodeTelemetry } from './telemetry.ts';

/** What a node is made of and what it may ask of the world, synchronously. */
export interface RegionNodeOptions {
  readonly identity: Identity;
  /** All members of the cluster, this node included. */
  readonly members: readonly Member[];
  readonly limits: ReplicationLimits;
  readonly codec: Codec;
  /** Above every stamp ever given out by this node in earlier lives; 0 for none. */
  readonly stampBound: number;
  /** Makes a higher bound durable before it returns (RELIABILITY 6.2). */
  readonly raiseStampBound: (stampBound: number) => void;
  /** Whether a store takes batches; without one everything applied counts as durable. */
  readonly hasStore: boolean;
  /** The quorum groups of strong keys; without it there are none. */
  readonly strong?: StrongOptions;
  /** Drawn by lot for the process: where keys fall in the keyspace's index is nobody's to choose (`KeyHash`). Without it anybody can tell. */
  readonly hashKey?: HashKey;
  /** The classes of keys; without it every key is of the default class. */
  readonly classes?: ActiveClasses;
}

/** Keys looked at in one tick for expiry, purge and forgetting: bounds the pause. */
const FORGET_BUDGET = 2_000;

/**
 * One node: the one place where keyspace, causal replication and commands meet. A pure step machine with two drivers, the server
 * and the simulator: inputs are commands, frames, connections opening and closing, and time; outputs are frames to send.
 *
 * Ordering contract: what `takeOutputs` returns may be sent at once. A command may be answered as soon as `transact` returned (the
 * causal tier promises no durability before the write-behind). A store batch is acknowledged by `storeCommitted` only when it is
 * on disk. A stamp above the durable bound is never given out: `raiseStampBound` is called first and must not return early.
 */
export class RegionNode implements Engine, NodeView {
  readonly #replica: Replica;
  readonly #keyspace: SlabKeyspace;
  readonly #replicator: Replicator;
  readonly #sender: Sender;
  readonly #persistence: Persistence;
  readonly #readiness: Readiness;
  readonly #options: RegionNodeOptions;
  readonly #transaction: LocalTransaction;
  readonly #nodeNames: Map<number, string>;
  readonly names: NodeNames;
  readonly sessions: SessionHorizon;
  readonly membership: MembershipDesk;
  readonly #strong: StrongTier | null;
  readonly classes: ActiveClasses;
  readonly conflicts: SlabKeyspace['conflicts'];
  readonly #own: OwnStream;
  #events: EngineEvents | null = null;
  #now: Now = { wallMs: 0, monotonicMs: 0 };
  #nowMs = 0;
  #expiredKeys = 0;
  readonly #counters: NodeCounters = new NodeCounters();
  readonly #report: NodeReport;
  readonly #outbox: Outbox;
  readonly #closed: ClosedIncarnations;
  readonly #delivery: Delivery;

  constructor(options: RegionNodeOptions) {
    this.#options = options;
    this.#keyspace = new SlabKeyspace(options.hashKey);
    this.conflicts = this.#keyspace.conflicts;
    this.classes = options.classes ?? new ActiveClasses();
    const { identity, limits, codec } = options;
    this.#replica = new Replica(identity, options.members, new HybridClock(options.stampBound as Stamp), limits);
    const { stampBound, raiseStampBound } = options;
    const made = (): void => this.#replicator.noteProgress();
    this.#own = new OwnStream({ replica: this.#replica, limits, stampBound, raiseStampBound, made });
    this.#outbox = new Outbox(codec);
    this.#closed = new ClosedIncarnations(this.#replica);
    this.#delivery = new Delivery(this.#replica, this.#keyspace, this.#closed, {
      applied: (count) => this.#applied(count),
      message: (channel, message) => this.#events?.message(channel, message),
    });
    this.#nodeNames = new Map(options.members.map((member) => [member.nodeNumber, member.id]));
    for (const { origin, name } of options.strong?.plans ?? []) this.#nodeNames.set(nodeOf(origin), name);
    this.names = (node) => (node === NOBODY ? 'here' : this.#nodeNames.get(node));
    this.sessions = new SessionHorizon(this.#replica, this.names, codec.tokens);
    this.#sender = new Sender(this.#replica, this.#keyspace, (link, frame) => this.#send(link, frame));
    this.#replicator = new Replicator(this.#replica, codec, this.#sender, {
      send: (link, frame) => void this.#send(link, frame),
      closeLink: (link, reason) => this.#outbox.close(link, reason),
      deliver: (now) => this.#delivery.deliver(now),
      mergeSnapshot: (snapshot) => this.#mergeSnapshot(snapshot),
      nextStamp: (wallMs) => this.#own.nextStamp(wallMs),
      strong: (from, bytes) => this.#strong?.frame(from, bytes),
      lastSeqOf: () => this.#own.lastSeq,
    });
    this.#persistence = new Persistence(this.#replica, this.#keyspace, codec, options.hasStore);
    this.#readiness = new Readiness(this.#replica, this.#replicator);
    this.membership = new MembershipDesk(this.#replica, this.#replicator, this.#persistence, () => this.#now);
    this.#report = new NodeReport(this, this.#replica, this.#replicator, this.#sender, this.#keyspace, this.#counters);
    this.#keyspace.collectsDirty = options.hasStore;
    this.#keyspace.onChange = (key, update) => this.#changed(key, update);
    this.#keyspace.recent.carries = (key) => carriesReads(this.classes.policy.classOf(key).consistency);
    this.#keyspace.kinds.isWeak = this.classes.weakKeys();
    this.#keyspace.kinds.keepsSiblings = siblingKeys(this.classes);
    this.#keyspace.showSiblings = (key, siblings) => this.classes.showSiblings(key, siblings);
    this.conflicts.host = conflictHost(this.origin, this.classes, () => this.#now.wallMs);
    this.#keyspace.kinds.isPinned = this.classes.pinnedKeys();
    this.#strong = this.#openStrong(options);
    if (options.strong?.members !== undefined) this.membership.agreeBy(this.#strong, options.strong.members.codec);
    this.#transaction = new LocalTransaction(this.#keyspace, {
      open: () => this.#own.open(),
      record: (update) => {
        this.#own.record(update);
        if (update.kind === UpdateKind.Publish) this.#events?.message(update.field, update.value);
      },
      isWeak: (key) => this.classes.beginWrite(key),
      ttlMsOf: (key) => this.classes.policy.classOf(key).ttlMs,
    });
  }

  #openStrong({ strong, hashKey }: RegionNodeOptions): StrongTier | null {
    if (strong === undefined || (strong.plans.length === 0 && strong.members === undefined)) return null;
    return openStrongTier({
      strong,
      hashKey,
      ownRules: (group) => this.classes.groupRules(group),
      replica: this.#replica,
      replicator: this.#replicator,
      keyspace: this.#keyspace,
      own: this.#own,
      send: (link, frame) => void this.#send(link, frame),
      nodeId: (node) => this.names(node) ?? String(node),
      deliver: () => this.#delivery.deliver(this.#now),
      now: () => this.#now,
    });
  }

  /** Keys that are pinned to a home region. */
  get strong(): StrongView {
    return this.#strong ?? NO_GROUPS;
  }

  // ── seen from the clients: Engine ──

  get node(): NodeView {
    return this;
  }

  get keys(): KeyspaceReader & Pick<SlabKeyspace, 'markInto' | 'isStill'> {
    return this.#keyspace;
  }

  get origin(): Origin {
    return this.#replica.origin;
  }

  get expiredKeys(): number {
    return this.#expiredKeys;
  }

  listen(events: EngineEvents): void {
    this.#events = events;
  }

  readFor(reader: DotSink | null, byClass: boolean): void {
    this.#keyspace.recent.readFor(reader, byClass);
  }

  nowMs(wallMs: number): number {
    this.#replica.clock.read(wallMs);
    return this.#keyTimeMs(wallMs);
  }

  #keyTimeMs(wallMs: number): number {
    // a clock that was ahead for a moment is not believed for longer than the limit
    const beforeMs = Math.min(this.#nowMs, wallMs + this.#options.limits.skewMsMax);
    this.#nowMs = Math.max(beforeMs, wallMs, msOfStamp(this.#replica.clock.last));
    return this.#nowMs;
  }

  transact(nowMs: number, run: (tx: TransactionWriter, nowMs: number) => void): number {
    this.#own.at(Math.max(this.#now.wallMs, nowMs));
    this.#transaction.nowMs = nowMs;
    try {
      run(this.#transaction, nowMs);
    } finally {
      if (this.#own.isOpen) this.#closeTransaction();
    }
    return this.#own.takeWritten();
  }

  refusal(write: boolean, allowedWhileLoading: boolean): CausewayError | null {
    if (!allowedWhileLoading && !this.#readiness.isStarted) {
      return new CausewayError('LOADING', 'Causeway is loading the dataset in memory and catching up with its peers', {
        retry: 'later',
      });
    }
    if (write && this.membership.ownRefusal !== null) return this.membership.ownRefusal;
    if (write && this.#readiness.isAheadOfPeers(this.#now)) {
      return clockSkew(this.nodeId, this.#options.limits);
    }
    return null;
  }

  #closeTransaction(): void {
    if (this.#own.close()) this.#own.seal(this.#now);
  }

  // ── seen from the driver ──

  /** Puts in what the store holds: before anything else. Throws CONFIG where the classes give keys of it to another owner. */
  restore(image: StoredImage): void {
    this.#persistence.restore(image, new KeyOwners(this.names, this.classes));
    this.#replicator.restored();
    this.#keyspace.recent.noteUnknown(this.#replica.vector, this.#replica.stable);
    this.#own.noteVectorChanged();
  }

  /** Begins: the start grace runs from now. */
  start(now: Now): void {
    this.#at(now);
    this.#readiness.begin(now);
  }

  linkOpened(link: number, kind: 'bulk' | 'control', now: Now): void {
    this.#at(now);
    this.#replicator.linkOpened(link, kind);
  }

  linkFrame(link: number, bytes: Uint8Array, now: Now): void {
    this.#at(now);
    const closesBefore = this.#outbox.closeCount;
    this.#replicator.linkFrame(link, bytes, now);
    if (this.#outbox.closeCount > closesBefore) this.#counters.refusedFrames++;
  }

  linkClosed(link: number, now: Now): void {
    this.#at(now);
    this.#replicator.linkClosed(link);
  }

  /** Ends a turn: seals what was written in it and sends what the peers' windows allow. */
  flush(now: Now): void {
    this.#at(now);
    this.#own.seal(this.#now);
    this.#flushStrong(now);
    this.#delivery.endTurn(now);
    if (!this.#delivery.isBehind) this.#replicator.tookAll();
    this.#replicator.pump();
  }

  /** Whether more of what came, or is to be sent, is to be done in a turn of its own, at once: requests that wait go before it. */
  get isBehind(): boolean {
    return this.#delivery.isBehind || this.#replicator.isBehind || this.#strong?.isBehind === true;
  }

  /** Time passes: acknowledgements, expiry, forgetting. To be called after `nextTickMs`. */
  tick(now: Now): void {
    this.#at(now);
    const { vector, stable, log, members } = this.#replica;
    if (!this.#options.hasStore) this.#replica.durable = vector.clone();
    this.#delivery.deliver(now);
    this.#readiness.tick(now);
    this.#closeEarlierIncarnations();
    this.#strong?.tick(now);
    this.#own.seal(this.#now);
    this.#replicator.refreshAlone(now);
    this.#replicator.tick(now);
    members.raiseStable(stable, this.#replica.known);
    if (this.#closed.retire()) this.#own.noteVectorChanged();
    log.truncate(stable, now.monotonicMs);
    const nowMs = this.#keyTimeMs(now.wallMs);
    this.#keyspace.expireDue(nowMs, FORGET_BUDGET, () => this.#expiredKeys++);
    this.#keyspace.purgeExpired(msOfStamp(members.clockFloor()), FORGET_BUDGET);
    this.#keyspace.forgetStable(vector, stable, FORGET_BUDGET);
    if (this.#readiness.isStarted) this.#renewDocuments();
  }

  /** What groups decided is applied and shown; what that lets in is decided in the same turn. */
  #flushStrong(now: Now): void {
    this.#turnGroups(now);
    // what was agreed on is done, and what is done reported, in the same turn
    if (this.membership.agreement?.follow() === true) this.#turnGroups(now);
    if (this.#strong?.settle(now) === true) this.#delivery.deliver(now);
  }

  #turnGroups(now: Now): void {
    do while (this.#strong?.flush(now) === true) this.#delivery.deliver(now);
    while (this.#strong?.answerApplied() === true);
  }

  /** What is to be on disk before quorum groups go on, null for nothing more. To be stored at once, in the order of the calls. */
  takeQuorumBatch(): QuorumBatch | null {
    return this.#strong?.takeBatch(this.#now) ?? null;
  }

  /** A quorum batch that was taken is on disk. */
  quorumCommitted(batch: QuorumBatch, now: Now): void {
    this.#at(now);
    this.#strong?.committed(batch, now);
  }

  /** Milliseconds until the next `tick` is wanted. */
  nextTickMs(): number {
    const causalMs = this.#nextCausalTickMs();
    if (this.#strong === null) return causalMs;
    return Math.min(causalMs, this.#strong.nextTickMs(this.#now), this.#strong.nextBatchMs(this.#now));
  }

  #nextCausalTickMs(): number {
    const { rowsEveryMs, heartbeatMs } = this.#options.limits;
    const isBusy = this.#replicator.isBusy || this.#keyspace.forgetWaiting > 0 || !this.#readiness.isStarted;
    if (isBusy) return rowsEveryMs;
    const untilExpiryMs = this.#keyspace.nextExpiryMs - this.#keyTimeMs(this.#now.wallMs);
    return Math.max(rowsEveryMs, Math.min(heartbeatMs, untilExpiryMs));
  }

  takeOutputs(): NodeOutputs {
    return this.#outbox.take();
  }

  /**
   * What is to be written behind, null for nothing; at most one batch is on its way. One of many keys is gathered bit by bit: null as well, and it is
   * still due, until a turn has the last of it. `isWhole` gathers the rest at once.
   */
  takeStoreBatch(isWhole = false): StoreBatch | null {
    if (this.#own.isOpen || !(this.#persistence.isWaiting || this.isStoreBatchDue)) return null;
    const keys = isWhole ? Infinity : this.#options.limits.storedPerTurn;
    return this.#persistence.take(this.#own.boundFor(this.#replica.clock.last), this.#now, keys);
  }

  get isStoreBatchDue(): boolean {
    return this.#persistence.isDue(this.#now) || (this.#own.isBoundLow(this.#now) && !this.#persistence.isInFlight);
  }

  /** The batch taken last is on disk. */
  storeCommitted(): void {
    const before = this.#replica.durable;
    this.#own.boundCommitted(this.#persistence.committed());
    if (!before.covers(this.#replica.durable)) this.#replicator.noteProgress();
  }

  #at(now: Now): void {
    this.#now = now;
    this.#replica.clock.read(now.wallMs);
  }

  #send(link: number, frame: PeerFrame): number {
    if (frame.type === 'snapshot-end') this.#counters.snapshotsSent++;
    return this.#outbox.send(link, frame);
  }

  #applied(count: number): void {
    this.#own.noteVectorChanged();
    this.#counters.applied += count;
    this.#replicator.noteProgress();
  }

  /** The keyspace says that what a key shows may have changed; null is all of them. */
  #changed(key: ByteRange | null, update: Update | null): void {
    if (this.#events === null) return;
    if (key === null) this.#events.flushed();
    else if (update === null || this.#delivery.applying === 'expiry') this.#events.keyChanged(key, EXPIRED);
    else this.#events.keyChanged(update.key, this.#delivery.applying === 'remote' ? eventOf(update) : null);
  }

  #mergeSnapshot(snapshot: Snapshot): void {
    this.#own.seal(this.#now);
    const { vector, stable, clock, log } = this.#replica;
    this.#keyspace.mergeSnapshot(snapshot.entries, snapshot.flush, { local: vector.clone(), remote: snapshot.vector });
    for (const [origin, deps] of snapshot.running) {
      if (snapshot.vector.get(origin) > vector.get(origin)) this.#replica.setRunning(origin, deps);
    }
    for (const [origin, seq] of snapshot.vector.dots()) if (seq > vector.get(origin)) log.startAfter(origin, seq);
    for (const [origin, seq] of snapshot.vector.entries()) {
      if (incarnationOf(origin) === 0) this.#replica.retireBelow(nodeOf(origin), seq);
      else vector.raise(origin, seq);
    }
    stable.merge(snapshot.stable);
    clock.see(snapshot.stamp);
    this.#own.noteVectorChanged();
    this.#counters.snapshotsReceived++;
  }

  // ── incarnations (RULES D8) ──

  #closeEarlierIncarnations(): void {
    const incarnation = this.#closed.closable();
    if (incarnation === null) return;
    this.#own.at(this.#now.wallMs);
    this.#closed.note(incarnation, this.#own.open());
    this.#transaction.closeIncarnations(incarnation);
    this.#closeTransaction();
    this.#own.takeWritten();
  }

  /** Documents whose history has become long start a new generation (RULES V9). */
  #renewDocuments(): void {
    const due = this.#keyspace.grownDocuments.due(this.#options.identity.nodeNumber, this.#replica.stable);
    if (due.length === 0) return;
    this.#own.at(this.#now.wallMs);
    for (const key of due) this.#transaction.documentGeneration(latin1Range(key), 0);
    if (this.#own.isOpen) this.#closeTransaction();
    this.#own.takeWritten();
  }

  // ── what it says of itself: NodeView ──

  get nodeId(): string {
    return this.#options.identity.nodeId;
  }

  get region(): string {
    return this.#options.identity.region;
  }

  vector(): VersionVector {
    return this.#replica.vector.clone();
  }

  digest(nowMs: number): string {
    return this.#keyspace.digest(nowMs);
  }

  explain(key: ByteRange, nowMs: number): [name: string, value: string][] {
    return explainKey(key, this.#keyspace.entryOf(key), this.names, nowMs, this.classes);
  }

  lastDot(): Dot | null {
    return this.#own.lastSeq === 0 ? null : { origin: this.origin, seq: this.#own.lastSeq };
  }

  regionsCovering(dot: Dot): number {
    const { members, limits } = this.#replica;
    return members.regionsCovering(dot.origin, dot.seq, this.region, this.#now.monotonicMs, limits.liveMs);
  }

  unreadyReasons(_nowMs: number): string[] {
    return this.#readiness.reasons(this.#now);
  }

  peers(_nowMs: number): PeerStatus[] {
    return this.#report.peers(this.#now);
  }

  degradedReasons(_nowMs: number): string[] {
    return groupTroubles(this.strong.groups());
  }

  telemetry(_nowMs: number): NodeTelemetry {
    const groups = this.#strong?.telemetry() ?? [];
    return this.#report.telemetry(this.#now, this.#own.lastSeq, this.#expiredKeys, groups);
  }
}
