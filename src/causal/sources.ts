import { nodeOf } from '../clock/origin.ts';
import type { Member } from './members.ts';
import type { PeerSession } from './peer-session.ts';
import type { Replica } from './replica.ts';

interface Lag {
  /** What some peer had when we began to watch: we are behind until we have it. */
  readonly target: readonly (readonly [origin: number, seq: number])[];
  readonly sinceMs: number;
}

/**
 * From which peer each node's stream is taken (DESIGN section 4, relay). In the own region from the node itself; of another region
 * one gateway of ours takes the WAN copy and the rest take it from the gateway. Where that way is down, or lags behind what
 * another peer has for a while, the stream comes from that peer until the direct way is as fast again.
 */
export class Sources {
  readonly #replica: Replica;
  readonly #lags: Map<number, Lag> = new Map();
  /** Nodes taken by another way because the direct one is slow: the peer used instead. */
  readonly #rerouted: Map<number, number> = new Map();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** The peer to take `member`'s stream from, null when there is none. */
  choose(member: Member, sessions: ReadonlyMap<number, PeerSession>): number | null {
    const isUp = (node: number): boolean => sessions.get(node)?.isUp ?? false;
    const reroute = this.#rerouted.get(member.nodeNumber);
    if (reroute !== undefined && isUp(reroute)) return reroute;
    const usual = this.usual(member, isUp);
    if (usual !== null) return usual;
    return this.#bestHolder(member.nodeNumber, sessions, null);
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

  /** The peer that says it has most of a node's stream. */
  #bestHolder(node: number, sessions: ReadonlyMap<number, PeerSession>, not: number | null): number | null {
    let best: number | null = null;
    let most = -1;
    for (const [peer, session] of sessions) {
      if (!session.isUp || peer === not || peer === node) continue;
      const held = this.#sumOf(node, peer);
      if (held > most) {
        most = held;
        best = peer;
      }
    }
    return best;
  }

  #sumOf(node: number, peer: number): number {
    let sum = 0;
    const row = this.#replica.members.row(peer);
    if (row !== null) for (const [origin, seq] of row.applied.dots()) if (nodeOf(origin) === node) sum += seq;
    return sum;
  }

  /** Looks for streams that lag behind what another peer has, and for direct ways that are fast again. Says whether anything changed. */
  watch(sessions: ReadonlyMap<number, PeerSession>, monotonicMs: number): boolean {
    let changed = false;
    for (const member of this.#replica.members.others()) {
      if (this.#watchOne(member, sessions, monotonicMs)) changed = true;
    }
    return changed;
  }

  #watchOne(member: Member, sessions: ReadonlyMap<number, PeerSession>, monotonicMs: number): boolean {
    const node = member.nodeNumber;
    const via = this.#rerouted.get(node);
    if (via !== undefined) {
      const direct = sessions.get(node);
      const detour = sessions.get(via);
      const isFast = direct?.isUp === true && direct.rttMs !== null && direct.rttMs <= (detour?.rttMs ?? 0) * 3 + 150;
      if (!isFast && detour?.isUp === true) return false;
      this.#rerouted.delete(node);
      this.#lags.delete(node);
      return true;
    }
    const current = this.choose(member, sessions);
    const lag = this.#lags.get(node);
    if (lag === undefined || lag.target.every(([origin, seq]) => this.#replica.vector.get(origin as never) >= seq)) {
      this.#beginLag(node, current, sessions, monotonicMs);
      return false;
    }
    if (monotonicMs - lag.sinceMs < this.#replica.limits.rerouteAfterMs) return false;
    const holder = this.#bestHolder(node, sessions, current);
    this.#lags.delete(node);
    if (holder === null || holder === current || !this.#isAhead(node, holder)) return false;
    this.#rerouted.set(node, holder);
    return true;
  }

  #beginLag(
    node: number,
    current: number | null,
    sessions: ReadonlyMap<number, PeerSession>,
    monotonicMs: number,
  ): void {
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

  #isAhead(node: number, peer: number): boolean {
    const row = this.#replica.members.row(peer);
    if (row === null) return false;
    for (const [origin, seq] of row.applied.dots()) {
      if (nodeOf(origin) === node && this.#replica.vector.get(origin) < seq) return true;
    }
    return false;
  }
}
