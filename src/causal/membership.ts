import type { NodeNumber } from '../clock/origin.ts';
import { nodeOf, originOf } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import type { VectorEntries } from './peer-frames.ts';
import type { Replica } from './replica.ts';

/** A node that was removed, and what of it counts. */
export interface Removal {
  readonly node: NodeNumber;
  /** The epoch that began with it. */
  readonly epoch: number;
  /** The newest of its incarnations that any survivor knew, 0 for none: that one and all older ones are over. */
  readonly incarnation: number;
  /** The last transaction of each of its open origins that any survivor had; what is beyond is void. */
  readonly cut: VectorEntries;
}

/** Who is a member: what all survivors of a removal agree on. */
export interface MembershipRecord {
  /** Counts the changes; 0 is the topology as it is written. */
  readonly epoch: number;
  readonly removals: readonly Removal[];
}

/** What a node keeps of it on disk. */
export interface MembershipState extends MembershipRecord {
  /** Nodes that are shut out and not yet removed. */
  readonly fences: readonly NodeNumber[];
}

/**
 * The members as one node knows them (RULES D7). An operator's command changes them in three steps, each at every survivor: fence
 * (nothing more is taken from the node itself), all come to the highest that any of them has, remove with that as the cut. So no
 * survivor has, holds or ever gets anything beyond the cut, nor anything that depends on it: whoever has an effect has its causes.
 */
export class Membership {
  readonly #replica: Replica;
  #epoch = 0;
  readonly #removals: Map<NodeNumber, Removal> = new Map();
  readonly #fences: Set<NodeNumber> = new Set();
  /** Rises with each change: what is on disk of it is told by this. */
  version: number = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** What is told to others. */
  get record(): MembershipRecord {
    return { epoch: this.#epoch, removals: [...this.#removals.values()] };
  }

  /** What is kept, null where nothing was ever changed. */
  get state(): MembershipState | null {
    if (this.#epoch === 0 && this.#fences.size === 0) return null;
    return { ...this.record, fences: [...this.#fences] };
  }

  isFenced(node: number): boolean {
    return this.#fences.has(node as NodeNumber);
  }

  removalOf(node: number): Removal | undefined {
    return this.#removals.get(node as NodeNumber);
  }

  /** Why nothing is taken from a node's connections, null where it is. */
  refusalOf(node: number): string | null {
    const removal = this.removalOf(node);
    if (removal !== undefined) return `removed from the cluster at epoch ${removal.epoch}`;
    return this.isFenced(node) ? 'fenced: it is being removed from the cluster' : null;
  }

  /** Whether a transaction of a removed node is beyond what any survivor had. */
  isBeyond(origin: VectorEntries[number][0], last: number): boolean {
    const removal = this.removalOf(nodeOf(origin));
    return removal !== undefined && !removal.cut.some(([of, seq]) => of === origin && last <= seq);
  }

  restore(state: MembershipState): void {
    this.#take(state);
    for (const node of state.fences) this.#fences.add(node);
  }

  /** Shuts a node out. Throws ERR where another change came first or is under way. Says whether it was not so before. */
  fence(node: NodeNumber, expectedEpoch: number): boolean {
    this.#checkChange(node, expectedEpoch);
    if (this.removalOf(node) !== undefined) throw refusal(`it is ${this.refusalOf(node)}`);
    const other = [...this.#fences].find((fenced) => fenced !== node);
    if (other !== undefined) {
      const id = this.#replica.members.get(other)?.id ?? other;
      throw refusal(`${id} is fenced here: end that removal first, or take it back with unfence`);
    }
    if (this.isFenced(node)) return false;
    this.#fences.add(node);
    this.version++;
    return true;
  }

  /** Takes a fence back; says whether there was one. */
  unfence(node: NodeNumber): boolean {
    if (!this.#fences.delete(node)) return false;
    this.version++;
    return true;
  }

  /** Removes a fenced node. The same removal again changes nothing; says whether it was not so before. Throws ERR. */
  remove(removal: Removal): boolean {
    const { node, epoch, cut } = removal;
    const known = this.removalOf(node);
    if (known !== undefined && known.epoch === epoch) {
      if (isSameCut(known, removal)) return false;
      throw refusal(`it is removed at epoch ${epoch} with another cut`);
    }
    this.#checkChange(node, epoch - 1);
    if (!this.isFenced(node)) throw refusal('it is not fenced here');
    const { vector } = this.#replica;
    for (const [origin, seq] of cut)
      if (!vector.contains(origin, seq)) throw refusal('what it is cut at is not here yet');
    const cutOf = new Map(cut);
    for (const [origin, seq] of vector.dots()) {
      if (nodeOf(origin) === node && seq > (cutOf.get(origin) ?? 0))
        throw refusal('more of it is here than the cut says');
    }
    this.#epoch = epoch;
    this.#removals.set(node, removal);
    this.#fences.delete(node);
    this.version++;
    return true;
  }

  /** Takes over what a peer knows where it is newer; says whether it is. */
  adopt(record: MembershipRecord): boolean {
    if (record.epoch <= this.#epoch) return false;
    this.#take(record);
    for (const node of this.#removals.keys()) this.#fences.delete(node);
    this.version++;
    return true;
  }

  #take(record: MembershipRecord): void {
    this.#epoch = record.epoch;
    this.#removals.clear();
    for (const removal of record.removals) this.#removals.set(removal.node, removal);
  }

  #checkChange(node: NodeNumber, expectedEpoch: number): void {
    const { identity, members } = this.#replica;
    if (members.get(node) === undefined) throw refusal('it is no node of the topology');
    if (node === identity.nodeNumber) throw refusal('it would have to survive itself');
    if (this.removalOf(identity.nodeNumber) !== undefined) {
      throw refusal(`${identity.nodeId} is itself ${this.refusalOf(identity.nodeNumber)}`);
    }
    if (expectedEpoch !== this.#epoch) throw refusal(`epoch ${expectedEpoch} was expected, it is ${this.#epoch} here`);
  }

  /**
   * Lets go of removed nodes: nothing waits for one once all up to its cut is here (until then its old row keeps stability where
   * it is, as D5 asks), and its origins are retired once that is stable among the survivors. Says whether any were.
   */
  settle(): boolean {
    const { identity, members, vector, stable } = this.#replica;
    let retired = false;
    for (const { node, incarnation, cut } of this.#removals.values()) {
      if (node === identity.nodeNumber) continue;
      if (cut.every(([origin, seq]) => vector.contains(origin, seq))) members.letGo(node);
      const isDue = incarnation > 0 && vector.floor(node) <= incarnation;
      if (!isDue || !cut.every(([origin, seq]) => stable.contains(origin, seq))) continue;
      this.#replica.closedHere.raise(originOf(node, 0), incarnation + 1);
      this.#replica.retireBelow(node, incarnation + 1);
      retired = true;
    }
    return retired;
  }
}

function isSameCut(left: Removal, right: Removal): boolean {
  const cut = new Map(left.cut);
  return cut.size === right.cut.length && right.cut.every(([origin, seq]) => cut.get(origin) === seq);
}

function refusal(why: string): CausewayError {
  return new CausewayError('ERR', `the members are not changed: ${why}`);
}
