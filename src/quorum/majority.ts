/**
 * Majorities (Raft paper, section 5.2; thesis, 3.4). Two of one configuration always share a member, and so do one of each of
 * two configurations that differ by one voter.
 */

/** How many of `count` voters are a majority. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The highest value that a majority of `voters` has reached, each voter's own being `valueOf`. Without voters it is Infinity:
 * nobody stands against.
 */
export function majorityValue(voters: readonly number[], valueOf: (voter: number) => number): number {
  const descending = voters.map(valueOf).sort((one, other) => other - one);
  return descending[majorityOf(voters.length) - 1] ?? Infinity;
}

export type VoteOutcome = 'won' | 'lost' | 'pending';

/** What the votes so far decide; votes of others than `voters` do not count. */
export function voteOutcome(voters: readonly number[], votes: ReadonlyMap<number, boolean>): VoteOutcome {
  if (voters.length === 0) return 'won';
  const granted = voters.filter((voter) => votes.get(voter) === true).length;
  if (granted >= majorityOf(voters.length)) return 'won';
  const refused = voters.filter((voter) => votes.get(voter) === false).length;
  return voters.length - refused < majorityOf(voters.length) ? 'lost' : 'pending';
}
