import type { Now } from '../causal/replica.ts';
import type { GroupMemberStatus, GroupStatus, MembersGroupStatus } from '../commands/strong-view.ts';
import type { Raft } from '../quorum/raft.ts';
import type { Group } from './group.ts';
import type { MembersGroup } from './members-group.ts';
import { MEMBERS_GROUP } from './members-plan.ts';

/** What a node knows of a group, for CW.GROUPS and metrics. */
export function groupStatus(group: Group, visible: number, nodeId: (node: number) => string, now: Now): GroupStatus {
  const { raft, state, plan } = group;
  return {
    name: plan.name,
    home: plan.home,
    survive: plan.survive,
    ...raftStatus(raft, nodeId, now),
    applied: state.applied,
    visible,
    ageMs: group.ageMs(visible, now),
    leaderlessMs: group.leaderlessMs(now),
    rules: { index: state.inForce.index, version: state.inForce.version, isOwn: group.hasOwnRules },
  };
}

/** As `groupStatus`, of the group that decides who is a member: nothing of it is shown, so what is applied is visible. */
export function membersStatus(group: MembersGroup, nodeId: (node: number) => string, now: Now): MembersGroupStatus {
  const { raft, state } = group;
  return {
    name: MEMBERS_GROUP,
    home: null,
    survive: null,
    ...raftStatus(raft, nodeId, now),
    applied: state.applied,
    visible: state.applied,
    ageMs: null,
    leaderlessMs: group.leaderlessMs(now),
    rules: { index: 0, version: 0, isOwn: true },
  };
}

type RaftStatus = Pick<
  GroupStatus,
  'role' | 'term' | 'leader' | 'commit' | 'lastIndex' | 'hasLease' | 'abstains' | 'members'
>;

function raftStatus(raft: Raft, nodeId: (node: number) => string, now: Now): RaftStatus {
  const { voters, learners } = raft.config;
  const status = (node: number, isVoter: boolean): GroupMemberStatus => {
    const progress = raft.progress.get(node);
    const silentMs = progress === undefined ? null : now.monotonicMs - progress.lastHeardMs;
    return { id: nodeId(node), isVoter, matched: progress?.match ?? null, silentMs };
  };
  return {
    role: roleOf(raft, voters),
    term: raft.term,
    leader: raft.leader === 0 ? null : nodeId(raft.leader),
    commit: raft.commit,
    lastIndex: raft.lastIndex,
    hasLease: raft.hasLease(now.monotonicMs),
    abstains: raft.abstains,
    members: [...voters.map((node) => status(node, true)), ...learners.map((node) => status(node, false))],
  };
}

function roleOf(raft: Raft, voters: readonly number[]): GroupStatus['role'] {
  if (raft.role === 'pre-candidate') return 'candidate';
  return raft.role === 'follower' && !voters.includes(raft.id) ? 'learner' : raft.role;
}
