import { latin1Range } from '../base/bytes.ts';
import type { GroupChangeVerb, GroupOperation, StrongRequest } from '../commands/strong-view.ts';
import { CausewayError, type ErrorCode } from '../errors.ts';
import type { ConfigChange } from '../quorum/group-config.ts';
import type { GroupConfig } from '../quorum/messages.ts';
import type { Raft } from '../quorum/raft.ts';
import type { Arguments } from './group-entry.ts';
import type { GroupPlan } from './group-plan.ts';

const VERBS: readonly GroupChangeVerb[] = ['transfer', 'voter', 'learner', 'remove', 'remove-live'];

/** What an operator asks of a group's leader. */
export interface GroupChange {
  readonly verb: GroupChangeVerb;
  readonly node: number;
}

/** An operator's change as a request for the leader. Throws ERR for an unknown node. */
export function operationRequest(
  { group, verb, node: id, requester, timeoutMs }: GroupOperation,
  { learners, voters }: GroupPlan,
  nodeId: (node: number) => string,
): StrongRequest {
  const nodes = [...voters, ...learners];
  const node = nodes.find((number) => nodeId(number) === id);
  if (node === undefined)
    throw new CausewayError('ERR', `unknown node; there are ${nodes.map(nodeId).toSorted().join(', ')}`);
  return {
    group,
    kind: 'operate',
    commands: [[latin1Range(verb), latin1Range(String(node))]],
    keys: [],
    isExec: false,
    watches: [],
    respVersion: 2,
    deps: [],
    once: null,
    requester,
    timeoutMs,
  };
}

/** The change that a request asks for, null for what is none. */
export function changeOfWords([words]: readonly Arguments[]): GroupChange | null {
  const [first, second] = (words ?? []).map((word) => word.toLatin1());
  const verb = VERBS.find((known) => known === first);
  const node = Number(second);
  return verb === undefined || !Number.isSafeInteger(node) || node <= 0 ? null : { verb, node };
}

/** What becomes of a change at the leader. `again`: it may be asked again at once, of whoever leads then. */
export type ChangeVerdict =
  | { readonly kind: 'done' | 'again' | 'transfer' }
  | { readonly kind: 'config'; readonly change: ConfigChange }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

const failed = (code: ErrorCode, message: string): ChangeVerdict => ({ kind: 'failed', code, message });

/** Judges a change by what the leader's machine says. To ask for what is so already is done; `name` is for the errors. */
export function judgeChange(raft: Raft, { verb, node }: GroupChange, name: string): ChangeVerdict {
  if (verb === 'transfer') return judgeTransfer(raft, node, name);
  const change = changeFor(raft.config, verb, node);
  // in effect from its entry on, and done once that is committed
  if (change === 'none') return { kind: raft.configIndex <= raft.commit ? 'done' : 'again' };
  if (change === 'stranger') {
    return failed(
      'ERR',
      `${name} is no member of the group: add it as a learner first, and as a voter once it has caught up`,
    );
  }
  if (verb === 'remove' && (node === raft.id || raft.progress.get(node)?.isActive === true)) {
    return failed('ERR', `${name} runs: without the group it serves no strong keys; make it a learner, or say FORCE`);
  }
  return { kind: 'config', change: { kind: change, node } };
}

function judgeTransfer(raft: Raft, node: number, name: string): ChangeVerdict {
  if (node === raft.id) return { kind: raft.transferringTo === 0 ? 'done' : 'again' };
  if (!raft.config.voters.includes(node)) return failed('ERR', `${name} is no voter of the group`);
  if (raft.transferringTo !== 0) return { kind: 'again' };
  if (raft.progress.get(node)?.isActive !== true) return failed('BEHIND', `${name} is not heard by the leader`);
  return { kind: 'transfer' };
}

function changeFor(
  { voters, learners }: GroupConfig,
  verb: Exclude<GroupChangeVerb, 'transfer'>,
  node: number,
): ConfigChange['kind'] | 'none' | 'stranger' {
  const isVoter = voters.includes(node);
  const isLearner = learners.includes(node);
  if (verb === 'voter') return isVoter ? 'none' : isLearner ? 'promote' : 'stranger';
  if (verb === 'learner') return isLearner ? 'none' : isVoter ? 'demote' : 'add-learner';
  return isVoter || isLearner ? 'remove' : 'none';
}

/** Why the machine did not take a change, for the operator; null where it may be asked again. */
export function refusedChange(refusal: string, name: string): ChangeVerdict | null {
  if (refusal === 'unfit') return failed('ERR', `a group keeps at least one voter, and ${name} is the last`);
  if (refusal === 'behind') return failed('BEHIND', `${name} has not caught up with the log yet`);
  return null;
}
