import { Leading } from './leading.ts';
import { ABSTAINS } from './messages.ts';
import type { RaftState } from './state.ts';

/**
 * Follows `leader` (0: nobody yet) in `term`, which is not below the own one (Raft paper, figure 2, "Rules for servers").
 * The election timer stays as it is unless this node led: only a vote granted and a leader heard set it.
 */
export function becomeFollower(state: RaftState, term: number, leader: number): void {
  if (term > state.term) {
    state.term = term;
    state.votedFor = state.abstains ? ABSTAINS : 0;
    state.durability.hardStateChanged();
  }
  if (state.role === 'leader') state.resetElectionTimer();
  endLeadership(state);
  state.role = 'follower';
  state.votes.clear();
  follow(state, leader);
}

/** Nobody is followed from here on, or another: who was asked for reads will not answer. */
export function follow(state: RaftState, leader: number): void {
  if (state.leader !== leader) giveUpReads(state, Infinity);
  state.leader = leader;
}

/** Reads asked at `askedMs` or before get no index. */
export function giveUpReads(state: RaftState, askedMs: number): void {
  for (const id of state.asked.expire(askedMs)) state.reads.push({ id, index: null });
}

function endLeadership(state: RaftState): void {
  const { leading } = state;
  if (leading === null) return;
  state.leading = null;
  state.snapshotsWanted.clear();
  for (const { from, id } of leading.reads.drop()) {
    if (from === 0) state.reads.push({ id, index: null });
    else state.send({ type: 'read-index-response', from: state.id, to: from, term: state.term, id, index: 0 });
  }
}

/** A candidate that won. The caller appends the first entry of the term. */
export function becomeLeader(state: RaftState): Leading {
  const leading = new Leading(state.id, state.log.lastIndex + 1, state.nowMs);
  leading.follow(state.configs.current, state.log.lastIndex + 1, state.nowMs);
  state.role = 'leader';
  state.leading = leading;
  state.votes.clear();
  state.partial = null;
  state.proposals.newTerm();
  follow(state, state.id);
  return leading;
}
