import type { NodeNumber } from '../clock/origin.ts';
import type { PlannedNode } from './group-plan.ts';

/** The name of the group of all regions that decides who is a member (RULES D7). No group of keys has such a name. */
export const MEMBERS_GROUP = 'members';

/** Fewer nodes than this cannot agree on anything once one of them is lost. */
export const MEMBERS_NODES_MIN = 3;
const VOTERS_MAX = 5;
const VOTERS_OF_FEW_REGIONS = 3;

export interface MembersPlan {
  readonly voters: readonly NodeNumber[];
  readonly learners: readonly NodeNumber[];
}

/**
 * Who votes: the first node of each region, an odd number of at most five; where there are fewer than three regions, three nodes of
 * them by turns. All others learn. Two nodes that are left both vote.
 */
export function planMembers(nodes: readonly PlannedNode[]): MembersPlan {
  const sorted = [...nodes].sort((left, right) => left.nodeNumber - right.nodeNumber);
  const regions = [...new Set(sorted.map(({ region }) => region))];
  const most = regions.length < VOTERS_OF_FEW_REGIONS ? VOTERS_OF_FEW_REGIONS : Math.min(regions.length, VOTERS_MAX);
  // by turns: the first of each region, then the second of each
  const places = new Map<string, number>();
  const ranked = sorted.map(({ nodeNumber, region }) => {
    const place = places.get(region) ?? 0;
    places.set(region, place + 1);
    return { nodeNumber, place };
  });
  ranked.sort((left, right) => left.place - right.place || left.nodeNumber - right.nodeNumber);
  const count = Math.min(most, ranked.length);
  const voters = ranked.slice(0, count > 2 && count % 2 === 0 ? count - 1 : count).map(({ nodeNumber }) => nodeNumber);
  return {
    voters: voters.toSorted((left, right) => left - right),
    learners: sorted.map(({ nodeNumber }) => nodeNumber).filter((node) => !voters.includes(node)),
  };
}
