import type { ConfigChange } from '../quorum/group-config.ts';
import type { GroupConfig } from '../quorum/messages.ts';
import type { Raft } from '../quorum/raft.ts';

/** What a group asks of who is a member of the cluster (RULES D7). */
export interface ClusterMembers {
  isRemoved(node: number): boolean;
  /** Whether it was removed once and is a member again. */
  hasJoined(node: number): boolean;
}

/** What a leader knows of the members of its group. */
export interface HeardMembers {
  isHeard(node: number): boolean;
}

/** Who should vote in a group and who should learn, were nobody ever removed. */
export interface WantedConfig {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}

/**
 * The next change, one server at a time, that follows from who is a member of the cluster; null for none. A removed node counts in
 * no quorum any more. One that joined again learns first, whatever vote it may have forgotten with its disk, and votes again where
 * the plan has it for a voter and one of its voters is missing.
 */
export function nextVoterChange(
  now: GroupConfig,
  wanted: WantedConfig,
  members: ClusterMembers & HeardMembers,
): ConfigChange | null {
  const gone = [...now.voters, ...now.learners].find((node) => members.isRemoved(node));
  if (gone !== undefined) return { kind: 'remove', node: gone };
  const isIn = (node: number): boolean => now.voters.includes(node) || now.learners.includes(node);
  const isBack = (node: number): boolean => members.hasJoined(node) && !members.isRemoved(node);
  const back = [...wanted.voters, ...wanted.learners].find((node) => isBack(node) && !isIn(node));
  if (back !== undefined) return { kind: 'add-learner', node: back };
  if (now.voters.length >= wanted.voters.length) return null;
  const heir = heirOf(now, wanted, (node) => isBack(node) && members.isHeard(node));
  return heir === undefined ? null : { kind: 'promote', node: heir };
}

/** As `nextVoterChange` where no operator has a say in who votes: whoever is not wanted makes room for who is. */
export function nextExactChange(
  now: GroupConfig,
  wanted: WantedConfig,
  members: Pick<ClusterMembers, 'isRemoved'> & HeardMembers,
): ConfigChange | null {
  const change = nextVoterChange(now, wanted, { ...members, hasJoined: () => true });
  if (change !== null) return change;
  const extra = now.voters.find((node) => !wanted.voters.includes(node));
  if (extra === undefined) return null;
  if (now.voters.length > wanted.voters.length) return { kind: 'demote', node: extra };
  const heir = heirOf(now, wanted, (node) => members.isHeard(node));
  return heir === undefined ? null : { kind: 'promote', node: heir };
}

function heirOf(now: GroupConfig, wanted: WantedConfig, mayVote: (node: number) => boolean): number | undefined {
  return wanted.voters.find((node) => now.learners.includes(node) && mayVote(node));
}

/** At a leader: changes the members of its group as those of the cluster changed. Refused, it is asked for again with the next call. */
export function followMembers(raft: Raft, wanted: WantedConfig, members: ClusterMembers, nowMs: number): void {
  if (raft.role !== 'leader') return;
  const { progress } = raft;
  const change = nextVoterChange(raft.config, wanted, {
    isRemoved: (node) => members.isRemoved(node),
    hasJoined: (node) => members.hasJoined(node),
    isHeard: (node) => progress.get(node)?.isActive === true,
  });
  if (change !== null) raft.proposeConfig(change, nowMs);
}
