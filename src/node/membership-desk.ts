import type { Member } from '../causal/members.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Replicator } from '../causal/replicator.ts';
import { incarnationOf, nodeOf, type Origin } from '../clock/origin.ts';
import type { LostWrite, MembershipView, MemberStatus, RemovalProgress } from '../commands/membership-view.ts';
import { CausewayError } from '../errors.ts';
import { lostWritesOf } from './lost-writes.ts';
import type { Persistence } from './persistence.ts';

/** Where an operator changes the members, a node at a time; the command line does it at every survivor (RULES D7). */
export class MembershipDesk implements MembershipView {
  readonly #replica: Replica;
  readonly #replicator: Replicator;
  readonly #persistence: Persistence;
  /** The time of the turn. */
  readonly #now: () => Now;

  constructor(replica: Replica, replicator: Replicator, persistence: Persistence, now: () => Now) {
    this.#replica = replica;
    this.#replicator = replicator;
    this.#persistence = persistence;
    this.#now = now;
  }

  get epoch(): number {
    return this.#replica.membership.epoch;
  }

  /** Why this node may not write: it was itself removed. */
  get ownRefusal(): CausewayError | null {
    const { identity, membership } = this.#replica;
    const removed = membership.refusalOf(identity.nodeNumber);
    return removed === null ? null : new CausewayError('ERR', `${identity.nodeId} is ${removed}`);
  }

  list(): MemberStatus[] {
    return this.#replica.members.all().map((member) => this.#status(member));
  }

  #status(member: Member): MemberStatus {
    const { nodeNumber, id, region } = member;
    const { members, membership, identity, log } = this.#replica;
    const silentMs = members.silentMs(nodeNumber, this.#now().monotonicMs);
    const isSelf = nodeNumber === identity.nodeNumber;
    const state = this.#stateOf(nodeNumber);
    const has = members.row(nodeNumber)?.applied;
    let lagTransactions = 0;
    if (!isSelf && state !== 'removed') {
      for (const origin of log.origins()) lagTransactions += log.behind(origin, has?.get(origin) ?? 0).transactions;
    }
    return {
      id,
      region,
      incarnation: this.#incarnationOf(nodeNumber),
      state,
      silentMs: isSelf || silentMs === Infinity ? null : silentMs,
      removedAtEpoch: membership.removalOf(nodeNumber)?.epoch ?? 0,
      lagTransactions,
    };
  }

  #stateOf(node: number): MemberStatus['state'] {
    const { members, membership, identity, limits } = this.#replica;
    if (membership.removalOf(node) !== undefined) return 'removed';
    if (membership.isFenced(node)) return 'fenced';
    if (node === identity.nodeNumber) return 'self';
    return members.silentMs(node, this.#now().monotonicMs) <= limits.liveMs ? 'live' : 'silent';
  }

  /** The newest incarnation of a node that anything here tells of. */
  #incarnationOf(node: number): number {
    const { vector, membership } = this.#replica;
    let newest = Math.max(this.#replicator.incarnationOf(node), membership.removalOf(node)?.incarnation ?? 0);
    for (const [origin] of vector.dots()) if (nodeOf(origin) === node) newest = Math.max(newest, incarnationOf(origin));
    return newest;
  }

  progress(id: string): RemovalProgress {
    const { nodeNumber } = this.#member(id);
    const { membership, vector, durable } = this.#replica;
    const had = [...vector.dots()].filter(([origin]) => nodeOf(origin) === nodeNumber);
    const isOnDisk = this.#persistence.areMembersDurable && had.every(([origin, seq]) => durable.contains(origin, seq));
    return {
      epoch: membership.epoch,
      state: this.#stateOf(nodeNumber),
      isDurable: isOnDisk,
      incarnation: this.#incarnationOf(nodeNumber),
      has: membership.removalOf(nodeNumber)?.cut ?? had,
    };
  }

  lost(): LostWrite[] {
    const { identity, membership, vector } = this.#replica;
    if (membership.removalOf(identity.nodeNumber) === undefined)
      throw new CausewayError('ERR', `${identity.nodeId} was not removed, or has not heard of it yet`);
    const isLost = (origin: Origin, seq: number): boolean =>
      nodeOf(origin) === identity.nodeNumber && !vector.isRetired(origin) && membership.isBeyond(origin, seq);
    return [...this.#persistence.states()].flatMap(([key, state]) => [...lostWritesOf(key, state, isLost)]);
  }

  fence(id: string, expectedEpoch: number): void {
    if (this.#replica.membership.fence(this.#member(id).nodeNumber, expectedEpoch)) this.#replicator.membersChanged();
  }

  unfence(id: string): boolean {
    return this.#replica.membership.unfence(this.#member(id).nodeNumber);
  }

  remove(id: string, epoch: number, incarnation: number, cut: VectorEntries): void {
    const node = this.#member(id).nodeNumber;
    if (cut.some(([origin]) => nodeOf(origin) !== node || incarnationOf(origin) > incarnation))
      throw new CausewayError('ERR', `the cut of ${id} names what is not of it`);
    if (this.#replica.membership.remove({ node, epoch, incarnation, cut })) this.#replicator.membersChanged();
  }

  #member(id: string): Member {
    const member = this.#replica.members.all().find((each) => each.id === id);
    if (member === undefined) throw new CausewayError('ERR', `no node '${id}' in the topology`);
    return member;
  }
}
