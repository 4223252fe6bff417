import type { ClosedBy, Replica } from '../causal/replica.ts';
import { incarnationOf, nodeOf, originOf, type NodeNumber } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { UpdateContext } from '../crdt/update.ts';

interface Closing extends ClosedBy {
  readonly node: NodeNumber;
}

/** Incarnations that a transaction closed and that are retired once that transaction is stable (RULES D8). */
export class ClosedIncarnations {
  readonly #replica: Replica;
  #closings: Closing[] = [];

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** A transaction said that every incarnation of its origin's node below this one is closed. */
  note(incarnation: number, context: UpdateContext): void {
    if (incarnation > incarnationOf(context.origin)) return;
    const node = nodeOf(context.origin);
    this.#closings.push({ node, incarnation, origin: context.origin, seq: context.seq });
    this.#replica.closedHere.raise(originOf(node, 0), incarnation);
  }

  /** The incarnation below which all of our own can be closed: everybody knows it, and all that any has of older ones is here. */
  closable(): number | null {
    const { identity, vector, members, origin: own } = this.#replica;
    const { nodeNumber, incarnation } = identity;
    if (!members.allKnowIncarnation(nodeNumber, incarnation)) return null;
    for (const [origin, seq] of members.highestOf(nodeNumber)) {
      if (origin !== own && vector.get(origin) < seq) return null;
    }
    return vector.floor(nodeNumber) < incarnation && !this.isClosing(nodeNumber, incarnation) ? incarnation : null;
  }

  /** Whether a transaction that closes the node's incarnations below this one is known and not yet stable. */
  isClosing(node: NodeNumber, incarnation: number): boolean {
    return this.#closings.some((closing) => closing.node === node && closing.incarnation >= incarnation);
  }

  /**
   * Retires what can be; says whether anything was. That a closing is stable is known here; or from a transaction whose deps have
   * the floor, or a member's row that has it, once all that its maker had then is here, the closing and what it closed with it.
   */
  retire(): boolean {
    const { stable, vector, members, membership, closedBy } = this.#replica;
    const floors = new VersionVector();
    for (const closing of this.#closings) {
      if (stable.contains(closing.origin, closing.seq)) floors.raise(originOf(closing.node, 0), closing.incarnation);
    }
    for (const [, deps] of this.#replica.runningEntries()) floors.mergeFloors(deps);
    for (const member of members.others()) {
      const row = members.row(member.nodeNumber);
      if (row !== null && vector.covers(row.applied)) floors.mergeFloors(row.applied);
    }
    let retired = membership.settle();
    for (const [floor, incarnation] of floors.changesSince(vector)) {
      const node = nodeOf(floor);
      // who closed the others is known here by what it made: a false claim can at most be early, never beyond (RULES D4)
      if (vector.get(originOf(node, incarnation)) === 0) continue;
      const closing = this.#closings.find((each) => each.node === node && each.incarnation === incarnation);
      if (closing !== undefined) closedBy.set(node, closing);
      this.#replica.retireBelow(node, incarnation);
      retired = true;
    }
    this.#closings = this.#closings.filter(({ node, incarnation }) => vector.floor(node) < incarnation);
    return retired;
  }
}
