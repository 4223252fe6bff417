import type { Now } from '../causal/replica.ts';
import type { GroupMemberStatus, GroupStatus } from '../commands/strong-view.ts';
import type { Raft } from '../quorum/raft.ts';
import type { Group } from './group.ts';

/** What a node knows of a group, for CW.GROUPS and metrics. */
export function groupStatus(group: Group, visible: number, nodeId: (node: number) => string, now: Now): GroupStatus {
  const { raft, state, plan } = group;
  const { voters, learners } = raft.config;
  const status = (node: number, isVoter: boolean): GroupMemberStatus => {
    const progress = raft.progress.get(node);
    const silentMs = progress === undefined ? null : now.monotonicMs - progress.lastHeardMs;
    return { id: nodeId(node), isVoter, matched: progress?.match ?? null, silentMs };
  };
  return {
    name: plan.name,
    home: plan.home,
    survive: plan.survive,
    role: roleOf(raft, voters),
    term: raft.term,
    leader: raft.leader === 0 ? null : nodeId(raft.leader),
    commit: raft.commit,
    applied: state.applied,
    visible,
    lastIndex: raft.lastIndex,
    hasLease: raft.hasLease(now.monotonicMs),
    abstains: raft.abstains,
    ageMs: group.ageMs(visible, now),
    leaderlessMs: group.leaderlessMs(now),
    rules: { index: state.inForce.index, version: state.inForce.version, isOwn: group.hasOwnRules },
    members: [...voters.map((node) => status(node, true)), ...learners.map((node) => status(node, false))],
  };
}

function roleOf(raft: Raft, voters: readonly number[]): GroupStatus['role'] {
  if (raft.role === 'pre-candidate') return 'candidate';
  return raft.role === 'follower' && !voters.includes(raft.id) ? 'learner' : raft.role;
}
