import type { Origin } from '../clock/origin.ts';
import type { FetchFrame } from './peer-frames.ts';
import type { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';

/** Reckoned where a peer's round trip is not known yet. */
const UNKNOWN_RTT_MS = 500;
const AGAIN_AT_LEAST_MS = 100;

/**
 * Asks whoever sent a transaction for the causes it waits for: who has the effect has the cause (RULES D2). Where that one is
 * gone or does not answer, another that says it has them is asked.
 */
export class MissingCauses {
  readonly #replica: Replica;
  /** What was asked for and when, by the origin that is missing. */
  readonly #asks: Map<Origin, { readonly upTo: number; readonly atMs: number; readonly times: number }> = new Map();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** What is to be asked now, and of whom. */
  ask(sessions: ReadonlyMap<number, PeerSession>, now: Now): (readonly [PeerSession, FetchFrame])[] {
    const { holdBack, vector, closedHere, limits } = this.#replica;
    if (holdBack.bytes === 0) {
      this.#asks.clear();
      return [];
    }
    const fetches: (readonly [PeerSession, FetchFrame])[] = [];
    for (const wait of holdBack.waits(vector, closedHere)) {
      if (wait.missing === null || now.monotonicMs - wait.sinceMs < limits.askAfterMs) continue;
      const [origin, upTo] = wait.missing;
      const after = holdBack.tail(origin, vector.get(origin));
      // what is held of it waits for something else, and passing the bound would help nobody
      const isVain = holdBack.bytes > limits.holdBackBytesMax && holdBack.holds(origin);
      if (after >= upTo || isVain) continue;
      const before = this.#asks.get(origin);
      const asked = before !== undefined && before.upTo >= upTo ? before : undefined;
      const session = this.#whom(sessions, wait.sender, origin, after, asked?.times ?? 0);
      if (session === null) continue;
      const againMs = AGAIN_AT_LEAST_MS + (session.rttMs ?? UNKNOWN_RTT_MS) * 2;
      if (asked !== undefined && now.monotonicMs - asked.atMs < againMs) continue;
      this.#asks.set(origin, { upTo, atMs: now.monotonicMs, times: (asked?.times ?? 0) + 1 });
      fetches.push([session, { type: 'fetch', origin, after, upTo }]);
    }
    return fetches;
  }

  /** The sender first; every other time, and when it is gone, whoever else says that it has more than we do. */
  #whom(
    sessions: ReadonlyMap<number, PeerSession>,
    sender: number,
    origin: Origin,
    after: number,
    times: number,
  ): PeerSession | null {
    const first = sessions.get(sender);
    const isFirstUp = first?.isUp === true;
    if (isFirstUp && times % 2 === 0) return first;
    for (const [node, session] of sessions) {
      if (!session.isUp || node === sender) continue;
      if ((this.#replica.members.row(node)?.applied.get(origin) ?? 0) > after) return session;
    }
    return isFirstUp ? first : null;
  }
}
