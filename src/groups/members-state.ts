import { joinedCuts, type Join, type MembershipRecord, type Removal } from '../causal/membership-record.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import { nodeOf, type NodeNumber } from '../clock/origin.ts';

/** The newest incarnation that is known of each node that a change is about. */
export type KnownIncarnations = readonly (readonly [NodeNumber, number])[];

/** An operator wants nodes to be removed, or let in again. */
export interface BeginEntry {
  readonly kind: 'begin';
  readonly change: 'remove' | 'join';
  /** Ascending, not empty. */
  readonly nodes: readonly NodeNumber[];
  /** All nodes of the topology, of whoever asks. */
  readonly topology: readonly NodeNumber[];
  readonly expectedEpoch: number;
  /** What whoever asks knows: newer than the group where a cluster was too small for one in between. */
  readonly known: MembershipRecord;
}

/** A member that stays says that it is through with a step, durably. */
export interface ReportEntry {
  readonly kind: 'report';
  readonly operation: number;
  readonly step: ChangeStep;
  readonly node: NodeNumber;
  /** What it has of the origins of the nodes that are removed, with where their lives before were cut. */
  readonly has: VectorEntries;
  readonly incarnations: KnownIncarnations;
}

/** Takes a change back that has not come to its end. */
export interface ReleaseEntry {
  readonly kind: 'release';
  readonly operation: number;
}

export type MembersEntry = BeginEntry | ReportEntry | ReleaseEntry;

/**
 * What all that stay do next. Removal: `fence`, then `even`: all come to the highest that any has. Join: `settle`: nothing of the
 * earlier lives is left, then `hold`: nothing becomes stable without the node.
 */
export type ChangeStep = 'fence' | 'even' | 'settle' | 'hold';

/** A change under way. */
export interface MembersChange {
  readonly kind: 'remove' | 'join';
  /** The index of the entry that began it. */
  readonly operation: number;
  readonly nodes: readonly NodeNumber[];
  /** The members that stay: each has to report each step. */
  readonly others: readonly NodeNumber[];
  readonly step: ChangeStep;
  /** Those that have reported it. */
  readonly reported: readonly NodeNumber[];
  /** The highest that any has reported. */
  readonly cut: VectorEntries;
  readonly incarnations: KnownIncarnations;
}

/** All of the state machine. */
export interface MembersImage {
  readonly applied: number;
  readonly record: MembershipRecord;
  readonly change: MembersChange | null;
}

/**
 * Who is a member, as the log of the members' group says (RULES D7): a function of the log alone. One change at a time; each has the
 * next epoch, and all that stay take part in it. It ends by itself with the last report, and can be taken back until then.
 */
export class MembersState {
  #applied = 0;
  #record: MembershipRecord = { epoch: 0, removals: [], joins: [] };
  #change: MembersChange | null = null;

  get applied(): number {
    return this.#applied;
  }

  get record(): MembershipRecord {
    return this.#record;
  }

  get change(): MembersChange | null {
    return this.#change;
  }

  get image(): MembersImage {
    return { applied: this.#applied, record: this.#record, change: this.#change };
  }

  restore({ applied, record, change }: MembersImage): void {
    this.#applied = applied;
    this.#record = record;
    this.#change = change;
  }

  /** Applies the next entry, null for one of Raft's own. Returns why it changed nothing, null where it did or had nothing to. */
  apply(index: number, entry: MembersEntry | null): string | null {
    this.#applied = index;
    switch (entry?.kind) {
      case 'begin':
        return this.#begin(index, entry);
      case 'report':
        return this.#report(entry);
      case 'release':
        if (this.#change?.operation !== entry.operation) return 'that change is not under way any more';
        this.#change = null;
        return null;
      default:
        return null;
    }
  }

  #begin(index: number, { change: kind, nodes, topology, expectedEpoch, known }: BeginEntry): string | null {
    const before = this.#change;
    if (before !== null) {
      // whoever asks again, or second, sees it end
      if (before.kind === kind && before.nodes.join() === nodes.join()) return null;
      return `a ${before.kind === 'remove' ? 'removal' : 'join'} is under way: let it end, or take it back with unfence`;
    }
    if (known.epoch > this.#record.epoch) this.#record = known;
    const { epoch, removals } = this.#record;
    if (expectedEpoch !== epoch) return `epoch ${expectedEpoch} was expected, it is ${epoch}`;
    const removed = new Set(removals.map(({ node }) => node));
    if (nodes.length === 0 || !nodes.every((node) => topology.includes(node))) return 'a node is not in the topology';
    if (nodes.some((node) => removed.has(node) !== (kind === 'join')))
      return kind === 'join' ? 'a node is a member already' : 'a node is removed already';
    const others = topology.filter((node) => !removed.has(node) && !nodes.includes(node));
    if (others.length === 0) return 'nobody would be left';
    const step = kind === 'remove' ? 'fence' : 'settle';
    this.#change = { kind, operation: index, nodes, others, step, reported: [], cut: [], incarnations: [] };
    return null;
  }

  #report({ operation, step, node, has, incarnations }: ReportEntry): string | null {
    const change = this.#change;
    if (change === null || change.operation !== operation || change.step !== step) return 'that step is over';
    if (!change.others.includes(node)) return 'it has no part in this change';
    const cut = joinedCuts(change.cut, has);
    const rose = !isCovered(cut, change.cut);
    // a cut that was agreed on rises only where a member came back with more: then all are to have that
    const kept = step === 'even' && rose ? [] : change.reported.filter((each) => each !== node);
    const isThrough = step !== 'even' || isCovered(cut, has);
    const reported = isThrough ? [...kept, node] : kept;
    this.#change = { ...change, cut, incarnations: newestOf(change.incarnations, incarnations), reported };
    if (change.others.every((other) => reported.includes(other))) this.#next(this.#change);
    return null;
  }

  #next(change: MembersChange): void {
    if (change.step === 'fence') this.#change = { ...change, step: 'even', reported: [] };
    else if (change.step === 'settle') this.#change = { ...change, step: 'hold', reported: [] };
    else {
      this.#record = change.kind === 'remove' ? this.#removed(change) : this.#joined(change);
      this.#change = null;
    }
  }

  #removed({ nodes, cut, incarnations }: MembersChange): MembershipRecord {
    const epoch = this.#record.epoch + 1;
    const newest = new Map(incarnations);
    const removals = nodes.map((node): Removal => {
      const own = cut.filter(([origin]) => nodeOf(origin) === node);
      return { node, epoch, incarnation: newest.get(node) ?? 0, cut: own };
    });
    const joins = this.#record.joins.filter(({ node }) => !nodes.includes(node));
    return { epoch, removals: [...this.#record.removals, ...removals], joins };
  }

  #joined({ nodes, incarnations }: MembersChange): MembershipRecord {
    const epoch = this.#record.epoch + 1;
    const newest = new Map(incarnations);
    const back = this.#record.removals.filter(({ node }) => nodes.includes(node));
    const joins = back.map(({ node, incarnation, cut }): Join => {
      const lowest = Math.max(incarnation, newest.get(node) ?? 0) + 1;
      return { node, epoch, incarnation: lowest, cut };
    });
    const removals = this.#record.removals.filter(({ node }) => !nodes.includes(node));
    return { epoch, removals, joins: [...this.#record.joins, ...joins] };
  }
}

/** Whether `by` has all of `cut`. */
function isCovered(cut: VectorEntries, by: VectorEntries): boolean {
  const has = new Map(by);
  return cut.every(([origin, seq]) => (has.get(origin) ?? 0) >= seq);
}

function newestOf(left: KnownIncarnations, right: KnownIncarnations): KnownIncarnations {
  const newest = new Map(left);
  for (const [node, incarnation] of right) newest.set(node, Math.max(incarnation, newest.get(node) ?? 0));
  return [...newest];
}
