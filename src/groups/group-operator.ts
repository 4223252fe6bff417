import type { Now } from '../causal/replica.ts';
import type { ConfigChange } from '../quorum/group-config.ts';
import type { ProposalPlace } from '../quorum/own-proposals.ts';
import type { Raft } from '../quorum/raft.ts';
import { changeOfWords, judgeChange, refusedChange } from './group-change.ts';
import type { Arguments } from './group-entry.ts';
import type { GroupPlan } from './group-plan.ts';
import type { LeaderAnswer } from './strong-frames.ts';

/** What becomes of an operator's request: an answer, or an entry whose commit is the answer. */
export type OperatorVerdict = LeaderAnswer | ProposalPlace;

export interface OperatorHost {
  nodeId(node: number): string;
  /** Whether a node is known to show all that the log depends on (RULES T1). */
  showsCauses(node: number): boolean;
  /** Whether leadership may go to a node at once. */
  mayLead(node: number): boolean;
}

/** How long a leader that an operator asked for stays where the home region could lead again. */
const HOLD_MS = 600_000;

const REFUSED: LeaderAnswer = { kind: 'refused' };

/** Does what operators ask of the leader of a group. What it has begun it is asked for again, by then perhaps at another leader. */
export class GroupOperator {
  readonly #plan: GroupPlan;
  readonly #raft: Raft;
  readonly #host: OperatorHost;
  #holdUntilMs = -Infinity;

  constructor(plan: GroupPlan, raft: Raft, host: OperatorHost) {
    this.#plan = plan;
    this.#raft = raft;
    this.#host = host;
  }

  /** Whether an operator wants this node to lead, wherever it is. */
  isHeld({ monotonicMs }: Now): boolean {
    return monotonicMs < this.#holdUntilMs;
  }

  /** `applied` is where the group is: the index of an answer that changed nothing. */
  operate(commands: readonly Arguments[], applied: number, now: Now): OperatorVerdict {
    const asked = changeOfWords(commands);
    const { learners, voters } = this.#plan;
    const isKnown = [...voters, ...learners].some((node) => node === asked?.node);
    if (asked === null || !isKnown) return { kind: 'failed', code: 'ERR', message: 'no change of a group' };
    const name = this.#host.nodeId(asked.node);
    const verdict = judgeChange(this.#raft, asked, name);
    switch (verdict.kind) {
      case 'failed':
        return verdict;
      case 'again':
        return REFUSED;
      case 'done':
        if (asked.verb === 'transfer') this.#holdUntilMs = now.monotonicMs + HOLD_MS;
        return { kind: 'done', reply: NO_REPLY, versions: [], index: applied };
      case 'transfer':
        return this.#handOver(asked.node, name, now);
      case 'config':
        return this.#changeMembers(verdict.change, name, now);
    }
  }

  #handOver(node: number, name: string, now: Now): LeaderAnswer {
    if (!this.#host.showsCauses(node))
      return { kind: 'failed', code: 'BEHIND', message: `${name} does not show yet what the log depends on` };
    this.#raft.transfer(node, now.monotonicMs);
    return REFUSED;
  }

  #changeMembers(change: ConfigChange, name: string, now: Now): OperatorVerdict {
    if (change.node === this.#raft.id && this.#leaveTo(now)) return REFUSED;
    const proposed = this.#raft.proposeConfig(change, now.monotonicMs);
    if (typeof proposed !== 'string') return proposed;
    const refusal = refusedChange(proposed, name);
    return refusal?.kind === 'failed' ? refusal : REFUSED;
  }

  /** A leader that is to vote no more lets another one lead first, so that writes go on without an election. */
  #leaveTo(now: Now): boolean {
    const heir = this.#raft.config.voters.find((voter) => voter !== this.#raft.id && this.#host.mayLead(voter));
    return heir !== undefined && this.#raft.transfer(heir, now.monotonicMs) === null;
  }
}

const NO_REPLY = new Uint8Array(0);
