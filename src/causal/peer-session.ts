import type { Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { SnapshotCursor } from '../keyspace/snapshot-cursor.ts';
import type { Member, Row } from './members.ts';

/** A range of an origin that the peer asked for because something waits for it. */
export interface AskedRange {
  readonly origin: Origin;
  after: number;
  readonly upTo: number;
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

  // what goes out
  wanted: Set<number> = new Set();
  /** Where its want began, and how far each origin was sent since. */
  after: VersionVector = new VersionVector();
  cursors: Map<Origin, number> = new Map();
  asked: AskedRange[] = [];
  snapshot: OutgoingSnapshot | null = null;
  sentBytes: number = 0;
  takenBytes: number = 0;
  rowsSent: Map<number, Row> = new Map();
  rowsAtMs: number = -Infinity;

  // what comes in
  receivedBytes: number = 0;
  /** What we asked it for last, to say it again only when it changes. */
  ourWant: string | null = null;
  echoMs: number = -1;
  echoAtMs: number = 0;
  rttMs: number | null = null;
  /** Its wall clock minus ours, milliseconds. */
  clockOffsetMs: number | null = null;
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

  /** Forgets what belonged to the bulk connection. */
  resetBulk(): void {
    this.after = new VersionVector();
    this.cursors = new Map();
    this.wanted = new Set();
    this.asked = [];
    this.sentBytes = 0;
    this.takenBytes = 0;
    this.receivedBytes = 0;
    this.ourWant = null;
  }

  resetControl(): void {
    this.rowsSent = new Map();
    this.rowsAtMs = -Infinity;
    this.echoMs = -1;
    this.rttMs = null;
    this.ourWant = null;
  }

  sawRoundTrip(rttMs: number): void {
    this.rttMs = this.rttMs === null ? rttMs : this.rttMs * 0.7 + rttMs * 0.3;
  }
}
