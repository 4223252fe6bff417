import { voteOutcome } from './majority.ts';
import { EntryKind, type VoteRequest, type VoteResponse } from './messages.ts';
import { TERM_MAX } from './options.ts';
import { appendOwn, commitByCounting } from './replication.ts';
import { becomeFollower, becomeLeader, follow } from './roles.ts';
import type { RaftState } from './state.ts';

/**
 * Whether this node keeps to a leader: one was heard within the shortest election time, or this one leads and a quorum
 * follows, or an earlier life of this node may have promised so. It votes for nobody then, not for itself either: leases
 * rest on it (thesis, 4.2.3 and 6.4.1).
 */
function keepsToLeader(state: RaftState): boolean {
  if (state.nowMs < state.voteFromMs) return true;
  if (state.leading !== null) return hearsQuorum(state);
  return state.nowMs - state.heardLeaderMs < state.timing.electionMs;
}

/** Whether a quorum answered this leader within the election time (check-quorum: thesis, 6.2). */
export function hearsQuorum(state: RaftState): boolean {
  const heardMs = state.leading?.heardFromMajorityMs(state.configs.current, state.nowMs) ?? -Infinity;
  return state.nowMs - heardMs < state.timing.electionMs;
}

/** Asks for votes without raising the term first (pre-vote: thesis, 9.6). False where this node may not. */
export function campaign(state: RaftState): boolean {
  if (!mayCampaign(state) || keepsToLeader(state)) return false;
  state.role = 'pre-candidate';
  follow(state, 0);
  state.resetElectionTimer();
  state.votes.clear();
  state.votes.set(state.id, true);
  askForVotes(state, true, false);
  decide(state);
  return true;
}

/** The leader said to campaign at once, past the others' leader (thesis, 3.10). */
export function campaignForTransfer(state: RaftState): void {
  if (mayCampaign(state)) startElection(state, true);
}

/**
 * A voter may, and so may one whose removal is not known to be committed: it may be the only one with the longest log,
 * and needed until then (thesis, 4.2.2). Its own vote does not count.
 */
function mayCampaign(state: RaftState): boolean {
  if (state.leading !== null || state.abstains || state.term + 1 >= TERM_MAX) return false;
  const { configs } = state;
  const wasVoter = configs.at(configs.currentIndex - 1)?.config.voters.includes(state.id) ?? false;
  return state.isVoter || (wasVoter && configs.currentIndex > state.commit);
}

/** The election proper (Raft paper, 5.2). Nothing leaves before term and vote are on disk; then the own vote counts too. */
function startElection(state: RaftState, isTransfer: boolean): void {
  becomeFollower(state, state.term + 1, 0);
  state.role = 'candidate';
  state.votedFor = state.id;
  state.resetElectionTimer();
  state.ownVoteBatch = state.batchOfAll;
  askForVotes(state, false, isTransfer);
}

function askForVotes(state: RaftState, isPreVote: boolean, isTransfer: boolean): void {
  const { lastIndex, lastTerm } = state.log;
  for (const to of state.configs.current.voters) {
    if (to === state.id) continue;
    const term = isPreVote ? state.term + 1 : state.term;
    const request = { type: 'vote', from: state.id, to, term, isPreVote, lastIndex, lastTerm, isTransfer } as const;
    state.sendAfter(isPreVote ? 0 : state.ownVoteBatch, request);
  }
}

/** A batch is on disk: perhaps the one with this candidate's own vote. */
export function countOwnVote(state: RaftState): void {
  if (state.role !== 'candidate' || !state.durability.isDurable(state.ownVoteBatch)) return;
  state.votes.set(state.id, true);
  decide(state);
}

function decide(state: RaftState): void {
  const outcome = voteOutcome(state.configs.current.voters, state.votes);
  if (outcome === 'lost') becomeFollower(state, state.term, 0);
  if (outcome !== 'won') return;
  if (state.role === 'pre-candidate') startElection(state, false);
  else lead(state);
}

/** A new leader's first entry commits what earlier terms left (Raft paper, section 8). */
function lead(state: RaftState): void {
  const leading = becomeLeader(state);
  appendOwn(state, EntryKind.Noop, new Uint8Array(0));
  commitByCounting(state, leading);
}

/** Somebody asks for this node's vote (Raft paper, 5.4.1). While there is a leader nobody is answered: nothing changes. */
export function onVote(state: RaftState, message: VoteRequest): void {
  if (state.abstains) return;
  if (!message.isTransfer && keepsToLeader(state)) return;
  if (message.isPreVote) {
    const isGranted = message.term > state.term && state.log.isUpToDate(message.lastIndex, message.lastTerm);
    if (isGranted) giveWay(state, message);
    answer(state, message, isGranted);
    return;
  }
  if (message.term > state.term) becomeFollower(state, message.term, 0);
  const isFree = state.votedFor === message.from || (state.votedFor === 0 && state.leader === 0);
  const isGranted = message.term === state.term && isFree && state.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (isGranted) {
    if (state.votedFor === 0) state.durability.hardStateChanged();
    state.votedFor = message.from;
    state.resetElectionTimer();
  }
  answer(state, message, isGranted);
}

/**
 * Two that ask at the same time would each get the other's word, and then split the real votes: of two with equal logs the one with the
 * lower number goes on. Its timer was set when it asked; it asks again if nobody wins.
 */
function giveWay(state: RaftState, { from, lastIndex, lastTerm }: VoteRequest): void {
  const isEqual = lastIndex === state.log.lastIndex && lastTerm === state.log.lastTerm;
  if (state.role === 'pre-candidate' && !(isEqual && state.id < from)) becomeFollower(state, state.term, 0);
}

function answer(state: RaftState, { from: to, isPreVote, term: asked }: VoteRequest, isGranted: boolean): void {
  const term = isPreVote && isGranted ? asked : state.term;
  state.sendAfter(isPreVote ? state.durability.batchOfVote : state.batchOfAll, {
    type: 'vote-response',
    from: state.id,
    to,
    term,
    isPreVote,
    isGranted,
  });
}

/** A vote, given or refused; each voter counts once. */
export function onVoteResponse(state: RaftState, message: VoteResponse): void {
  const isOfThisVote = message.isPreVote
    ? state.role === 'pre-candidate' && (!message.isGranted || message.term === state.term + 1)
    : state.role === 'candidate' && message.term === state.term;
  if (!isOfThisVote) return;
  state.votes.set(message.from, message.isGranted);
  decide(state);
}
