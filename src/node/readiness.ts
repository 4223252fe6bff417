import type { VersionVector } from '../clock/version-vector.ts';
import { isAheadOfPeers } from '../causal/clock-skew.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Replicator } from '../causal/replicator.ts';
import type { GroupStatus } from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';

/** What everything is answered until then. One for all: it is asked for at every turn, and an error that is made notes its stack. */
export const LOADING: CausewayError = new CausewayError(
  'LOADING',
  'Causeway is loading the dataset in memory and catching up with its peers',
  { retry: 'later' },
);

/** A peer that was not heard for longer makes the node unready, if no other one is. */
const NO_PEER_MS = 10_000;
/** Held back for longer makes the node unready. */
const HELD_BACK_TRANSACTIONS = 100_000;

/** A group that has no leader for longer is told of: an election takes less. */
const NO_LEADER_MS = 3_000;
/** What is shown of a group that is older is told of. */
const OLD_COPY_MS = 30_000;

/**
 * What is wrong with the quorum groups as this node sees them. It does not make the node unready: its other keys are served as ever, and who
 * took every node away that sees no leader would take all of them away at once.
 */
export function groupTroubles(groups: readonly GroupStatus[]): string[] {
  const seconds = (ms: number): number => Math.round(ms / 1_000);
  return groups.flatMap(({ name, leaderlessMs, ageMs, rules }) => {
    const troubles: string[] = [];
    if (leaderlessMs > NO_LEADER_MS)
      troubles.push(`group ${name} has no leader for ${seconds(leaderlessMs)} s: its strong keys are not served`);
    else if (ageMs !== null && ageMs > OLD_COPY_MS)
      troubles.push(`what is shown of group ${name} is ${seconds(ageMs)} s old`);
    if (rules.index > 0 && !rules.isOwn)
      troubles.push(
        `the classes of this node say another ttl or audit of group ${name} than is in force: see \`causeway classes check\``,
      );
    return troubles;
  });
}

/**
 * Whether a node may serve. A starting node first catches up with what every peer had when it said hello; a peer that cannot
 * be reached is waited for only for the start grace, so that a region can start alone.
 */
export class Readiness {
  readonly #replica: Replica;
  readonly #replicator: Replicator;
  #beganMs = 0;
  #isStarted = false;
  /** What the keyspace that is being filled began with. */
  #beganAtEpoch = 0;
  /** What each peer had when it said hello first, in its newest life: what it lost with an earlier one nobody can be waited for to give. */
  readonly #targets: Map<number, { readonly incarnation: number; readonly applied: VersionVector }> = new Map();

  constructor(replica: Replica, replicator: Replicator) {
    this.#replica = replica;
    this.#replicator = replicator;
  }

  /** Once true it stays so, but where the node joins again as it runs. */
  get isStarted(): boolean {
    return this.#isStarted && this.#replica.membership.began.isFilled;
  }

  begin(now: Now): void {
    this.#beganMs = now.monotonicMs;
  }

  tick(now: Now): void {
    if (this.isStarted) return;
    const { membership } = this.#replica;
    if (membership.began.epoch !== this.#beganAtEpoch) {
      // what peers had before it joined says nothing of what they have forgotten since
      this.#beganAtEpoch = membership.began.epoch;
      this.#targets.clear();
      this.begin(now);
    }
    for (const [node, session] of this.#replicator.sessions) {
      const { isUp, incarnation, helloApplied: applied } = session;
      if (isUp && applied !== null && (this.#targets.get(node)?.incarnation ?? 0) < incarnation)
        this.#targets.set(node, { incarnation, applied });
    }
    this.#isStarted = this.#startReasons(now).length === 0;
    if (this.#isStarted) membership.noteFilled();
  }

  #startReasons(now: Now): string[] {
    const reasons: string[] = [];
    const graceMs = this.#replica.limits.startGraceMs - (now.monotonicMs - this.#beganMs);
    if (this.#replicator.isReceivingSnapshot) reasons.push('syncing: a snapshot is on its way');
    const { membership } = this.#replica;
    if (!membership.began.isFilled && ![...this.#targets.values()].some(({ applied }) => this.#hasAll(applied)))
      reasons.push('joining: nothing of the cluster is here yet');
    for (const member of this.#replica.members.others()) {
      const target = this.#targets.get(member.nodeNumber);
      if (target === undefined && graceMs > 0)
        reasons.push(`starting: waiting up to ${Math.ceil(graceMs / 1000)} s to hear from ${member.id}`);
      else if (target !== undefined && !this.#hasAll(target.applied))
        reasons.push(`syncing: catching up with ${member.id}`);
    }
    return reasons;
  }

  /** Of what is closed here there is no more than is here (RULES D8). */
  #hasAll(target: VersionVector): boolean {
    const { vector, closedHere } = this.#replica;
    for (const [origin, seq] of target.dots())
      if (!vector.contains(origin, seq) && !closedHere.isRetired(origin)) return false;
    return true;
  }

  /** Whether this node's clock is ahead of most of its peers' (RULES D3). */
  isAheadOfPeers(now: Now): boolean {
    return isAheadOfPeers(this.#replica, this.#replicator.sessions.values(), now);
  }

  /** Why the node is not ready, empty when it is. */
  reasons(now: Now): string[] {
    const removed = this.#replica.membership.refusalOf(this.#replica.identity.nodeNumber);
    if (removed !== null) return [removed];
    if (!this.isStarted) return this.#startReasons(now).concat('loading').slice(0, 8);
    const reasons: string[] = [];
    const { members, holdBack } = this.#replica;
    if (this.#replicator.isReceivingSnapshot) reasons.push('syncing: a snapshot is on its way');
    const others = members.others();
    const leastSilentMs = Math.min(...others.map((member) => members.silentMs(member.nodeNumber, now.monotonicMs)));
    const aloneMs = Math.min(leastSilentMs, now.monotonicMs - this.#beganMs);
    if (others.length > 0 && aloneMs > NO_PEER_MS) reasons.push(`no peer heard for ${Math.round(aloneMs / 1000)} s`);
    if (holdBack.transactions > HELD_BACK_TRANSACTIONS)
      reasons.push(`lag: ${holdBack.transactions} transactions are held back`);
    if (this.isAheadOfPeers(now)) reasons.push('clock: ahead of most peers');
    return reasons;
  }
}
