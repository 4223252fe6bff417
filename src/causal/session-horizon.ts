import { dotText, type Dot, type NodeNames } from '../clock/dot.ts';
import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import type { Replica } from './replica.ts';
import { clusterHash, TOKEN_DOTS_MAX, type SessionPoint, type TokenCodec } from './session-token.ts';

type Dots = SessionPoint['dots'];

/** Dots that an error names at most. */
const NAMED_MAX = 8;

/** What a node can say of a session's dots: which it has, which no longer matter, which cannot be. Reads only (RULES S1). */
export class SessionHorizon {
  readonly #replica: Replica;
  readonly #names: NodeNames;
  readonly #codec: TokenCodec;
  readonly #cluster: number;

  constructor(replica: Replica, names: NodeNames, codec: TokenCodec) {
    this.#replica = replica;
    this.#names = names;
    this.#codec = codec;
    this.#cluster = clusterHash(replica.identity.clusterId);
  }

  /** The token of a session that has seen all of this. */
  tokenOf({ dots, epoch }: SessionPoint): string {
    const known = this.#replica.membership.epoch;
    return this.#codec.encode({ cluster: this.#cluster, epoch: Math.max(known, epoch), dots: this.needed(dots) });
  }

  /** What a token names. Throws ERR for what is no token, for one of another cluster, and for what cannot be. */
  read(text: string): SessionPoint {
    const token = this.#codec.decode(text);
    if (token.cluster !== this.#cluster) throw refusal('it is of another cluster');
    this.#checkPossible(token.dots);
    return token;
  }

  /** Whether all is applied here. Of a closed incarnation it is, or nobody has it (RULES D8). */
  has(dots: Dots): boolean {
    for (const [origin, seq] of dots) if (!this.#has(origin, seq)) return false;
    return true;
  }

  /** Whether all that a session has seen elsewhere is applied here: what was stable without this node is not known to be. */
  covers({ dots, epoch }: SessionPoint): boolean {
    return this.#replica.membership.isMemberAt(epoch) && this.has(dots);
  }

  #has(origin: Origin, seq: number): boolean {
    return this.#replica.vector.contains(origin, seq) || this.#replica.closedHere.isRetired(origin);
  }

  /** What of the dots is not applied here. */
  missing(dots: Dots): Dot[] {
    return Array.from(dots, ([origin, seq]) => ({ origin, seq })).filter(({ origin, seq }) => !this.#has(origin, seq));
  }

  /** The error of a session that this node is behind, after so many milliseconds. */
  behind({ dots, epoch }: SessionPoint, timeoutMs: number): CausewayError {
    const { nodeId } = this.#replica.identity;
    if (!this.#replica.membership.isMemberAt(epoch)) {
      const why = `${nodeId} is not known to be a member at epoch ${epoch}, of which the session has seen something, after ${timeoutMs} ms`;
      return new CausewayError('BEHIND', why, { retry: 'later' });
    }
    const missing = this.missing(dots).map(({ origin, seq }) => dotText(origin, seq, this.#names));
    const more = missing.length > NAMED_MAX ? ` and ${missing.length - NAMED_MAX} more` : '';
    const named = missing.slice(0, NAMED_MAX).join(', ');
    return new CausewayError('BEHIND', `${nodeId} does not have ${named}${more} of the session after ${timeoutMs} ms`, {
      retry: 'later',
    });
  }

  #checkPossible(dots: Dots): void {
    const { vector, members, identity, origin: own, groupOrigins } = this.#replica;
    for (const [origin, seq] of dots) {
      if (this.#has(origin, seq)) continue;
      if (groupOrigins.has(origin)) continue;
      const node = nodeOf(origin);
      if (members.get(node) === undefined) throw refusal(`node ${node} is no member of this cluster`);
      // what others have not made yet may come, what this node has not made is known not to be
      if (node !== identity.nodeNumber || origin < own) continue;
      const made = incarnationOf(origin) > identity.incarnation ? 0 : vector.get(own);
      throw refusal(
        `${dotText(origin, seq, this.#names)} was never made: ${identity.nodeId} is at ${dotText(own, made, this.#names)}`,
      );
    }
  }

  /**
   * The dots that matter: those that are not stable. Where there are more than `TOKEN_DOTS_MAX` (many incarnations that are
   * not retired yet, or a large cluster), some are replaced by later dots whose deps cover them: whoever has those has all of them.
   */
  needed(dots: Dots): [Origin, number][] {
    const { stable } = this.#replica;
    const unstable: [Origin, number][] = [];
    for (const [origin, seq] of dots) if (!stable.contains(origin, seq)) unstable.push([origin, seq]);
    if (unstable.length <= 1) return unstable;
    const needed = new Map<Origin, number>();
    for (const [origin, seq] of unstable) needed.set(origin, Math.max(seq, needed.get(origin) ?? 0));
    while (needed.size > TOKEN_DOTS_MAX && this.#joinSome(needed)) continue;
    return [...needed];
  }

  /** Replaces as many dots as possible by the newest dot of one origin; says whether that made them fewer. */
  #joinSome(needed: Map<Origin, number>): boolean {
    const { vector } = this.#replica;
    let best: Origin | null = null;
    let bestCovered: Origin[] = [];
    for (const [candidate, newest] of vector.dots()) {
      const deps = this.#replica.running(candidate);
      const covered: Origin[] = [];
      for (const [origin, seq] of needed) {
        if (origin === candidate ? seq <= newest : deps.contains(origin, seq)) covered.push(origin);
      }
      if (covered.length <= Math.max(1, bestCovered.length)) continue;
      best = candidate;
      bestCovered = covered;
    }
    if (best === null) return false;
    for (const origin of bestCovered) needed.delete(origin);
    needed.set(best, vector.get(best));
    return true;
  }
}

function refusal(why: string): CausewayError {
  return new CausewayError('ERR', `invalid session token: ${why}`);
}
