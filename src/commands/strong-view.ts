import type { ByteRange } from '../base/bytes.ts';
import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import type { CausewayError } from '../errors.ts';
import type { AuditPage } from './audit-page.ts';

/** What a request on strong keys wants of its group. */
export type StrongKind =
  /** To be appended to the log and run where it is applied. */
  | 'write'
  /** To be run once, linearizably, on what the leader has applied. */
  | 'read'
  /** The version of each of `keys`, linearizably: the log index of its last write; of one that is not there a number below zero (RULES T3). */
  | 'versions'
  /** A change of the group itself, made by `StrongView.operate`. */
  | 'operate';

/** What an operator may ask of a group: to be led by a node, or what the node is in it; `remove-live` even where it runs. */
export type GroupChangeVerb = 'transfer' | 'voter' | 'learner' | 'remove' | 'remove-live';

/** A request on strong keys, for the leader of their group wherever it is (DESIGN section 5). */
export interface StrongRequest {
  /** `us-east-1/region` */
  readonly group: string;
  readonly kind: StrongKind;
  /** Arguments of each command; the first is its name. Copied: nothing of it changes afterwards. */
  readonly commands: readonly (readonly ByteRange[])[];
  /** Keys as latin1, of kind `versions` only. */
  readonly keys: readonly string[];
  /** Whether the replies are an EXEC's: one array. */
  readonly isExec: boolean;
  /** Keys (latin1) with the version that they must still have (RULES T3). */
  readonly watches: readonly (readonly [key: string, version: number])[];
  readonly respVersion: 2 | 3;
  /** What the session has seen: the write is shown nowhere before it (RULES T2). */
  readonly deps: readonly (readonly [Origin, number])[];
  /** The client's own name for the request, null for none: a retry with it happens once. */
  readonly once: { readonly id: string; readonly issuedMs: number } | null;
  readonly requester: { readonly user: string; readonly address: string; readonly region: string };
  /** When it is given up: NOQUORUM or UNCERTAIN then. */
  readonly timeoutMs: number;
}

/** What became of it. An error says with its code whether it may have happened. */
export type StrongAnswer =
  | {
      readonly reply: Uint8Array;
      readonly versions: readonly number[];
      /** What has been read or written: (group, log index). */
      readonly dot: Dot;
      /** The node that answered. */
      readonly by: string;
    }
  | { readonly error: CausewayError };

/** One voter or learner, as the leader sees it. */
export interface GroupMemberStatus {
  readonly id: string;
  readonly isVoter: boolean;
  /** The last index that it is known to have on disk; null where this node does not lead. */
  readonly matched: number | null;
  /** Milliseconds since it was heard of; null where this node does not lead, or for never. */
  readonly silentMs: number | null;
}

/** One group as this node knows it. */
export interface GroupStatus {
  readonly name: string;
  readonly home: string;
  readonly survive: 'zone' | 'region';
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner';
  readonly term: number;
  /** Node id, null where none is known. */
  readonly leader: string | null;
  readonly commit: number;
  /** The last entry run here. */
  readonly applied: number;
  /** The last entry shown to local reads here: its causes are there (RULES T1). */
  readonly visible: number;
  readonly lastIndex: number;
  readonly hasLease: boolean;
  /** Whether this node, a voter, votes for nobody because its disk was lost: it is to be removed from the group and added again. */
  readonly abstains: boolean;
  /** How old what local reads here show can be, in milliseconds; null for not known (RULES T4). */
  readonly ageMs: number | null;
  /** Milliseconds since a leader was known here, 0 where one is. */
  readonly leaderlessMs: number;
  /** The rules of its classes that the log has put into force: by which entry (0 for none), of which version, and whether they are this node's own. */
  readonly rules: { readonly index: number; readonly version: number; readonly isOwn: boolean };
  readonly members: readonly GroupMemberStatus[];
}

/** The group that decides who is a member: it has no home, and no keys that are shown or would be of a class. */
export type MembersGroupStatus = Omit<GroupStatus, 'home' | 'survive'> & {
  readonly home: null;
  readonly survive: null;
};

/** A change that an operator asks of a group. */
export interface GroupOperation {
  readonly group: string;
  readonly verb: GroupChangeVerb;
  readonly node: string;
  readonly requester: StrongRequest['requester'];
  readonly timeoutMs: number;
}

/** The strong tier of a node, as its commands see it. */
export interface StrongView {
  /** The origin of a group's stream, null for an unknown group. */
  originOf(group: string): Origin | null;
  /** The leader's node id where one is known. */
  leaderOf(group: string): string | null;
  groups(): GroupStatus[];
  /** Null where the members do not agree by a group (RULES D7). */
  membersGroup(): MembersGroupStatus | null;
  /** How old what local reads show of a group can be, in milliseconds, counted at this node; null for not known. */
  ageMs(group: string): number | null;
  /**
   * Records of a group's audit as this node has them, of entries from a log index on: `count` of them or a few more, none for 0. Null
   * for an unknown group. Throws STORE where they are damaged.
   */
  audit(group: string, fromIndex: number, count: number): AuditPage | null;
  /**
   * Sends a request to the leader of its group, again where that changes, and answers exactly once, at the latest when its time is over.
   * Returns a ticket. The answer may come before this returns.
   */
  submit(request: StrongRequest, answered: (answer: StrongAnswer) => void): number;
  /**
   * As `submit`, with a change of the group itself: answered when it is committed, or the node leads. To ask for what is so already is
   * no error. Throws ERR for an unknown group or node.
   */
  operate(change: GroupOperation, answered: (answer: StrongAnswer) => void): number;
  /** Nobody waits for the answer any more; what was asked may still happen. */
  cancel(ticket: number): void;
}
