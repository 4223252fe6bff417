import type { Origin } from '../clock/origin.ts';
import type { FetchFrame } from './peer-frames.ts';
import type { PeerSession } from './peer-session.ts';
import type { Now, Replica } from './replica.ts';

/** Reckoned where a peer's round trip is not known yet. */
const UNKNOWN_RTT_MS = 500;
const AGAIN_AT_LEAST_MS = 100;

/** Asks whoever sent a transaction for the causes it waits for: who has the effect has the cause (RULES D2). */
export class MissingCauses {
  readonly #replica: Replica;
  /** What was asked for and when, by the origin that is missing. */
  readonly #asks: Map<Origin, { readonly upTo: number; readonly atMs: number }> = new Map();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** What is to be asked now, and of whom. */
  ask(sessions: ReadonlyMap<number, PeerSession>, now: Now): (readonly [PeerSession, FetchFrame])[] {
    const { holdBack, vector, limits } = this.#replica;
    if (holdBack.bytes === 0) {
      this.#asks.clear();
      return [];
    }
    const fetches: (readonly [PeerSession, FetchFrame])[] = [];
    for (const wait of holdBack.waits(vector, (origin) => this.#replica.running(origin))) {
      if (wait.missing === null || now.monotonicMs - wait.sinceMs < limits.askAfterMs) continue;
      const [origin, upTo] = wait.missing;
      const after = holdBack.tail(origin, vector.get(origin));
      const session = sessions.get(wait.sender);
      if (after >= upTo || session?.isUp !== true) continue;
      const asked = this.#asks.get(origin);
      const againMs = AGAIN_AT_LEAST_MS + (session.rttMs ?? UNKNOWN_RTT_MS) * 2;
      if (asked !== undefined && asked.upTo >= upTo && now.monotonicMs - asked.atMs < againMs) continue;
      this.#asks.set(origin, { upTo, atMs: now.monotonicMs });
      fetches.push([session, { type: 'fetch', origin, after, upTo }]);
    }
    return fetches;
  }
}
