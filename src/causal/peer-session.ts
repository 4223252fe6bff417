import type { Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { SnapshotCursor } from '../keyspace/snapshot-cursor.ts';
import type { Member, Row } from './members.ts';
import { PeerClock } from './peer-clock.ts';
import type { RowsFrame } from './peer-frames.ts';
import type { Now } from './replica.ts';

/** A range of an origin that the peer asked for because something waits for it. */
export interface AskedRange {
  readonly origin: Origin;
  after: number;
  upTo: number;
  /** Of the answer. */
  leftBytes: number;
}

/** A snapshot on its way out. */
export interface OutgoingSnapshot {
  readonly cursor: SnapshotCursor;
  count: number;
}

/** All that is known of one peer while connections to it are open: two of them, and a session when both have said hello. */
export class PeerSession {
  readonly member: Member;
  /** Connection ids, null while closed or before hello. */
  bulk: number | null = null;
  control: number | null = null;
  incarnation: number = 0;
  startId: string = '';
  takesMessages: boolean = false;

  // what goes out
  wanted: Set<number> = new Set();
  /** Whether it was told that the log no longer reaches back to what it wants. */
  saidTruncated: boolean = false;
  /** Where its want began, and how far each origin was sent since. */
  after: VersionVector = new VersionVector();
  cursors: Map<Origin, number> = new Map();
  asked: AskedRange[] = [];
  snapshot: OutgoingSnapshot | null = null;
  /** Whether it asked for a snapshot that could not be cut yet. */
  awaitsSnapshot: boolean = false;
  sentBytes: number = 0;
  takenBytes: number = 0;
  rowsSent: Map<number, Row> = new Map();
  rowsAtMs: number = -Infinity;

  // what comes in
  receivedBytes: number = 0;
  /** How many of them were taken in when last all were: what is said to the peer. */
  takenInBytes: number = 0;
  /** What we asked it for last, to say it again only when it changes. */
  ourWant: string | null = null;
  /** The nodes whose streams we asked it for last. */
  ourNodes: readonly number[] = [];
  echoMs: number = -1;
  echoAtMs: number = 0;
  rttMs: number | null = null;
  /** When the newest round trip was measured, monotonic milliseconds. */
  rttAtMs: number = -Infinity;
  readonly clock: PeerClock = new PeerClock();
  heardAtMs: number;
  helloApplied: VersionVector | null = null;

  constructor(member: Member, monotonicMs: number) {
    this.member = member;
    this.heardAtMs = monotonicMs;
  }

  /** The highest sequence of an origin that was sent or is known to be there. */
  cursor(origin: Origin): number {
    return this.cursors.get(origin) ?? this.after.get(origin);
  }

  get isUp(): boolean {
    return this.bulk !== null && this.control !== null;
  }

  get inFlightBytes(): number {
    return this.sentBytes - this.takenBytes;
  }

  /**
   * Forgets what belonged to the bulk connection. Not what the peer wants: that comes over the other connection, and may be here
   * before the hello of a new bulk connection is.
   */
  resetBulk(): void {
    this.cursors = new Map();
    this.asked = [];
    this.sentBytes = 0;
    this.takenBytes = 0;
    this.receivedBytes = 0;
    this.takenInBytes = 0;
    this.ourWant = null;
  }

  resetControl(): void {
    this.rowsSent = new Map();
    this.rowsAtMs = -Infinity;
    this.echoMs = -1;
    this.rttMs = null;
    this.ourWant = null;
  }

  /** Its wall clock minus ours, milliseconds; null before it was heard. */
  clockOffsetMs(now: Now): number | null {
    const { baseMs } = this.clock;
    return baseMs === null ? null : baseMs + now.monotonicMs - now.wallMs;
  }

  /** Rows came, which echo what was sent there: how long that took, less what it lay there; null where they echo nothing. */
  sawEcho({ sentMs, echoMs, echoHeldMs }: RowsFrame, { monotonicMs }: Now): number | null {
    this.echoMs = sentMs;
    this.echoAtMs = monotonicMs;
    if (echoMs < 0) return null;
    const rttMs = Math.max(0, monotonicMs - echoMs - echoHeldMs);
    this.rttAtMs = monotonicMs;
    this.rttMs = this.rttMs === null ? rttMs : this.rttMs * 0.7 + rttMs * 0.3;
    return rttMs;
  }
}
