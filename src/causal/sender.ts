import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import type { SnapshotCursor } from '../keyspace/snapshot-cursor.ts';
import type { Chunk } from './op-log.ts';
import type { FetchFrame, PeerFrame } from './peer-frames.ts';
import type { PeerSession } from './peer-session.ts';
import type { Replica } from './replica.ts';

/** Ranges that a peer may have asked for and not been sent yet. */
const ASKED_MAX = 64;

/** The store that snapshots are cut from. */
export interface SnapshotStore {
  openSnapshot(): SnapshotCursor;
  closeSnapshot(cursor: SnapshotCursor): void;
  readonly flushMark: FlushMark | null;
  /** While a change of all keys is made there is no cut of them. */
  readonly pending: { readonly isOfAll: boolean };
}

/** Moves the peers' cursors through the log as their windows allow: what was asked for first, then a snapshot, then the streams. */
export class Sender {
  readonly replica: Replica;
  readonly #store: SnapshotStore;
  /** Hands a frame over and returns its bytes on the wire. */
  readonly #send: (link: number, frame: PeerFrame) => number;

  constructor(replica: Replica, store: SnapshotStore, send: (link: number, frame: PeerFrame) => number) {
    this.replica = replica;
    this.#store = store;
    this.#send = send;
  }

  /** Sends as much as a turn and the window allow; says whether it stopped for the turn's sake. */
  pump(session: PeerSession): boolean {
    const { windowBytes, sentPerTurnBytes } = this.replica.limits;
    const untilBytes = session.sentBytes + sentPerTurnBytes * this.replica.pace;
    const hasRoom = (): boolean => session.inFlightBytes < windowBytes && session.sentBytes < untilBytes;
    this.#pumpAsked(session, hasRoom);
    if (session.awaitsSnapshot) this.beginSnapshot(session);
    while (session.snapshot !== null && hasRoom()) this.#pumpSnapshot(session);
    for (let sent = true; sent && hasRoom();) sent = this.#pumpRound(session);
    return session.sentBytes >= untilBytes && session.inFlightBytes < windowBytes;
  }

  /** One chunk of each wanted origin; says whether it sent one. */
  #pumpRound(session: PeerSession): boolean {
    const { limits, log } = this.replica;
    let sent = false;
    for (const origin of log.origins()) {
      if (!session.wanted.has(nodeOf(origin)) || origin === this.#currentOriginOf(session)) continue;
      const known = this.#known(session, origin);
      if (known >= log.last(origin) || !log.reaches(origin, known)) continue;
      const chunk = log.afterJoined(origin, known, limits.joinedBytesMax);
      if (chunk === undefined) continue;
      session.cursors.set(origin, chunk.last);
      this.#sendChunk(session, chunk, false);
      sent = true;
    }
    return sent;
  }

  /** How far the peer was sent an origin, or says to have it. A row of an earlier life of it says nothing. */
  #known(session: PeerSession, origin: Origin): number {
    const row = this.replica.members.row(session.member.nodeNumber);
    const has = row !== null && row.incarnation === session.incarnation ? row.applied.get(origin) : 0;
    return Math.max(session.cursor(origin), has);
  }

  /** The peer's own stream, which it has by definition. */
  #currentOriginOf(session: PeerSession): number {
    return session.member.nodeNumber * 2 ** 32 + session.incarnation;
  }

  /** Takes a peer's request for what something held back there waits for; false where the log no longer has it. */
  ask(session: PeerSession, { origin, after, upTo }: FetchFrame): boolean {
    if (session.asked.length >= ASKED_MAX) return true;
    const { log, vector } = this.replica;
    if (!log.reaches(origin, after) || vector.isRetired(origin)) return false;
    const pending = session.asked.find((range) => range.origin === origin);
    const leftBytes = this.replica.limits.askedBytesMax;
    if (pending === undefined) session.asked.push({ origin, after, upTo, leftBytes });
    else {
      pending.upTo = Math.max(pending.upTo, upTo);
      pending.leftBytes = leftBytes;
    }
    return true;
  }

  #pumpAsked(session: PeerSession, hasRoom: () => boolean): void {
    for (let range = session.asked[0]; range !== undefined; range = session.asked[0]) {
      while (range.after < range.upTo && range.leftBytes > 0) {
        if (!hasRoom()) return;
        const chunk = this.replica.log.after(range.origin, range.after);
        if (chunk === undefined) break;
        range.after = chunk.last;
        range.leftBytes -= chunk.bytes.length;
        this.#sendChunk(session, chunk, true);
      }
      session.asked.shift();
    }
  }

  #sendChunk(session: PeerSession, chunk: Chunk, asked: boolean): void {
    if (session.bulk === null) return;
    const { origin, first, last, bytes, room = 0 } = chunk;
    session.sentBytes += this.#send(session.bulk, { type: 'transactions', origin, first, last, asked, bytes, room });
  }

  /** Whether the peer wants what the log no longer has. */
  isTruncatedFor(session: PeerSession): boolean {
    const { log } = this.replica;
    for (const origin of log.origins()) {
      if (!session.wanted.has(nodeOf(origin)) || origin === this.#currentOriginOf(session)) continue;
      if (!log.reaches(origin, this.#known(session, origin))) return true;
    }
    return false;
  }

  /**
   * Whether the peer, by what it just said it wants, lacks incarnations that are retired here. Every member had them on disk, so
   * it lost its disk: the log cannot tell it what they made. Who has the transaction that closed them has only yet to learn of it.
   */
  lacksRetired(session: PeerSession): boolean {
    for (const [floor, incarnation] of this.replica.vector.entries()) {
      const node = nodeOf(floor);
      if (incarnationOf(floor) !== 0 || !session.wanted.has(node) || session.after.floor(node) >= incarnation) continue;
      const removal = this.replica.membership.removalOf(node);
      if (removal !== undefined && removal.cut.every(([from, seq]) => session.after.contains(from, seq))) continue;
      const closed = this.replica.closedBy.get(node);
      if (closed?.incarnation !== incarnation || !session.after.contains(closed.origin, closed.seq)) return true;
    }
    return false;
  }

  // ── snapshots ──

  beginSnapshot(session: PeerSession): void {
    if (session.snapshot !== null || session.bulk === null) return;
    session.awaitsSnapshot = this.#store.pending.isOfAll;
    if (session.awaitsSnapshot) return;
    const { vector, stable, clock } = this.replica;
    const running = [...this.replica.runningEntries()].map(([origin, deps]) => [origin, [...deps.entries()]] as const);
    session.sentBytes += this.#send(session.bulk, {
      type: 'snapshot-begin',
      vector: [...vector.entries()],
      running,
      stable: [...stable.entries()],
      flush: this.#store.flushMark,
      stamp: clock.last,
    });
    session.snapshot = { cursor: this.#store.openSnapshot(), count: 0 };
  }

  #pumpSnapshot(session: PeerSession): void {
    const { snapshot } = session;
    const { limits } = this.replica;
    if (snapshot === null || session.bulk === null) return;
    const entries = snapshot.cursor.next(limits.snapshotEntriesPerFrame, limits.chunkBytesMax);
    if (entries === null) {
      session.sentBytes += this.#send(session.bulk, { type: 'snapshot-end', count: snapshot.count });
      this.dropSnapshot(session);
      return;
    }
    snapshot.count += entries.length;
    session.sentBytes += this.#send(session.bulk, { type: 'snapshot-entries', entries });
  }

  dropSnapshot(session: PeerSession): void {
    session.awaitsSnapshot = false;
    if (session.snapshot === null) return;
    this.#store.closeSnapshot(session.snapshot.cursor);
    session.snapshot = null;
  }

  /** How far behind a peer is, over all that is in the log here. */
  behind(peerHas: VersionVector | undefined): { bytes: number; transactions: number; oldestAtMs: number } {
    const has = peerHas ?? new VersionVector();
    const sum = { bytes: 0, transactions: 0, oldestAtMs: Infinity };
    for (const origin of this.replica.log.origins()) {
      const part = this.replica.log.behind(origin, has.get(origin));
      sum.bytes += part.bytes;
      sum.transactions += part.transactions;
      sum.oldestAtMs = Math.min(sum.oldestAtMs, part.oldestAtMs);
    }
    return sum;
  }
}
