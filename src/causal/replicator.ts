import { incarnationOf, nodeOf } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import { CausewayError } from '../errors.ts';
import { ColumnsReader } from './columns-reader.ts';
import { DroppedStreams } from './dropped-streams.ts';
import { MissingCauses } from './missing-causes.ts';
import { RowExchange } from './row-exchange.ts';
import { checkHello, helloOf, RETIRED } from './hello.ts';
import { checkClaims } from './peer-claims.ts';
import type {
  Codec,
  FetchFrame,
  HelloFrame,
  MembershipFrame,
  PeerFrame,
  RowsFrame,
  TransactionsFrame,
  WantFrame,
} from './peer-frames.ts';
import { livesIn } from './members.ts';
import { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';
import type { ReplicatorHost } from './replicator-host.ts';
import type { Sender } from './sender.ts';
import { SnapshotIntake } from './snapshot-intake.ts';
import { Sources } from './sources.ts';

const REPLACED = 'replaced by a newer connection';

/** No node has this number. */
const NO_NODE = 0;

interface Link {
  readonly kind: 'bulk' | 'control';
  /** The peer, once it said hello. */
  node: number | null;
  /** It said hello and is no member as it is: why. */
  refusal: string | null;
}

/** Speaks with the peers: hello, who is sent what, acknowledgements, asking for what is missing, snapshots. No clock, no socket. */
export class Replicator {
  readonly #replica: Replica;
  readonly #codec: Codec;
  readonly #host: ReplicatorHost;
  readonly #links: Map<number, Link> = new Map();
  readonly #sessions: Map<number, PeerSession> = new Map();
  readonly #sources: Sources;
  readonly #sender: Sender;
  readonly #snapshots: SnapshotIntake;
  /** Newest incarnation known of each node. */
  readonly #incarnations: Map<number, number> = new Map();
  readonly #missing: MissingCauses;
  #rowsDue = false;
  #isBehind = false;
  readonly #rowExchange: RowExchange;
  readonly #dropped: DroppedStreams;

  constructor(replica: Replica, codec: Codec, sender: Sender, host: ReplicatorHost) {
    this.#replica = replica;
    this.#codec = codec;
    this.#sender = sender;
    this.#host = host;
    this.#snapshots = new SnapshotIntake(replica, () => host.staging());
    this.#sources = new Sources(replica);
    this.#missing = new MissingCauses(replica);
    this.#dropped = new DroppedStreams(replica);
    this.#rowExchange = new RowExchange(replica, (wallMs) => host.nextStamp(wallMs), this.#incarnations);
    this.#incarnations.set(replica.identity.nodeNumber, replica.identity.incarnation);
  }

  get sessions(): ReadonlyMap<number, PeerSession> {
    return this.#sessions;
  }

  /** The newest incarnation of a node that was heard of, 0 for none. */
  incarnationOf(node: number): number {
    return this.#incarnations.get(node) ?? 0;
  }

  get isReceivingSnapshot(): boolean {
    return this.#snapshots.isOpen;
  }

  /** Something was applied or became durable: acknowledge soon. */
  noteProgress(): void {
    this.#rowsDue = true;
  }

  /** Notes the incarnations that the store knew of. */
  restored(): void {
    for (const [origin, seq] of this.#replica.vector.entries()) {
      this.#sawIncarnation(nodeOf(origin), incarnationOf(origin) === 0 ? seq : incarnationOf(origin));
    }
  }

  // ── connections ──

  linkOpened(link: number, kind: 'bulk' | 'control'): void {
    this.#links.set(link, { kind, node: null, refusal: null });
    this.#host.send(link, helloOf(this.#replica, kind));
    this.#sayMembers(link);
  }

  linkClosed(link: number): void {
    const state = this.#links.get(link);
    this.#links.delete(link);
    const session = this.#sessions.get(state?.node ?? NO_NODE);
    if (session === undefined) return;
    const node = session.member.nodeNumber;
    if (session.bulk === link) {
      session.bulk = null;
      this.#sender.dropSnapshot(session);
      session.resetBulk();
      this.#dropReceived(node);
    } else if (session.control === link) {
      session.control = null;
      session.resetControl();
    }
    this.#chooseSources();
  }

  /** A snapshot that does not come to its end: others that offered one are to offer it again. */
  #dropReceived(node: number): void {
    if (!this.#snapshots.dropFrom(node)) return;
    for (const session of this.#sessions.values()) session.ourWant = null;
  }

  /** Takes one frame; a frame that breaks the protocol closes its connection and changes nothing else. */
  linkFrame(link: number, bytes: Uint8Array, now: Now): void {
    const state = this.#links.get(link);
    if (state === undefined) return;
    try {
      const frame = this.#codec.decodeFrame(bytes);
      if (state.node === null) this.#hello(link, state, frame, now);
      else this.#frame(this.#sessionOf(state.node), frame, bytes.length, now);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.#host.closeLink(link, `${error.code} ${error.message}`);
      this.linkClosed(link);
    }
  }

  #sessionOf(node: number): PeerSession {
    const session = this.#sessions.get(node);
    if (session === undefined) throw new CausewayError('PROTOCOL', 'the session is gone');
    return session;
  }

  #hello(link: number, state: Link, frame: PeerFrame, now: Now): void {
    if (state.refusal !== null) return this.#afterRefusal(state.refusal, frame);
    if (frame.type !== 'hello') throw new CausewayError('PROTOCOL', `expected hello, got ${frame.type}`);
    const member = frame.nodeNumber;
    // it was told who is a member at the opening; what it says next closes the connection, or the telling would be lost with that
    const newest = this.#incarnations.get(member) ?? 0;
    state.refusal =
      this.#replica.membership.strangenessOf(member, frame.beganAtEpoch) ??
      checkHello(frame, state.kind, this.#replica, newest, this.#host.lastSeqOf());
    if (state.refusal !== null) return;
    let session = this.#sessions.get(member);
    if (session === undefined || session.incarnation !== frame.incarnation) session = this.#newSession(frame, now);
    if (session.startId !== frame.startId) {
      throw new CausewayError('PROTOCOL', `two processes claim ${frame.nodeId}#${frame.incarnation}: stop one of them`);
    }
    state.node = member;
    session.heardAtMs = now.monotonicMs;
    session.helloApplied = new VersionVector(frame.applied);
    session.takesMessages = frame.takesMessages;
    const old = state.kind === 'bulk' ? session.bulk : session.control;
    if (old !== null && old !== link) this.#closeLink(old, REPLACED);
    if (state.kind === 'bulk') {
      this.#sender.dropSnapshot(session);
      this.#dropReceived(member);
      session.resetBulk();
      session.bulk = link;
    } else {
      session.resetControl();
      session.control = link;
    }
    if (!session.isUp) return;
    session.ourWant = null;
    this.#sayMembers(session.control);
    this.#chooseSources();
    this.#sendControl(session, this.#rowExchange.frameFor(session, now));
  }

  /** What a refused one says of the members is no news; anything else, and that it has removed this node as well, ends the connection. */
  #afterRefusal(refusal: string, frame: PeerFrame): void {
    const own = this.#replica.identity.nodeNumber;
    if (refusal === RETIRED && frame.type === 'membership') return this.#adopt(frame);
    const isSplit = frame.type === 'membership' && frame.removals.some(({ node }) => node === own);
    if (frame.type === 'membership' && !isSplit) return;
    const both = isSplit ? ', and it says the same of this node: there are two clusters now' : '';
    throw new CausewayError('PROTOCOL', `hello refused: ${refusal}${both}`);
  }

  #closeLink(link: number, reason: string): void {
    this.#links.delete(link);
    this.#host.closeLink(link, reason);
  }

  #newSession(frame: HelloFrame, now: Now): PeerSession {
    const member = this.#replica.members.get(frame.nodeNumber);
    if (member === undefined) throw new CausewayError('PROTOCOL', `${frame.nodeId} is no member`);
    this.#sawIncarnation(frame.nodeNumber, frame.incarnation);
    const session = new PeerSession(member, now.monotonicMs);
    session.incarnation = frame.incarnation;
    session.startId = frame.startId;
    this.#sessions.set(frame.nodeNumber, session);
    return session;
  }

  /** From now on nothing is taken from older incarnations of the node directly: their last words are said (RULES D8). */
  #sawIncarnation(node: number, incarnation: number): void {
    if ((this.#incarnations.get(node) ?? 0) >= incarnation || this.#replica.members.get(node) === undefined) return;
    this.#incarnations.set(node, incarnation);
    this.#rowsDue = true;
    const session = this.#sessions.get(node);
    if (session !== undefined && session.incarnation < incarnation) this.#endSession(session, REPLACED);
  }

  #endSession(session: PeerSession, reason: string): void {
    const node = session.member.nodeNumber;
    this.#sessions.delete(node);
    this.#sender.dropSnapshot(session);
    this.#dropReceived(node);
    for (const link of [session.bulk, session.control]) if (link !== null) this.#closeLink(link, reason);
    this.#chooseSources();
  }

  /** Takes nothing more from a node itself; what of it was not applied yet is as if it never came (RULES D7). */
  shutOut(node: number): void {
    const { holdBack, membership } = this.#replica;
    const session = this.#sessions.get(node);
    this.#snapshots.shutOut(node);
    holdBack.forget((origin) => nodeOf(origin) === node);
    this.#dropped.forget(node);
    // what others sent of it and was held is forgotten too: up to the cut it is wanted of them once more
    for (const other of this.#sessions.values()) other.ourWant = null;
    if (session !== undefined) this.#endSession(session, membership.refusalOf(node) ?? REPLACED);
    else this.#chooseSources();
  }

  /** The members changed here: shuts out whoever is none, and tells the others. */
  membersChanged(): void {
    const { membership, members } = this.#replica;
    for (const { nodeNumber } of members.others()) {
      if (membership.refusalOf(nodeNumber) !== null) this.shutOut(nodeNumber);
    }
    for (const { control } of this.#sessions.values()) this.#sayMembers(control);
    // two that refuse each other say nothing more, and their connection may last
    for (const [link, { refusal }] of this.#links) if (refusal !== null) this.#sayMembers(link);
  }

  #sayMembers(link: number | null): void {
    const { membership } = this.#replica;
    if (link !== null && membership.epoch > 0) this.#host.send(link, { type: 'membership', ...membership.record });
  }

  #membership(session: PeerSession, frame: MembershipFrame): void {
    if (frame.removals.some(({ node }) => node === session.member.nodeNumber))
      throw new CausewayError('PROTOCOL', `${session.member.id} cannot say of itself that it is removed`);
    this.#adopt(frame);
  }

  #adopt(frame: MembershipFrame): void {
    const { members, membership } = this.#replica;
    const beganAtEpoch = membership.began.epoch;
    for (const { node } of [...frame.joins, ...frame.removals])
      if (members.get(node) === undefined) throw new CausewayError('PROTOCOL', `${node} is no node of the topology`);
    if (!membership.adopt(frame)) return;
    this.membersChanged();
    if (membership.began.epoch === beganAtEpoch) return;
    // whoever heard a hello of this node heard that its keyspace is an older one
    for (const link of [...this.#links.keys()]) {
      this.#host.closeLink(link, 'joined again: a hello tells of it');
      this.linkClosed(link);
    }
  }

  #checkClaims(...vectors: readonly VersionVector[]): void {
    for (const vector of vectors) checkClaims(vector, this.#replica, this.#host.lastSeqOf());
  }

  #frame(session: PeerSession, frame: PeerFrame, length: number, now: Now): void {
    session.heardAtMs = now.monotonicMs;
    switch (frame.type) {
      case 'transactions':
        session.receivedBytes += length;
        this.#transactions(session, frame, now);
        return;
      case 'rows':
        this.#rows(session, frame, now);
        return;
      case 'want':
        this.#want(session, frame);
        return;
      case 'fetch':
        this.#fetch(session, frame);
        return;
      case 'truncated':
        return this.#askSnapshot(session);
      case 'snapshot-request':
        return this.#sender.beginSnapshot(session);
      case 'snapshot-begin':
      case 'snapshot-entries':
      case 'snapshot-end':
        session.receivedBytes += length;
        this.#snapshotFrame(session, frame, now);
        return;
      case 'membership':
        this.#membership(session, frame);
        return;
      case 'strong':
        return this.#host.strong(session.member.nodeNumber, frame.bytes);
      case 'message':
        return this.#host.message(frame);
      case 'hello':
        throw new CausewayError('PROTOCOL', 'a second hello');
    }
  }

  // ── what comes in ──

  #transactions(session: PeerSession, frame: TransactionsFrame, now: Now): void {
    const { replica } = this.#sender;
    const { origin, first, last } = frame;
    if (!replica.isMemberOrigin(origin) || first < 1 || last < first)
      throw new CausewayError('PROTOCOL', 'transactions of no member');
    if (origin === replica.origin && last > this.#host.lastSeqOf())
      throw new CausewayError('PROTOCOL', 'transactions of ours that we never made');
    if (replica.vector.contains(origin, last) || replica.membership.isBeyond(origin, last)) return;
    const columns = this.#codec.decodeColumns(frame.bytes, last - first + 1);
    const chunk = { origin, first, last, bytes: frame.bytes, atMs: now.monotonicMs };
    const held = { chunk, reader: new ColumnsReader(columns), sender: session.member.nodeNumber, nextSeq: first };
    const taken = replica.holdBack.take(held, replica.vector.get(origin), frame.asked, now.monotonicMs);
    if (taken === 'full' || taken === 'gap') this.#dropped.note(origin, last);
    if (taken === 'held') this.#host.deliver(now);
  }

  #rows(session: PeerSession, frame: RowsFrame, now: Now): void {
    for (const row of frame.rows) {
      if (this.#replica.members.get(row.node) === undefined)
        throw new CausewayError('PROTOCOL', `a row of ${row.node}, which is no member`);
      this.#checkClaims(row.applied, row.durable);
    }
    session.takenBytes = Math.min(session.sentBytes, Math.max(session.takenBytes, frame.receivedBytes));
    const rttMs = session.sawEcho(frame, now);
    for (const row of frame.rows) {
      if (row.node === this.#replica.identity.nodeNumber) continue;
      if (row.node === session.member.nodeNumber) session.clock.saw(row.wallMs, now.monotonicMs, rttMs);
      for (const [node, incarnation] of livesIn(row))
        if (node !== this.#replica.identity.nodeNumber) this.#sawIncarnation(node, incarnation);
      const { members, membership } = this.#replica;
      if (membership.takesRow(row.node, row.incarnation)) members.take(row, now.monotonicMs);
    }
  }

  #want(session: PeerSession, frame: WantFrame): void {
    const after = new VersionVector(frame.after);
    this.#checkClaims(after);
    session.wanted = new Set(frame.nodes);
    session.after = after;
    session.cursors = new Map();
    session.saidTruncated = false;
    if (this.#sender.lacksRetired(session)) this.#sayTruncated(session);
    else this.#sayIfTruncated(session);
  }

  /** Tells a peer that the log no longer reaches back to what it wants: at its want, and when the log is cut while it is slow. */
  #sayIfTruncated(session: PeerSession): void {
    if (!session.saidTruncated && this.#sender.isTruncatedFor(session)) this.#sayTruncated(session);
  }

  #sayTruncated(session: PeerSession): void {
    session.saidTruncated = true;
    this.#sendControl(session, { type: 'truncated' });
  }

  #fetch(session: PeerSession, frame: FetchFrame): void {
    if (this.#replica.isMemberOrigin(frame.origin) && !this.#sender.ask(session, frame)) this.#sayTruncated(session);
  }

  /** The request takes the connection that the snapshot comes on: they are lost together, and then offered and asked for anew. */
  #askSnapshot(session: PeerSession): void {
    if (session.bulk === null || !this.#snapshots.begin(session.member.nodeNumber)) return;
    this.#host.send(session.bulk, { type: 'snapshot-request' });
  }

  #snapshotFrame(session: PeerSession, frame: PeerFrame, now: Now): void {
    this.#snapshots.take(session.member.nodeNumber, frame, ({ vector }) => this.#checkClaims(vector));
    this.#mergeWaiting(now);
  }

  /** Merges a whole snapshot once it may be. */
  #mergeWaiting(now: Now): void {
    const { vector, holdBack } = this.#replica;
    const snapshot = this.#snapshots.due(now);
    if (snapshot === null) return;
    this.#host.mergeSnapshot(snapshot);
    holdBack.forget((origin, last) => vector.get(origin) >= last);
    this.#host.deliver(now);
    this.#rowsDue = true;
    for (const other of this.#sessions.values()) other.ourWant = null;
    this.#chooseSources();
  }

  // ── what goes out ──

  #sendControl(session: PeerSession, frame: PeerFrame): void {
    if (session.control !== null) this.#host.send(session.control, frame);
  }

  /** Asks each peer for the streams that are to come from it; says so only where it changed. */
  #chooseSources(): void {
    const { members } = this.#replica;
    const nodesFrom = new Map<number, number[]>();
    for (const member of members.others()) {
      const peer = this.#sources.choose(member, this.#sessions);
      if (peer !== null) nodesFrom.set(peer, [...(nodesFrom.get(peer) ?? []), member.nodeNumber]);
    }
    for (const [peer, session] of this.#sessions) {
      if (!session.isUp) continue;
      // our own earlier incarnations: what of them a kill -9 took from us comes back from whoever has it
      const nodes = [...(nodesFrom.get(peer) ?? []), this.#replica.identity.nodeNumber].sort(
        (left, right) => left - right,
      );
      const key = nodes.join(' ');
      if (session.ourWant === key) continue;
      session.ourWant = key;
      session.ourNodes = nodes;
      this.#sendControl(session, { type: 'want', nodes, after: this.#sources.hereOf(nodes) });
    }
  }

  /** Sends what the peers' cursors and windows allow: at the end of each turn. */
  pump(): void {
    this.#isBehind = false;
    for (const session of this.#sessions.values())
      if (session.isUp && this.#sender.pump(session)) this.#isBehind = true;
  }

  /** Whether more could be sent than one turn is to send. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** All that came is taken in: their senders may send as much again. While it is not, their windows hold them back. */
  tookAll(): void {
    for (const session of this.#sessions.values()) session.takenInBytes = session.receivedBytes;
  }

  /** Heartbeats, acknowledgements, asking for what is missing, watching the ways. */
  tick(now: Now): void {
    const { limits } = this.#replica;
    for (const session of [...this.#sessions.values()]) {
      const silentMs = now.monotonicMs - session.heardAtMs;
      if (silentMs > limits.silentMsMax && (session.bulk !== null || session.control !== null))
        this.#closeSilent(session, silentMs);
    }
    this.#mergeWaiting(now);
    if (this.#dropped.rewind(this.#sessions, now)) this.#chooseSources();
    for (const session of this.#sessions.values()) if (session.isUp) this.#sayIfTruncated(session);
    // while a snapshot is on its way everything lags, and no other way would change that
    if (!this.#snapshots.isOnItsWay && this.#sources.watch(this.#sessions, now.monotonicMs)) this.#chooseSources();
    for (const [session, frame] of this.#missing.ask(this.#sessions, now)) this.#sendControl(session, frame);
    let isOwed = false;
    for (const session of this.#sessions.values()) {
      if (!session.isUp) continue;
      const sinceMs = now.monotonicMs - session.rowsAtMs;
      if (sinceMs >= limits.heartbeatMs || (this.#rowsDue && sinceMs >= limits.rowsEveryMs - 1))
        this.#sendControl(session, this.#rowExchange.frameFor(session, now));
      else isOwed = true;
    }
    this.#rowsDue &&= isOwed;
    this.pump();
  }

  /** Whether a tick is wanted soon rather than at the next heartbeat. */
  get isBusy(): boolean {
    return this.#rowsDue || !this.#dropped.isEmpty || this.#snapshots.isOnItsWay || this.#replica.holdBack.bytes > 0;
  }

  #closeSilent(session: PeerSession, silentMs: number): void {
    for (const link of [session.bulk, session.control]) {
      if (link === null) continue;
      this.#host.closeLink(link, `nothing heard for ${Math.round(silentMs)} ms`);
      this.linkClosed(link);
    }
  }

  /** Keeps this node's own row fresh where there is nobody to send it to. */
  refreshAlone(now: Now): void {
    if (this.#replica.members.others().length === 0) this.#rowExchange.refresh(now);
  }
}
