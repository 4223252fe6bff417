import type { ByteRange } from '../base/bytes.ts';
import type { PeerFrame } from '../causal/peer-frames.ts';
import { clockSkew } from '../causal/clock-skew.ts';
import { Replica, type Now } from '../causal/replica.ts';
import { Replicator } from '../causal/replicator.ts';
import { Sender } from '../causal/sender.ts';
import { SessionHorizon } from '../causal/session-horizon.ts';
import type { Snapshot } from '../causal/snapshot-receiver.ts';
import { ActiveClasses } from '../classes/active-classes.ts';
import type { Dot, NodeNames } from '../clock/dot.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import { HybridClock, msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Engine, EngineEvents } from '../commands/engine.ts';
import type { KeyDigest, NodeView, PeerStatus } from '../commands/node-view.ts';
import type { StrongView } from '../commands/strong-view.ts';
import { UpdateKind, type Update } from '../crdt/update.ts';
import type { CausewayError } from '../errors.ts';
import type { KeyspaceReader, TransactionWriter } from '../keyspace/keyspace.ts';
import { LocalTransaction } from '../keyspace/local-transaction.ts';
import { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { NO_GROUPS } from '../groups/no-groups.ts';
import type { StrongTier } from '../groups/strong-tier.ts';
import { NOBODY } from '../keyspace/weak-writes.ts';
import type { DotSink } from '../keyspace/recent-changes.ts';
import type { QuorumBatch, StoreBatch, StoredImage } from '../ports.ts';
import { EVICTED, EXPIRED, eventOf } from './change-events.ts';
import { ClosedIncarnations } from './closed-incarnations.ts';
import { conflictHost } from './conflict-host.ts';
import { Delivery } from './delivery.ts';
import { explainKey } from './explain.ts';
import { flushGroups, settleGroups } from './group-turns.ts';
import { keyDigestIn } from './key-digest.ts';
import { NodeKeyStates } from './key-states.ts';
import { MembershipDesk } from './membership-desk.ts';
import { Invalidations } from './invalidations.ts';
import { mergeSnapshot } from './snapshot-merge.ts';
import { NodeCounters, NodeReport } from './node-report.ts';
import { OwnStream } from './own-stream.ts';
import { useClasses } from './keyspace-classes.ts';
import { Loads } from './loads.ts';
import { Outbox, type NodeOutputs } from './outbox.ts';
import { PeerMessages } from './peer-messages.ts';
import { Persistence } from './persistence.ts';
import { KeyOwners } from './key-owners.ts';
import { groupTroubles, LOADING, Readiness } from './readiness.ts';
import type { RegionNodeOptions } from './region-node-options.ts';
import { openStrongTier } from './strong-side.ts';
import type { NodeTelemetry } from './telemetry.ts';
import { WriteWatch } from './write-watch.ts';

/** Keys looked at in one tick for expiry, purge and forgetting: bounds the pause. */
const FORGET_BUDGET = 2_000;
/** What is left of the stamp bound when it is raised alone, and when beside a batch, which the disk is busy with. */
const BOUND_LOW = 1 / 2;
const BOUND_LOW_BESIDE = 3 / 4;

/**
 * One node: the one place where keyspace, causal replication and commands meet. A pure step machine with two drivers, the server
 * and the simulator: inputs are commands, frames, connections opening and closing, and time; outputs are frames to send.
 *
 * Ordering contract: what `takeOutputs` returns may be sent at once, and is good until the node is called again: who keeps a frame copies it. A command may be answered as soon as `transact` returned (the
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
  readonly #skewed: CausewayError;
  readonly #transaction: LocalTransaction;
  readonly names: NodeNames;
  readonly sessions: SessionHorizon;
  readonly membership: MembershipDesk;
  readonly #strong: StrongTier | null;
  readonly classes: ActiveClasses;
  readonly conflicts: SlabKeyspace['conflicts'];
  readonly memory: SlabKeyspace['eviction'];
  readonly node: NodeView = this;
  readonly keys: KeyspaceReader & Pick<SlabKeyspace, 'markInto' | 'isStill'>;
  readonly invalidations: Invalidations;
  readonly #own: OwnStream;
  #events: EngineEvents | null = null;
  /** Told of every key whose visible state may have changed, null for any of them; `key` is good for the call. */
  onKeyChanged: ((key: ByteRange | null) => void) | null = null;
  #now: Now = { wallMs: 0, monotonicMs: 0 };
  #nowMs = 0;
  #tickedAtMs = -Infinity;
  #expiredKeys = 0;
  readonly #counters: NodeCounters = new NodeCounters();
  readonly #report: NodeReport;
  readonly #outbox: Outbox;
  readonly #closed: ClosedIncarnations;
  readonly #delivery: Delivery;
  readonly changing = (key: ByteRange): Dot | null => this.#delivery.changing(key, this.#own);
  readonly loads: Loads;
  readonly writes: WriteWatch;
  readonly states: NodeKeyStates;
  readonly messages: PeerMessages = new PeerMessages(
    () => this.#replicator.sessions,
    (link, frame) => void this.#send(link, frame),
  );

  constructor(options: RegionNodeOptions) {
    this.#options = options;
    this.#skewed = clockSkew(options.identity.nodeId, options.limits);
    this.#keyspace = new SlabKeyspace(options.hashKey);
    this.conflicts = this.#keyspace.conflicts;
    this.memory = this.#keyspace.eviction;
    this.keys = this.#keyspace;
    this.loads = new Loads(this.#keyspace, this, options.limits.skewMsMax);
    this.classes = options.classes ?? new ActiveClasses();
    const { identity, limits, codec, stampBound, raiseStampBound } = options;
    this.states = new NodeKeyStates(this.#keyspace, codec, this.vector, (of) => this.#strong?.keyspaceOf(of) ?? null);
    this.#replica = new Replica(identity, options.members, new HybridClock(options.stampBound as Stamp), limits);
    this.writes = new WriteWatch(this.#replica, stampBound, limits.skewMsMax);
    const made = (): void => this.#replicator.noteProgress();
    this.#own = new OwnStream({ replica: this.#replica, limits, stampBound, raiseStampBound, made });
    this.#outbox = new Outbox(codec);
    this.#closed = new ClosedIncarnations(this.#replica);
    this.#transaction = new LocalTransaction(this.#keyspace, {
      open: () => this.#own.open(),
      record: (update) => {
        this.#own.record(update);
        this.writes.made(update);
        if (update.kind === UpdateKind.Publish) this.#events?.message(update.field, update.value);
      },
      isWeak: (key) => this.classes.beginWrite(key),
      ttlMsOf: (key, value) =>
        this.loads.ttlMsOf(this.classes.policy.classOf(key), key, value, this.#transaction.nowMs),
    });
    this.invalidations = new Invalidations({
      replica: this.#replica,
      nodes: options.members.map(({ nodeNumber }) => nodeNumber),
      keyspace: this.#keyspace,
      open: () => this.#own.open(),
      transaction: this.#transaction,
      transact: (run) => this.#transactByItself(run),
      message: (channel, message) => this.#events?.message(channel, message),
      refusal: () => this.refusal(true, false),
      nowMs: () => this.#keyTimeMs(this.#now.wallMs),
    });
    this.#delivery = new Delivery(this.#replica, this.#keyspace, this.#closed, {
      applied: (count) => this.#applied(count),
      message: (channel, message) => this.#events?.message(channel, message),
      invalidations: this.invalidations,
    });
    const nodeNames = new Map<number, string>(options.members.map((member) => [member.nodeNumber, member.id]));
    for (const { origin, name } of options.strong?.plans ?? []) nodeNames.set(nodeOf(origin), name);
    this.names = (node) => (node === NOBODY ? 'here' : nodeNames.get(node));
    this.sessions = new SessionHorizon(this.#replica, this.names, codec.tokens);
    this.#sender = new Sender(this.#replica, this.#keyspace, (link, frame) => this.#send(link, frame));
    this.#replicator = new Replicator(this.#replica, codec, this.#sender, {
      send: (link, frame) => void this.#send(link, frame),
      closeLink: (link, reason) => this.#outbox.close(link, reason),
      deliver: (now) => this.#delivery.deliver(now),
      staging: () => this.#keyspace.staging(),
      mergeSnapshot: (snapshot) => this.#mergeSnapshot(snapshot),
      nextStamp: (wallMs) => this.#own.nextStamp(wallMs),
      strong: (from, bytes) => this.#strong?.frame(from, bytes),
      message: (frame) => this.messages.take(frame),
      lastSeqOf: () => this.#own.lastSeq,
    });
    this.#persistence = new Persistence(this.#replica, this.#keyspace, codec, options.hasStore);
    if (options.readStored !== undefined) this.#persistence.evictsTo(options.readStored);
    this.#readiness = new Readiness(this.#replica, this.#replicator);
    this.membership = new MembershipDesk(this.#replica, this.#replicator, this.#persistence, () => this.#now);
    this.#report = new NodeReport(this, this.#replica, this.#replicator, this.#sender, this.#keyspace, this.#counters);
    this.#keyspace.collectsDirty = options.hasStore;
    this.#keyspace.stable = this.#replica.stable;
    this.#keyspace.onChange = this.loads.watching((key, update) => this.#changed(key, update));
    useClasses(this.#keyspace, this.classes);
    this.conflicts.host = conflictHost(this.origin, this.classes, () => this.#now.wallMs);
    this.#strong = this.#openStrong(options);
    if (options.strong?.members !== undefined) this.membership.agreeBy(this.#strong, options.strong.members.codec);
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
      if (this.#own.isOpen) this.invalidations.beforeClose();
      if (this.#own.isOpen) this.writes.beforeClose(this.#transaction, this.#own.open());
      if (this.#own.isOpen) this.#closeTransaction();
    }
    return this.#own.takeWritten();
  }

  /** A transaction that no client asked for. Its changes are told of as those of other nodes. */
  #transactByItself(run: () => void): void {
    this.#own.at(this.#now.wallMs);
    this.#transaction.nowMs = this.#keyTimeMs(this.#now.wallMs);
    this.#delivery.applying = 'remote';
    run();
    this.#delivery.applying = 'own';
    if (this.#own.isOpen) this.#closeTransaction();
    this.#own.takeWritten();
  }

  refusal(write: boolean, allowedWhileLoading: boolean): CausewayError | null {
    if (!allowedWhileLoading && !this.#readiness.isStarted) return LOADING;
    const removed = write ? this.membership.ownRefusal : null;
    if (removed !== null) return removed;
    return write && this.#readiness.isAheadOfPeers(this.#now) ? this.#skewed : null;
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
    this.invalidations.reread();
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

  /** Ends a turn: seals what was written in it and sends what the peers' windows allow. `pace` is the share of the limits of a turn that the next one has. */
  flush(now: Now, pace = 1): void {
    this.#at(now);
    this.#own.seal(this.#now);
    flushGroups(this.#strong, this.membership.agreement, this.#delivery, now);
    this.#delivery.endTurn(now, pace);
    this.invalidations.step();
    this.memory.step(this.#replica.durable);
    if (!this.#delivery.isBehind) this.#replicator.tookAll();
    this.#replicator.pump();
  }

  /** Ends a turn for this node alone, when what it sends has left and what it wants kept is on its way. Says whether there may be more to send. */
  settle(now: Now): boolean {
    return settleGroups(this.#strong, this.#delivery, now);
  }

  /** Whether more of what came, or is to be sent, is to be done in a turn of its own, at once: requests that wait go before it. */
  get isBehind(): boolean {
    const isBehind = this.invalidations.isBehind || this.memory.isBehind || this.#delivery.hasMore;
    return isBehind || this.#delivery.isBehind || this.#replicator.isBehind || this.#strong?.isBehind === true;
  }

  /** Time passes: acknowledgements, expiry, forgetting. To be called after `nextTickMs`. */
  tick(now: Now): void {
    this.#at(now);
    // leaders want time to pass oftener than all else does
    if (this.#strong !== null && now.monotonicMs - this.#tickedAtMs < this.#options.limits.rowsEveryMs / 2)
      return this.#strong.tick(now);
    this.#tickedAtMs = now.monotonicMs;
    const { vector, stable, log, members } = this.#replica;
    if (!this.#options.hasStore) this.#replica.durable = vector.clone();
    this.#delivery.deliver(now);
    this.#readiness.tick(now);
    this.#transactByItself(() => this.#closed.closeEarlier(this.#transaction, () => this.#own.open()));
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
    const { grownDocuments } = this.#keyspace;
    if (this.#readiness.isStarted)
      this.#transactByItself(() => grownDocuments.renew(this.#transaction, nodeOf(this.origin), stable));
    this.invalidations.tick(nowMs);
  }

  /** What is to be on disk before quorum groups go on, null for nothing more. To be stored at once, in the order of the calls. */
  takeQuorumBatch(): QuorumBatch | null {
    return this.#strong?.takeBatch(this.#now) ?? null;
  }

  /** A quorum batch that was taken is on disk. Says whether a turn is to come at once because of it. */
  quorumCommitted(batch: QuorumBatch, now: Now): boolean {
    this.#at(now);
    return this.#strong?.committed(batch, now) ?? false;
  }

  /** Milliseconds until the next `tick` is wanted. */
  nextTickMs(): number {
    const causalMs = this.#nextCausalTickMs();
    if (this.#strong === null) return causalMs;
    return Math.min(causalMs, this.#strong.nextTickMs(this.#now), this.#strong.nextBatchMs(this.#now));
  }

  #nextCausalTickMs(): number {
    const { rowsEveryMs, heartbeatMs } = this.#options.limits;
    if (this.#replicator.isBusy || this.#keyspace.forgetWaiting > 0 || !this.#readiness.isStarted) return rowsEveryMs;
    const untilExpiryMs = this.#keyspace.nextExpiryMs - this.#keyTimeMs(this.#now.wallMs);
    return Math.max(rowsEveryMs, Math.min(heartbeatMs, untilExpiryMs));
  }

  takeOutputs(): NodeOutputs {
    this.#replica.chunkMemory.handedOut();
    return this.#outbox.take();
  }

  /** What is to be written behind, null for nothing. One of many keys is gathered bit by bit and is due until a turn has the last; `isWhole` gathers the rest at once. */
  takeStoreBatch(isWhole = false): StoreBatch | null {
    if (isWhole) this.#keyspace.pending.settleAll();
    if (this.#own.isOpen || !(this.#persistence.isWaiting || this.isStoreBatchDue)) return null;
    const keys = isWhole ? Infinity : Math.ceil(this.#options.limits.storedPerTurn * this.#replica.pace);
    return this.#persistence.take(this.#own.bound.next(), this.#now, keys);
  }

  get isStoreBatchDue(): boolean {
    return this.#persistence.isDue(this.#now);
  }

  /** A bound above stamps to come that is to be on disk soon, where no batch is due that would bring it or the one on its way takes long; null for none. */
  takeStampBound(): Stamp | null {
    return this.#own.bound.isBelow(this.#persistence.isBusy ? BOUND_LOW_BESIDE : BOUND_LOW)
      ? this.#own.bound.begin()
      : null;
  }

  /** The bound taken last is on disk. */
  stampBoundRaised(): void {
    this.#own.bound.arrived();
  }

  /** The batch taken last is on disk. */
  storeCommitted(): void {
    const before = this.#replica.durable;
    this.#own.bound.committed(this.#persistence.committed());
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
    if (this.onKeyChanged !== null) this.onKeyChanged(key);
    this.invalidations.changed(key, update, this.#delivery.applying === 'own');
    this.writes.came(key, update, this.#delivery.applying === 'own');
    if (this.#events === null) return;
    if (key === null) this.#events.flushed();
    else if (this.memory.isDropping) this.#events.keyChanged(key, EVICTED);
    else if (update === null || this.#delivery.applying === 'expiry') this.#events.keyChanged(key, EXPIRED);
    else this.#events.keyChanged(update.key, this.#delivery.applying === 'remote' ? eventOf(update) : null);
  }

  #mergeSnapshot(snapshot: Snapshot): void {
    this.#own.seal(this.#now);
    this.invalidations.merging(snapshot.vector, () => mergeSnapshot(this.#replica, this.#keyspace, snapshot));
    this.#own.noteVectorChanged();
    this.#counters.snapshotsReceived++;
  }

  // ── what it says of itself: NodeView ──

  get nodeId(): string {
    return this.#options.identity.nodeId;
  }

  get region(): string {
    return this.#options.identity.region;
  }

  readonly vector = (): VersionVector => this.#replica.vector.clone();
  readonly digest = (nowMs: number): string => this.#keyspace.digest(nowMs);
  readonly digestRun: NodeView['digestRun'] = (nowMs) => this.#keyspace.digests.begin(nowMs);

  keyDigest(key: ByteRange, nowMs: number): KeyDigest {
    return keyDigestIn(this.#keyspace, this.sessions, key, nowMs);
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

  readonly unsavedMs = (monotonicMs: number): number | null => this.#persistence.unsavedMs(monotonicMs);
  readonly unreadyReasons = (_nowMs: number): string[] => this.#readiness.reasons(this.#now);
  readonly peers = (_nowMs: number): PeerStatus[] => this.#report.peers(this.#now);
  readonly degradedReasons = (_nowMs: number): string[] => groupTroubles(this.strong.groups());

  telemetry(_nowMs: number): NodeTelemetry {
    return this.#report.telemetry(this.#now, this.#own.lastSeq, this.#expiredKeys, this.#strong?.telemetry() ?? []);
  }
}
