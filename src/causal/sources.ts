import type { Origin } from '../clock/origin.ts';
import { incarnationOf, nodeOf } from '../clock/origin.ts';
import type { Member } from './members.ts';
import type { PeerSession } from './peer-session.ts';
import type { Replica } from './replica.ts';

interface Lag {
  /** What some peer had when we began to watch: we are behind until we have it. */
  readonly target: readonly (readonly [origin: Origin, seq: number])[];
  readonly sinceMs: number;
}

interface Detour {
  readonly via: number;
  readonly sinceMs: number;
}

type Sessions = ReadonlyMap<number, PeerSession>;

/** A gateway that lagged is tried again after this time at the earliest. */
const GATEWAY_AGAIN_MS = 1_000;

/**
 * From which peer each node's stream is taken (DESIGN section 4, relay). In the own region from the node itself; of another region
 * one gateway of ours takes the WAN copy and the rest take it from the gateway. Where that way is down, or lags behind what
 * another peer has for a while, the stream comes from that peer until the usual way is good again.
 */
export class Sources {
  readonly #replica: Replica;
  readonly #lags: Map<number, Lag> = new Map();
  /** Nodes taken by another way because the usual one is slow. */
  readonly #detours: Map<number, Detour> = new Map();
  /** From whom each node's stream was last chosen to come. */
  readonly #chosen: Map<number, number | null> = new Map();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** The peer to take `member`'s stream from, null when there is none. */
  choose(member: Member, sessions: Sessions): number | null {
    const node = member.nodeNumber;
    const isUp = (peer: number): boolean => sessions.get(peer)?.isUp ?? false;
    const detour = this.#detours.get(node);
    const chosen =
      detour !== undefined && isUp(detour.via)
        ? detour.via
        : (this.usual(member, isUp) ?? this.#bestHolder(node, sessions, null));
    this.#chosen.set(node, chosen);
    return chosen;
  }

  /** The usual way when everything is well. */
  usual(member: Member, isUp: (node: number) => boolean): number | null {
    const { identity, members } = this.#replica;
    if (member.region !== identity.region) {
      const mates = [
        identity.nodeNumber,
        ...members
          .others()
          .filter((mate) => mate.region === identity.region)
          .map((mate) => mate.nodeNumber),
      ];
      const live = mates
        .filter((mate) => mate === identity.nodeNumber || isUp(mate))
        .sort((left, right) => left - right);
      const gateway = live[Math.floor(member.nodeNumber / 64) % live.length];
      if (gateway !== undefined && gateway !== identity.nodeNumber) return gateway;
    }
    return isUp(member.nodeNumber) ? member.nodeNumber : null;
  }

  /** The peer, the node itself among them, that says it has most of the node's stream. */
  #bestHolder(node: number, sessions: Sessions, not: number | null): number | null {
    let best: number | null = null;
    let most: readonly [number, number] = [-1, -1];
    for (const [peer, session] of sessions) {
      if (!session.isUp || peer === not) continue;
      const newest = this.#newestOf(node, peer);
      if (newest[0] < most[0] || (newest[0] === most[0] && newest[1] <= most[1])) continue;
      most = newest;
      best = peer;
    }
    return best;
  }

  /** The newest dot of a node that a peer says it has. */
  #newestOf(node: number, peer: number): readonly [origin: number, seq: number] {
    let newest: readonly [number, number] = [0, 0];
    const row = this.#replica.members.row(peer);
    if (row === null) return newest;
    for (const [origin, seq] of row.applied.dots()) {
      if (nodeOf(origin) === node && origin > newest[0]) newest = [origin, seq];
    }
    return newest;
  }

  /** How far the streams of the nodes came here, held back or applied, and the floors: from there on they are wanted. */
  hereOf(nodes: readonly number[]): [Origin, number][] {
    const { vector } = this.#replica;
    const here: [Origin, number][] = [];
    for (const [origin] of vector.dots()) if (nodes.includes(nodeOf(origin))) here.push([origin, this.#has(origin)]);
    for (const [origin, seq] of vector.entries()) if (incarnationOf(origin) === 0) here.push([origin, seq]);
    return here;
  }

  /** Looks for streams that lag behind what another peer has, and for usual ways that are good again. Says whether anything changed. */
  watch(sessions: Sessions, monotonicMs: number): boolean {
    let changed = false;
    for (const member of this.#replica.members.others()) {
      if (this.#watchOne(member, sessions, monotonicMs)) changed = true;
    }
    return changed;
  }

  #watchOne(member: Member, sessions: Sessions, monotonicMs: number): boolean {
    const node = member.nodeNumber;
    const detour = this.#detours.get(node);
    if (detour !== undefined && this.#isOver(member, detour, sessions, monotonicMs)) {
      this.#detours.delete(node);
      this.#lags.delete(node);
      return true;
    }
    const current = this.#chosen.get(node) ?? null;
    const lag = this.#lags.get(node);
    if (lag === undefined || lag.target.every(([origin, seq]) => this.#has(origin) >= seq)) {
      this.#beginLag(node, current, sessions, monotonicMs);
      return false;
    }
    if (monotonicMs - lag.sinceMs < this.#replica.limits.rerouteAfterMs) return false;
    this.#lags.delete(node);
    const holder = this.#bestHolder(node, sessions, current);
    if (holder === null || !this.#isAhead(node, holder)) return false;
    this.#detours.set(node, { via: holder, sinceMs: monotonicMs });
    return true;
  }

  /** Whether a detour has had its time: it is down itself, or the usual way is good again by what was heard since. */
  #isOver(member: Member, detour: Detour, sessions: Sessions, monotonicMs: number): boolean {
    const via = sessions.get(detour.via);
    if (via?.isUp !== true) return true;
    const usual = this.usual(member, (node) => sessions.get(node)?.isUp ?? false);
    if (usual === null) return false;
    if (usual === detour.via) return true;
    const session = sessions.get(usual);
    if (session === undefined) return false;
    if (usual === member.nodeNumber) {
      const isHeardSince = session.rttMs !== null && session.rttAtMs > detour.sinceMs;
      return isHeardSince && (session.rttMs ?? Infinity) <= (via.rttMs ?? 0) * 3 + 150;
    }
    if (monotonicMs - detour.sinceMs < GATEWAY_AGAIN_MS) return false;
    const [origin, seq] = this.#newestOf(member.nodeNumber, usual);
    return origin !== 0 && this.#replica.vector.get(origin as Origin) <= seq;
  }

  #beginLag(node: number, current: number | null, sessions: Sessions, monotonicMs: number): void {
    this.#lags.delete(node);
    const holder = this.#bestHolder(node, sessions, current);
    if (holder === null || !this.#isAhead(node, holder)) return;
    const row = this.#replica.members.row(holder);
    if (row === null) return;
    this.#lags.set(node, {
      target: [...row.applied.dots()].filter(([origin]) => nodeOf(origin) === node),
      sinceMs: monotonicMs,
    });
  }

  /** What came of an origin, held back or applied: another way brings no more of what is held back. */
  #has(origin: Origin): number {
    const { holdBack, vector } = this.#replica;
    return holdBack.tail(origin, vector.get(origin));
  }

  #isAhead(node: number, peer: number): boolean {
    const row = this.#replica.members.row(peer);
    if (row === null) return false;
    for (const [origin, seq] of row.applied.dots()) {
      if (nodeOf(origin) === node && this.#has(origin) < seq) return true;
    }
    return false;
  }
}
