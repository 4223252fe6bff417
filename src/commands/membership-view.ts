import type { LostWrite } from '../causal/lost-list.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import type { TransactionWriter } from '../keyspace/keyspace.ts';
import type { StrongAnswer, StrongRequest } from './strong-view.ts';

/** One node of the topology as this node sees it. */
export interface MemberStatus {
  readonly id: string;
  readonly region: string;
  /** The newest that is known, 0 for none. */
  readonly incarnation: number;
  /** `held`: removed, and waited for again. */
  readonly state: 'self' | 'live' | 'silent' | 'fenced' | 'removed' | 'held';
  /** Milliseconds since it was last heard of; null for never, and for this node itself. */
  readonly silentMs: number | null;
  /** The epoch that began with its removal, 0 where it is a member. */
  readonly removedAtEpoch: number;
  /** The epoch that began when it joined again, 0 where it did not. */
  readonly joinedAtEpoch: number;
  /** Transactions here that it has not said it applied; 0 for a removed one and for this node itself. */
  readonly lagTransactions: number;
}

/** How far a change of the members is at this node. */
export interface ChangeProgress {
  readonly epoch: number;
  readonly state: MemberStatus['state'];
  /** Whether that, and what this node has of the other's origins, is on disk. */
  readonly isDurable: boolean;
  readonly incarnation: number;
  /** Whose change it is, 0 for none. */
  readonly operation: number;
  /** Whether nothing is left, on disk, of the lives of a removed node. */
  readonly isSettled: boolean;
  readonly joinedAtEpoch: number;
  /** The lowest incarnation that may come in, of one that joined again; 0 else. */
  readonly joinedFrom: number;
  /** What this node applied of each of its open origins, and where earlier lives were cut; of a removed node, where it was cut. */
  readonly has: VectorEntries;
}

/** A part of the list of what a removed node alone has. */
export interface LostPage {
  /** Where the next page begins, 0 for none. */
  readonly next: number;
  /** Its transactions beyond where it was cut, and those that left a write that can be listed; both as of the first page. */
  readonly transactions: number;
  readonly left: number;
  /** Writes that were offered again, and are in the list no more. */
  readonly offered: number;
  readonly writes: readonly LostWrite[];
}

export interface OfferRequest {
  readonly cursor: number;
  readonly count: number;
  /** Writes also where nothing is there, and something may have been removed. */
  readonly isAbsentTaken: boolean;
}

export interface OfferPage {
  readonly next: number;
  readonly offered: number;
  /** Those that are there already. */
  readonly already: number;
  /** What stays in the list, and why. */
  readonly kept: readonly (LostWrite & { readonly reason: string })[];
}

/** A change of the members under way, as its group's log says. */
export interface AgreedChange {
  readonly kind: 'remove' | 'join';
  readonly nodes: readonly string[];
  /** `fence`, `even` of a removal; `settle`, `hold` of a join. */
  readonly step: string;
  /** The members that have not reported it yet. */
  readonly waiting: readonly string[];
}

/** The members' group as this node knows it. */
export interface AgreementStatus {
  /** Null where none is known. */
  readonly leader: string | null;
  readonly voters: readonly string[];
  readonly change: AgreedChange | null;
}

/** How the members agree on who is one (RULES D7). Answers as `StrongView.submit` does, with an empty reply. */
export interface AgreementView {
  /** Whether an operator may not go from node to node in its place: there are enough members to agree. */
  readonly isInCharge: boolean;
  status(): AgreementStatus;
  /** Begins a change at that epoch; the same one under way is no error. Throws ERR for an unknown node. Returns a ticket. */
  begin(change: 'remove' | 'join', ids: readonly string[], expectedEpoch: number, asked: AgreementAsked): number;
  /** Takes the change under way back. Throws ERR where none is known here. Returns a ticket. */
  takeBack(asked: AgreementAsked): number;
}

export interface AgreementAsked {
  readonly requester: StrongRequest['requester'];
  readonly timeoutMs: number;
  readonly answered: (answer: StrongAnswer) => void;
}

/** What an operator's commands ask and change of the members (RULES D7). Nodes are named as in the topology, `us-east-1/a`. */
export interface MembershipView {
  readonly epoch: number;
  /** Null in a cluster of too few nodes, or without data folders. */
  readonly agreement: AgreementView | null;
  list(): MemberStatus[];
  /** Throws ERR for an unknown node. */
  progress(id: string): ChangeProgress;
  /** What this node wrote beyond where it was cut and still holds. Throws ERR where it was never removed. */
  lost(cursor: number, count: number): LostPage;
  /** Writes lost writes again that it set aside, where nothing else happened there. Throws ERR where there is none to be. */
  offer(request: OfferRequest, tx: TransactionWriter, nowMs: number): OfferPage;
  /** From now on nothing is taken from the node's own connections. Throws ERR where that may not be. */
  fence(id: string, expectedEpoch: number, operation: number, alone: boolean): void;
  /** Removes a fenced node, cut there; `epoch` begins with it. Throws ERR where that may not be. */
  remove(id: string, epoch: number, incarnation: number, operation: number, cut: VectorEntries): void;
  /** From now on nothing becomes stable without a removed node. Throws ERR where that may not be. */
  hold(id: string, expectedEpoch: number, operation: number): void;
  /** Lets a held node in, from that incarnation on; `epoch` begins with it. Throws ERR where that may not be. */
  join(id: string, epoch: number, incarnation: number, operation: number): void;
  /** Takes a fence or hold back; says whether there was one. Throws ERR where another operator took it over. */
  release(id: string, operation: number): boolean;
}
