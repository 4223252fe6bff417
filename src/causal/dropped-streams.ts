import { nodeOf, type Origin } from '../clock/origin.ts';
import type { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';

/** Origins of which a gap is noted: far more than there can be, so that a peer that makes them up does not grow anything. */
const ORIGINS_MAX = 4_096;

/** The highest sequence that was dropped of each origin, or came after a gap: its stream is to be rewound. */
export class DroppedStreams {
  readonly #replica: Replica;
  readonly #dropped: Map<Origin, number> = new Map();
  /** When streams may be rewound again. */
  #rewindAtMs = -Infinity;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  get isEmpty(): boolean {
    return this.#dropped.size === 0;
  }

  note(origin: Origin, last: number): void {
    const before = this.#dropped.get(origin);
    if (before === undefined && this.#dropped.size >= ORIGINS_MAX) return;
    this.#dropped.set(origin, Math.max(last, before ?? 0));
  }

  /** Nothing of the node is waited for any more. */
  forget(node: number): void {
    for (const origin of [...this.#dropped.keys()]) if (nodeOf(origin) === node) this.#dropped.delete(origin);
  }

  /**
   * Lets the streams of which something was dropped be wanted again: when half of the bound is free, or nothing of them is held so
   * that their next chunk passes the bound (RULES D2). Not more often than the answer to the time before can be here. Says whether any.
   */
  rewind(sessions: ReadonlyMap<number, PeerSession>, now: Now): boolean {
    const { holdBack, limits, vector } = this.#replica;
    const isRoomy = holdBack.bytes < limits.holdBackBytesMax / 2;
    const nodes = new Set<number>();
    for (const [origin, last] of this.#dropped) {
      if (holdBack.tail(origin, vector.get(origin)) >= last) this.#dropped.delete(origin);
      else if (isRoomy || !holdBack.holds(origin)) nodes.add(nodeOf(origin));
    }
    if (nodes.size === 0 || now.monotonicMs < this.#rewindAtMs) return false;
    let rttMs = 0;
    for (const session of sessions.values()) {
      if (!session.isUp || !session.ourNodes.some((node) => nodes.has(node))) continue;
      session.ourWant = null;
      rttMs = Math.max(rttMs, session.rttMs ?? 0);
    }
    this.#rewindAtMs = now.monotonicMs + rttMs + limits.rowsEveryMs;
    return true;
  }
}
