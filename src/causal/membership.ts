import type { NodeNumber, Origin } from '../clock/origin.ts';
import { nodeOf, originOf } from '../clock/origin.ts';
import {
  isSameCut,
  isWithin,
  refusal,
  type Join,
  type KeyspaceBegin,
  type MembershipRecord,
  type MembershipState,
  type PendingChange,
  type Removal,
} from './membership-record.ts';
import type { Replica } from './replica.ts';

/**
 * The members as one node knows them (RULES D7): a state machine that the members' group drives with what it decides (`follow`), or
 * an operator step by step where a cluster is too small for one.
 *
 * A removal takes three steps, each at every survivor: fence (nothing more is taken from the node itself), all come to the highest
 * that any of them has, remove with that as the cut. So no survivor has, holds or ever gets anything beyond the cut, nor anything
 * that depends on it: whoever has an effect has its causes. A removed node comes in again in two: hold (it counts again, so that
 * nothing becomes stable without it), then join.
 */
export class Membership {
  readonly #replica: Replica;
  #epoch = 0;
  readonly #removals: Map<NodeNumber, Removal> = new Map();
  readonly #joins: Map<NodeNumber, Join> = new Map();
  #pending: PendingChange | null = null;
  #began: KeyspaceBegin = { epoch: 0, isFilled: true };
  /** Rises with each change: what is on disk of it is told by this. */
  version: number = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get pending(): PendingChange | null {
    return this.#pending;
  }

  get began(): KeyspaceBegin {
    return this.#began;
  }

  /** What is told to others. */
  get record(): MembershipRecord {
    return { epoch: this.#epoch, removals: [...this.#removals.values()], joins: [...this.#joins.values()] };
  }

  /** What is kept, null where nothing was ever changed. */
  get state(): MembershipState | null {
    if (this.#epoch === 0 && this.#pending === null) return null;
    return { ...this.record, pending: this.#pending, began: this.#began };
  }

  isFenced(node: number): boolean {
    return this.#pending?.kind === 'fence' && this.#pending.nodes.includes(node as NodeNumber);
  }

  /** Whether a removed node is waited for again. */
  isHeld(node: number): boolean {
    return this.#pending?.kind === 'hold' && this.#pending.nodes.includes(node as NodeNumber);
  }

  removalOf(node: number): Removal | undefined {
    return this.#removals.get(node as NodeNumber);
  }

  joinOf(node: number): Join | undefined {
    return this.#joins.get(node as NodeNumber);
  }

  /**
   * Whether this node knows the members of an epoch and is one of them, with the keyspace that it has: then what is stable among them is
   * here. A removed node that has not heard of it cannot tell, and has none of what became stable without it.
   */
  isMemberAt(epoch: number): boolean {
    if (this.#epoch < epoch) return false;
    const removal = this.removalOf(this.#replica.identity.nodeNumber);
    if (removal !== undefined) return epoch < removal.epoch;
    return !this.mustBeginAnew || epoch <= this.#began.epoch;
  }

  /** Why nothing is taken from a node's connections and it may not write, null where it may. */
  refusalOf(node: number): string | null {
    const removal = this.removalOf(node);
    if (removal !== undefined) return `removed from the cluster at epoch ${removal.epoch}`;
    if (this.isFenced(node)) return 'fenced: it is being removed from the cluster';
    if (node !== this.#replica.identity.nodeNumber || !this.mustBeginAnew) return null;
    return `joined again at epoch ${this.#joins.get(node as NodeNumber)?.epoch}: it starts again with an empty keyspace`;
  }

  /** Why a node that says hello is told who is a member and nothing more, null where it is one as it is. */
  strangenessOf(node: number, beganAtEpoch: number): string | null {
    const removal = this.removalOf(node);
    if (removal !== undefined) return `removed from the cluster at epoch ${removal.epoch}`;
    const joinedAt = this.joinOf(node)?.epoch ?? 0;
    if (joinedAt === beganAtEpoch) return null;
    return `joined again at epoch ${joinedAt}, and its keyspace began at epoch ${beganAtEpoch}`;
  }

  /** Whether a row that is passed on can be of the node's life as a member. */
  takesRow(node: number, incarnation: number): boolean {
    return this.removalOf(node) === undefined && incarnation >= (this.joinOf(node)?.incarnation ?? 0);
  }

  /** Whether a transaction of a node that was removed is beyond what any survivor had. */
  isBeyond(origin: Origin, last: number): boolean {
    const node = nodeOf(origin);
    const removal = this.removalOf(node);
    if (removal !== undefined) return !isWithin(removal.cut, origin, last);
    const join = this.joinOf(node);
    return join !== undefined && origin < originOf(node, join.incarnation) && !isWithin(join.cut, origin, last);
  }

  restore(state: MembershipState): void {
    this.#take(state);
    this.#pending = state.pending;
    this.#began = state.began;
  }

  // ── removing ──

  /**
   * Shuts a node out, or takes an operator's fence over. `alone` allows it where those left are not more than half of the members.
   * Throws ERR where another change came first or is under way. Says whether it was not so before.
   */
  fence(node: NodeNumber, expectedEpoch: number, operation: number, alone = false): boolean {
    this.#checkChange(node, expectedEpoch);
    if (this.removalOf(node) !== undefined) throw refusal(`it is ${this.refusalOf(node)}`);
    const members = this.#replica.members.all().filter((member) => this.removalOf(member.nodeNumber) === undefined);
    if (!alone && (members.length - 1) * 2 <= members.length) {
      throw refusal(
        `the ${members.length - 1} left would be no majority of the ${members.length} members: the other may be removing this one as well`,
      );
    }
    return this.#begin({ kind: 'fence', nodes: [node], operation });
  }

  /** Removes a fenced node. The same removal again changes nothing; says whether it was not so before. Throws ERR. */
  remove(removal: Removal, operation: number): boolean {
    const { node, epoch } = removal;
    const known = this.removalOf(node);
    if (known !== undefined && known.epoch === epoch) {
      if (isSameCut(known.cut, removal.cut)) return false;
      throw refusal(`it is removed at epoch ${epoch} with another cut`);
    }
    this.#checkChange(node, epoch - 1);
    if (!this.isFenced(node)) throw refusal('it is not fenced here');
    this.#checkOperation(operation);
    const { vector } = this.#replica;
    const cutOf = new Map(removal.cut);
    for (const [origin, seq] of cutOf)
      if (!vector.contains(origin, seq)) throw refusal('what it is cut at is not here yet');
    for (const [origin, seq] of vector.dots()) {
      if (nodeOf(origin) === node && seq > (cutOf.get(origin) ?? 0))
        throw refusal('more of it is here than the cut says');
    }
    this.#epoch = epoch;
    this.#joins.delete(node);
    this.#removals.set(node, removal);
    this.#end();
    return true;
  }

  // ── coming in again ──

  /** Whether all lives of a removed node are retired here: nothing of them is left that could be taken for the new one's. */
  isSettled(node: NodeNumber): boolean {
    return (this.removalOf(node)?.incarnation ?? 0) < Math.max(1, this.#replica.vector.floor(node));
  }

  /**
   * Counts a removed node again before it comes: nothing becomes stable until it has said what it has. Throws ERR where another
   * change came first or is under way, and while its earlier lives are not let go. Says whether it was not so before.
   */
  hold(node: NodeNumber, expectedEpoch: number, operation: number): boolean {
    this.#checkChange(node, expectedEpoch);
    if (this.removalOf(node) === undefined) throw refusal('it was not removed');
    if (!this.isSettled(node)) throw refusal('what it made before it was removed is not stable yet');
    const isNew = !this.isHeld(node);
    const hasBegun = this.#begin({ kind: 'hold', nodes: [node], operation });
    if (isNew) this.#replica.members.takeIn(node);
    return hasBegun;
  }

  /** Lets a held node in from this incarnation on. The same again changes nothing; says whether it was not so before. Throws ERR. */
  join(node: NodeNumber, epoch: number, incarnation: number, operation: number): boolean {
    const known = this.joinOf(node);
    if (known !== undefined && known.epoch === epoch) {
      if (known.incarnation === incarnation) return false;
      throw refusal(`it joined at epoch ${epoch} from another incarnation on`);
    }
    this.#checkChange(node, epoch - 1);
    const removal = this.removalOf(node);
    if (removal === undefined || !this.isHeld(node)) throw refusal('it is not waited for here');
    this.#checkOperation(operation);
    if (incarnation <= removal.incarnation) throw refusal(`its incarnation ${removal.incarnation} was removed`);
    this.#epoch = epoch;
    this.#removals.delete(node);
    this.#joins.set(node, { node, epoch, incarnation, cut: removal.cut });
    this.#end();
    return true;
  }

  /** Whether this node joined again and its keyspace is from before: it must start again, with an empty one. */
  get mustBeginAnew(): boolean {
    return (this.joinOf(this.#replica.identity.nodeNumber)?.epoch ?? 0) > this.#began.epoch;
  }

  /** The keyspace here is empty, and that of the member that this node became. */
  beginAnew(): void {
    const epoch = this.joinOf(this.#replica.identity.nodeNumber)?.epoch;
    if (epoch === undefined) return;
    this.#began = { epoch, isFilled: false };
    this.version++;
  }

  /** This node has all that another member had. */
  noteFilled(): void {
    if (this.#began.isFilled) return;
    this.#began = { ...this.#began, isFilled: true };
    this.version++;
  }

  // ── both ──

  /** Takes a fence or a hold back; says whether there was one. Throws ERR where another operator has taken it over. */
  release(node: NodeNumber, operation: number): boolean {
    if (this.#pending?.nodes.includes(node) !== true) return false;
    this.#checkOperation(operation);
    this.#end();
    return true;
  }

  /** Takes over what a peer knows where it is newer; says whether it is. */
  adopt(record: MembershipRecord): boolean {
    if (record.epoch <= this.#epoch) return false;
    const { identity, vector, members } = this.#replica;
    const before = new Map(this.#joins);
    this.#take(record);
    if (this.#pending !== null && this.#isOver(this.#pending)) this.#pending = null;
    for (const { node, epoch } of this.#joins.values())
      if (node !== identity.nodeNumber && before.get(node)?.epoch !== epoch) members.takeIn(node);
    const own = this.joinOf(identity.nodeNumber);
    // who has nothing needs no other start, unless it may not come in with this one
    if (this.mustBeginAnew && vector.size === 0 && identity.incarnation >= (own?.incarnation ?? 0)) this.beginAnew();
    this.version++;
    return true;
  }

  #isOver({ kind, nodes }: PendingChange): boolean {
    return nodes.every((node) => this.#removals.has(node) === (kind === 'fence'));
  }

  /**
   * Takes over what the members' group has decided up to an index of its log: who is a member, and the change under way, null for
   * none. Says whether anything is new. What was decided before what is known here changes nothing.
   */
  follow(decided: MembershipRecord, change: PendingChange | null, upTo: number): boolean {
    const { identity, members } = this.#replica;
    const isNewer = this.adopt(decided);
    if (decided.epoch !== this.#epoch || (this.#pending?.operation ?? 0) > upTo) return isNewer;
    const isOut = change?.nodes.includes(identity.nodeNumber) === true || this.#removals.has(identity.nodeNumber);
    const next = isOut ? null : change;
    if (this.#pending?.operation === next?.operation) return isNewer;
    this.#pending = next;
    if (next?.kind === 'hold') for (const node of next.nodes) members.takeIn(node);
    this.version++;
    return true;
  }

  #take(record: MembershipRecord): void {
    this.#epoch = record.epoch;
    this.#removals.clear();
    this.#joins.clear();
    for (const removal of record.removals) this.#removals.set(removal.node, removal);
    for (const join of record.joins) this.#joins.set(join.node, join);
  }

  #checkChange(node: NodeNumber, expectedEpoch: number): void {
    const { identity } = this.#replica;
    if (node === identity.nodeNumber) throw refusal('it would have to survive itself');
    const own = this.refusalOf(identity.nodeNumber);
    if (own !== null) throw refusal(`${identity.nodeId} is itself ${own}`);
    if (expectedEpoch !== this.#epoch) throw refusal(`epoch ${expectedEpoch} was expected, it is ${this.#epoch} here`);
  }

  #checkOperation(operation: number): void {
    if (this.#pending?.operation !== operation) throw refusal('another operator has taken this change over');
  }

  /** Notes a change as begun; says whether it was not, or was another operator's. */
  #begin(change: PendingChange): boolean {
    const { nodes, kind, operation } = change;
    const before = this.#pending;
    if (before !== null && (before.nodes.join() !== nodes.join() || before.kind !== kind)) {
      const id = before.nodes.map((node) => this.#replica.members.get(node)?.id ?? node).join(', ');
      const what = before.kind === 'fence' ? 'fenced here: end that removal' : 'waited for here: end that join';
      throw refusal(`${id} is ${what} first, or take it back with unfence`);
    }
    if (before?.operation === operation) return false;
    this.#pending = change;
    this.version++;
    return true;
  }

  #end(): void {
    this.#pending = null;
    this.version++;
  }

  /**
   * Lets go of removed nodes: nothing waits for one once all up to its cut is here (until then its old row keeps stability where
   * it is, as D5 asks), and its origins are retired once that is stable among the survivors. Says whether any were.
   */
  settle(): boolean {
    const { identity, members, vector, stable } = this.#replica;
    let retired = false;
    for (const { node, incarnation, cut } of this.#removals.values()) {
      if (node === identity.nodeNumber || this.isHeld(node)) continue;
      if (cut.every(([origin, seq]) => vector.contains(origin, seq))) {
        members.letGo(node);
        // what is beyond the cut is nobody's, whether or not others are known to have all up to it: what waits for it must not, for that
        if (incarnation > 0) this.#replica.closedHere.raise(originOf(node, 0), incarnation + 1);
      }
      const isDue = incarnation > 0 && vector.floor(node) <= incarnation;
      if (!isDue || !cut.every(([origin, seq]) => stable.contains(origin, seq))) continue;
      this.#replica.retireBelow(node, incarnation + 1);
      retired = true;
    }
    return retired;
  }
}
