import type { Stamp } from '../clock/stamp.ts';
import type { Row } from './members.ts';
import type { RowsFrame } from './peer-frames.ts';
import type { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';

/** What this node says of itself, one row a moment, and passes on of what others said of themselves. */
export class RowExchange {
  readonly #replica: Replica;
  /** A stamp above all that this node gave out. */
  readonly #nextStamp: (wallMs: number) => Stamp;
  /** Newest incarnation known of each node. */
  readonly #incarnations: ReadonlyMap<number, number>;
  #row: Row | null = null;

  constructor(replica: Replica, nextStamp: (wallMs: number) => Stamp, incarnations: ReadonlyMap<number, number>) {
    this.#replica = replica;
    this.#nextStamp = nextStamp;
    this.#incarnations = incarnations;
  }

  /** The row as of now, also taken in among the members'. */
  refresh(now: Now): Row {
    const { identity, vector, durable, members, membership, closedHere } = this.#replica;
    if (this.#row !== null && this.#row.wallMs === now.wallMs) return this.#row;
    this.#row = {
      node: identity.nodeNumber,
      incarnation: identity.incarnation,
      stamp: this.#nextStamp(now.wallMs),
      wallMs: now.wallMs,
      applied: vector.clone(),
      durable: durable.clone(),
      ...this.#lives(),
      closedBelow: closedHere.floor(identity.nodeNumber),
      epoch: membership.epoch,
    };
    members.take(this.#row, now.monotonicMs);
    return this.#row;
  }

  /**
   * Of each node, the lowest incarnation of which something may still be applied here that is nobody's yet: the newest that is known, or
   * an older one of which something is held back. What is held may wait for a cause that is lost with a still older life: lives are
   * closed one by one for that, the oldest first (RULES D8).
   */
  #lives(): Pick<Row, 'incarnations' | 'heard'> {
    const { holdBack } = this.#replica;
    const incarnations: number[] = [];
    const heard: number[] = [];
    for (const [node, newest] of this.#incarnations) {
      const lowest = Math.min(newest, holdBack.lowestHeld(node));
      incarnations.push(node, lowest);
      if (lowest < newest) heard.push(node, newest);
    }
    return { incarnations, heard };
  }

  /** The rows that a peer was not sent yet, with the echo that measures the round trip and what opens its window. */
  frameFor(session: PeerSession, now: Now): RowsFrame {
    const { members } = this.#replica;
    const rows: Row[] = [];
    for (const row of [this.refresh(now), ...members.others().map((member) => members.row(member.nodeNumber))]) {
      if (row === null || row.node === session.member.nodeNumber || session.rowsSent.get(row.node) === row) continue;
      session.rowsSent.set(row.node, row);
      rows.push(row);
    }
    session.rowsAtMs = now.monotonicMs;
    return {
      type: 'rows',
      rows,
      sentMs: now.monotonicMs,
      echoMs: session.echoMs,
      echoHeldMs: session.echoMs < 0 ? 0 : now.monotonicMs - session.echoAtMs,
      receivedBytes: session.takenInBytes,
    };
  }
}
