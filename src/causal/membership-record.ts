import type { NodeNumber } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import type { VectorEntries } from './peer-frames.ts';

/** A node that was removed, and what of it counts. */
export interface Removal {
  readonly node: NodeNumber;
  /** The epoch that began with it. */
  readonly epoch: number;
  /** The newest of its incarnations that any survivor knew, 0 for none: that one and all older ones are over. */
  readonly incarnation: number;
  /** The last transaction of each of its origins that any survivor had, those of earlier removals too; what is beyond is void. */
  readonly cut: VectorEntries;
}

/** A node that was removed and is a member again, with an empty keyspace to begin with. */
export interface Join {
  readonly node: NodeNumber;
  /** The epoch that began with it: a keyspace of that node that began earlier is no part of the cluster any more. */
  readonly epoch: number;
  /** The lowest of its incarnations that may come in. */
  readonly incarnation: number;
  /** Where its lives before were cut. */
  readonly cut: VectorEntries;
}

/** Who is a member: what all agree on. A pure value: whatever orders these records drives `Membership`. */
export interface MembershipRecord {
  /** Counts the changes; 0 is the topology as it is written. */
  readonly epoch: number;
  readonly removals: readonly Removal[];
  readonly joins: readonly Join[];
}

/** A change that has begun here: nodes shut out to be removed, or waited for again to join. */
export interface PendingChange {
  readonly kind: 'fence' | 'hold';
  /** Ascending. */
  readonly nodes: readonly NodeNumber[];
  /**
   * Whose change it is. Agreed upon, the index of the members' log at which it began. Else an operator's own number: another's takes the
   * change over with a number of its own, and what the first one sends is refused then.
   */
  readonly operation: number;
}

/** What the keyspace of a node began with. */
export interface KeyspaceBegin {
  /** The epoch at which the node had joined; 0 for one that was never removed. */
  readonly epoch: number;
  /** Whether it has had all that another member had, since then. */
  readonly isFilled: boolean;
}

/** What a node keeps of it on disk. */
export interface MembershipState extends MembershipRecord {
  readonly pending: PendingChange | null;
  readonly began: KeyspaceBegin;
}

/** Whether a transaction lies within a cut. */
export function isWithin(cut: VectorEntries, origin: VectorEntries[number][0], seq: number): boolean {
  return cut.some(([of, last]) => of === origin && seq <= last);
}

/** Both cuts as one: of an origin that both name, the higher. */
export function joinedCuts(left: VectorEntries, right: VectorEntries): VectorEntries {
  const cut = new Map(left);
  for (const [origin, seq] of right) cut.set(origin, Math.max(seq, cut.get(origin) ?? 0));
  return [...cut];
}

export function isSameCut(left: VectorEntries, right: VectorEntries): boolean {
  const cut = new Map(left);
  return cut.size === right.length && right.every(([origin, seq]) => cut.get(origin) === seq);
}

/** Why a step that an operator asked for is not taken. */
export function refusal(why: string): CausewayError {
  return new CausewayError('ERR', `the members are not changed: ${why}`);
}
