import type { ClosedBy, Replica } from '../causal/replica.ts';
import { incarnationOf, nodeOf, originOf, type NodeNumber } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { UpdateContext } from '../crdt/update.ts';
import type { LocalTransaction } from '../keyspace/local-transaction.ts';

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

  /** Closes what can be closed of this node's earlier lives; `open` gives the transaction to do it in. */
  closeEarlier(transaction: Pick<LocalTransaction, 'closeIncarnations'>, open: () => UpdateContext): void {
    const incarnation = this.closable();
    if (incarnation === null) return;
    this.note(incarnation, open());
    transaction.closeIncarnations(incarnation);
  }

  /** A transaction said that every incarnation of its origin's node below this one is closed. */
  note(incarnation: number, context: UpdateContext): void {
    if (incarnation > incarnationOf(context.origin)) return;
    const node = nodeOf(context.origin);
    this.#closings.push({ node, incarnation, origin: context.origin, seq: context.seq });
    this.#replica.closedHere.raise(originOf(node, 0), incarnation);
  }

  /**
   * The incarnation below which all of our own can be closed, null for none: everybody knows a later one, and all that any has of those
   * below is here. That can be some of our lives and not all: what is held somewhere of a later one may wait for what was lost with an
   * earlier one, and then shows once that is closed.
   */
  closable(): number | null {
    const { identity, vector, members } = this.#replica;
    const { nodeNumber, incarnation } = identity;
    const below = Math.min(incarnation, members.lowestAwaited(nodeNumber));
    if (vector.floor(nodeNumber) >= below || this.isClosing(nodeNumber, below)) return null;
    return members.isAllHere(nodeNumber, below, this.#replica.known) ? below : null;
  }

  /** Whether a transaction that closes the node's incarnations below this one is known and not yet stable. */
  isClosing(node: NodeNumber, incarnation: number): boolean {
    return this.#closings.some((closing) => closing.node === node && closing.incarnation >= incarnation);
  }

  /**
   * Retires what can be; says whether anything was. That a closing is stable is known here; or from a transaction whose deps have
   * the floor, or a member's row that has it, once all that its maker had then is here, the closing and what it closed with it.
   * That there is a closing is known by the row of who made it as well: a snapshot and the store do not tell of it.
   */
  retire(): boolean {
    const { stable, vector, members, membership, closedBy, closedHere } = this.#replica;
    const floors = new VersionVector();
    for (const closing of this.#closings) {
      if (stable.contains(closing.origin, closing.seq)) floors.raise(originOf(closing.node, 0), closing.incarnation);
    }
    for (const [, deps] of this.#replica.runningEntries()) floors.mergeFloors(deps);
    for (const member of members.others()) {
      const row = members.row(member.nodeNumber);
      if (row === null || !vector.covers(row.applied)) continue;
      floors.mergeFloors(row.applied);
      if (row.closedBelow > 0 && row.closedBelow <= row.incarnation)
        closedHere.raise(originOf(row.node, 0), row.closedBelow);
    }
    let retired = membership.settle();
    for (const [floor, incarnation] of floors.changesSince(vector)) {
      const node = nodeOf(floor);
      // who closed the others is known here by what it made: a false claim can at most be early, never beyond (RULES D4)
      if (!hasMadeSince(vector, node, incarnation)) continue;
      const closing = this.#closings.find((each) => each.node === node && each.incarnation === incarnation);
      if (closing !== undefined) closedBy.set(node, closing);
      this.#replica.retireBelow(node, incarnation);
      retired = true;
    }
    this.#closings = this.#closings.filter(({ node, incarnation }) => vector.floor(node) < incarnation);
    return retired;
  }
}

/** Whether there is anything of the node's incarnations from this one on. */
function hasMadeSince(vector: VersionVector, node: NodeNumber, incarnation: number): boolean {
  for (const [origin] of vector.dots())
    if (nodeOf(origin) === node && incarnationOf(origin) >= incarnation) return true;
  return false;
}
