import type { Member } from '../causal/members.ts';
import { joinedCuts } from '../causal/membership-record.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Replicator } from '../causal/replicator.ts';
import { incarnationOf, nodeOf, type NodeNumber } from '../clock/origin.ts';
import type {
  ChangeProgress,
  LostPage,
  MembershipView,
  MemberStatus,
  OfferPage,
  OfferRequest,
} from '../commands/membership-view.ts';
import { CausewayError } from '../errors.ts';
import type { MembersCodec } from '../groups/members-group.ts';
import type { StrongTier } from '../groups/strong-tier.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import type { CutKeyspace } from './lost-desk.ts';
import { MembershipAgreement } from './membership-agreement.ts';
import type { Persistence } from './persistence.ts';

/** Where an operator changes the members, a node at a time; the command line does it at every survivor (RULES D7). */
export class MembershipDesk implements MembershipView {
  readonly #replica: Replica;
  readonly #replicator: Replicator;
  readonly #persistence: Persistence;
  /** The time of the turn. */
  readonly #now: () => Now;

  /** Decides in place of operators, null where the cluster is too small for that. */
  agreement: MembershipAgreement | null = null;
  #ownRefusal: CausewayError | null = null;

  /** What each connected member had when it said hello, as far as it is here by now; null where there are others and none was heard. */
  heard(): readonly VersionVector[] | null {
    const { members, vector } = this.#replica;
    const sessions = [...this.#replicator.sessions.values()];
    const had = sessions.flatMap(({ isUp, helloApplied }) => (isUp && helloApplied !== null ? [helloApplied] : []));
    const here = had.filter((applied) => vector.covers(applied));
    return here.length === 0 && members.others().length > 0 ? null : here;
  }

  constructor(replica: Replica, replicator: Replicator, persistence: Persistence, now: () => Now) {
    this.#replica = replica;
    this.#replicator = replicator;
    this.#persistence = persistence;
    this.#now = now;
  }

  /** From now on the members agree by the group of the strong tier. */
  agreeBy(strong: StrongTier | null, codec: MembersCodec): void {
    if (strong === null || strong.members === null) return;
    this.agreement = new MembershipAgreement({
      replica: this.#replica,
      replicator: this.#replicator,
      group: strong.members,
      progressOf: (node) => this.progressOf(node),
      encodeEntry: (entry) => codec.encodeEntry(entry),
      submit: (request, answered) => strong.submit(request, answered),
      now: () => this.#now(),
    });
  }

  get epoch(): number {
    return this.#replica.membership.epoch;
  }

  /** Why this node may not write: it was itself removed. */
  get ownRefusal(): CausewayError | null {
    const { identity, membership } = this.#replica;
    const removed = membership.refusalOf(identity.nodeNumber);
    if (removed === null) return null;
    const message = `${identity.nodeId} is ${removed}`;
    // asked for at every turn: an error that is made notes its stack
    if (this.#ownRefusal?.message !== message) this.#ownRefusal = new CausewayError('ERR', message);
    return this.#ownRefusal;
  }

  /** Whether this node is to be started again, because it joined again and its keyspace, or its life, is from before; once that is on disk. */
  get mustStartAgain(): boolean {
    const { membership, identity } = this.#replica;
    const lowest = membership.joinOf(identity.nodeNumber)?.incarnation ?? 0;
    return (membership.mustBeginAnew || identity.incarnation < lowest) && this.#persistence.areMembersDurable;
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
    if (!isSelf && membership.removalOf(nodeNumber) === undefined) {
      for (const origin of log.origins()) lagTransactions += log.behind(origin, has?.get(origin) ?? 0).transactions;
    }
    return {
      id,
      region,
      incarnation: this.#incarnationOf(nodeNumber),
      state,
      silentMs: isSelf || silentMs === Infinity ? null : silentMs,
      removedAtEpoch: membership.removalOf(nodeNumber)?.epoch ?? 0,
      joinedAtEpoch: membership.joinOf(nodeNumber)?.epoch ?? 0,
      lagTransactions,
    };
  }

  #stateOf(node: number): MemberStatus['state'] {
    const { members, membership, identity, limits } = this.#replica;
    if (membership.isHeld(node)) return 'held';
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

  progress(id: string): ChangeProgress {
    return this.progressOf(this.#member(id).nodeNumber);
  }

  progressOf(nodeNumber: NodeNumber): ChangeProgress {
    const { membership, vector, durable } = this.#replica;
    const had = [...vector.dots()].filter(([origin]) => nodeOf(origin) === nodeNumber);
    const isOnDisk = this.#persistence.areMembersDurable && had.every(([origin, seq]) => durable.contains(origin, seq));
    const removal = membership.removalOf(nodeNumber);
    const join = membership.joinOf(nodeNumber);
    return {
      epoch: membership.epoch,
      state: this.#stateOf(nodeNumber),
      isDurable: isOnDisk,
      incarnation: this.#incarnationOf(nodeNumber),
      operation: membership.pending?.nodes.includes(nodeNumber) === true ? membership.pending.operation : 0,
      isSettled:
        removal !== undefined &&
        membership.isSettled(nodeNumber) &&
        (removal.incarnation === 0 || durable.floor(nodeNumber) > removal.incarnation),
      joinedAtEpoch: join?.epoch ?? 0,
      joinedFrom: join?.incarnation ?? 0,
      has: removal?.cut ?? joinedCuts(join?.cut ?? [], had),
    };
  }

  lost(cursor: number, count: number): LostPage {
    const of = this.#cutKeyspace();
    if (of === null && this.#replica.membership.began.epoch === 0)
      throw new CausewayError('ERR', `${this.#replica.identity.nodeId} was not removed, or has not heard of it yet`);
    return this.#persistence.lost.page(cursor, count, of);
  }

  /** The keyspace here, where it is one that was cut. */
  #cutKeyspace(): CutKeyspace | null {
    const { identity, membership } = this.#replica;
    const removed = membership.removalOf(identity.nodeNumber);
    if (removed !== undefined) return this.#persistence.cutAt(removed.cut);
    return membership.mustBeginAnew ? this.#persistence.cutAt(membership.joinOf(identity.nodeNumber)?.cut ?? []) : null;
  }

  offer(request: OfferRequest, tx: TransactionWriter, nowMs: number): OfferPage {
    if (this.#replica.membership.began.epoch === 0) {
      const { nodeId } = this.#replica.identity;
      throw new CausewayError(
        'ERR',
        `${nodeId} has set nothing aside: what it alone had is offered once it joined again`,
      );
    }
    const { origin: own, vector } = this.#replica;
    const before = vector.get(own);
    const isOwn = (origin: number, seq: number): boolean => origin === own && seq > before;
    return this.#persistence.lost.offer(request, (key) => this.#persistence.stateOf(key), tx, { nowMs, isOwn });
  }

  fence(id: string, expectedEpoch: number, operation: number, alone: boolean): void {
    if (this.#replica.membership.fence(this.#member(id).nodeNumber, expectedEpoch, operation, alone))
      this.#replicator.membersChanged();
  }

  remove(id: string, epoch: number, incarnation: number, operation: number, cut: VectorEntries): void {
    const node = this.#member(id).nodeNumber;
    if (cut.some(([origin]) => nodeOf(origin) !== node || incarnationOf(origin) > incarnation))
      throw new CausewayError('ERR', `the cut of ${id} names what is not of it`);
    if (this.#replica.membership.remove({ node, epoch, incarnation, cut }, operation))
      this.#replicator.membersChanged();
  }

  hold(id: string, expectedEpoch: number, operation: number): void {
    this.#replica.membership.hold(this.#member(id).nodeNumber, expectedEpoch, operation);
  }

  join(id: string, epoch: number, incarnation: number, operation: number): void {
    if (this.#replica.membership.join(this.#member(id).nodeNumber, epoch, incarnation, operation))
      this.#replicator.membersChanged();
  }

  release(id: string, operation: number): boolean {
    return this.#replica.membership.release(this.#member(id).nodeNumber, operation);
  }

  #member(id: string): Member {
    const member = this.#replica.members.all().find((each) => each.id === id);
    if (member === undefined) throw new CausewayError('ERR', `no node '${id}' in the topology`);
    return member;
  }
}
