import type { AppendRequest, Entry } from './messages.ts';
import { becomeFollower } from './roles.ts';
import type { RaftState } from './state.ts';

/**
 * The leader of `term` was heard. False where this message cannot be of the term's leader: there is another already.
 */
export function hearLeader(state: RaftState, leader: number, term: number): boolean {
  if (term === state.term && (state.role === 'leader' || (state.leader !== 0 && state.leader !== leader))) return false;
  becomeFollower(state, term, leader);
  state.heardLeaderMs = state.nowMs;
  state.resetElectionTimer();
  return true;
}

/** Entries from the leader, or none: then it only says that it is there (Raft paper, figure 2, "AppendEntries RPC"). */
export function onAppend(state: RaftState, message: AppendRequest): void {
  const { log } = state;
  const ownTerm = log.termAt(message.previousIndex);
  if (message.previousIndex > state.commit && ownTerm !== message.previousTerm) {
    refuse(state, message);
    return;
  }
  // What is committed matches, also where it is compacted. Who contradicts it is no leader of this group.
  if (ownTerm !== null && ownTerm !== message.previousTerm) return;
  const fresh = freshEntries(state, message.entries);
  if (fresh === null) return;
  const [first] = fresh;
  if (first !== undefined) {
    if (first.index <= log.lastIndex) {
      log.truncate(first.index);
      state.configs.truncate(first.index);
    }
    log.append(fresh);
    for (const entry of fresh) state.noteConfig(entry);
  }
  const lastOfMessage = message.previousIndex + message.entries.length;
  // Only up to what this message showed to match: the own log may go on with what another leader wrote.
  state.commitUpTo(Math.min(message.commit, lastOfMessage));
  endNeedlessSnapshot(state);
  if (message.round > 0 || message.entries.length > 0) accept(state, message, Math.max(lastOfMessage, state.commit));
}

/**
 * A snapshot on its way of which the log has come to have the last entry is not installed: it would take away what follows that entry
 * here, which is said to be accepted as soon as the same batch is on disk (Raft paper, figure 13, 6).
 */
function endNeedlessSnapshot(state: RaftState): void {
  if (state.partial === null) return;
  const { index, term } = state.partial.meta;
  if (state.log.termAt(index) === term) state.commitUpTo(index);
  if (index <= state.commit) state.partial = null;
}

/**
 * The entries from the first on that this log does not have, which is where it is truncated: never because a message ends
 * earlier, it may be an old one. Null for entries that contradict what is committed: no leader sends such.
 */
function freshEntries(state: RaftState, entries: readonly Entry[]): readonly Entry[] | null {
  const { log } = state;
  let known = 0;
  for (const entry of entries) {
    const isCompacted = entry.index < log.baseIndex;
    if (!isCompacted && log.termAt(entry.index) !== entry.term) break;
    known += 1;
  }
  const fresh = entries.slice(known);
  const [first] = fresh;
  return first !== undefined && first.index <= state.commit ? null : fresh;
}

/** Says what is on disk: at once where that is all, or where the leader only asks; else when it is. */
function accept(state: RaftState, message: AppendRequest, matched: number): void {
  const { durability, log } = state;
  const isWaiting = matched > log.durableIndex && message.entries.length > 0;
  state.sendAfter(isWaiting ? state.batchOfAll : durability.batchOfVote, {
    type: 'append-response',
    from: state.id,
    to: message.from,
    term: state.term,
    isAccepted: true,
    previousIndex: message.previousIndex,
    index: isWaiting ? matched : Math.min(matched, log.durableIndex),
    conflictTerm: 0,
    round: message.round,
  });
}

/** Where both logs may agree: the last own entry whose term is not above that of the leader's (Raft paper, end of 5.3). */
function refuse(state: RaftState, message: AppendRequest): void {
  const index = state.log.lastIndexOfTermUpTo(message.previousIndex, message.previousTerm);
  state.sendAfter(state.durability.batchOfVote, {
    type: 'append-response',
    from: state.id,
    to: message.from,
    term: state.term,
    isAccepted: false,
    previousIndex: message.previousIndex,
    index,
    conflictTerm: state.log.termAt(index) ?? 0,
    round: message.round,
  });
}

/**
 * A leader of an earlier term hears of the present one; it would go on for ever else, and this node without a leader. No round is echoed:
 * that of the message is of the earlier term, and where the same node leads again its rounds have begun anew.
 */
export function tellTerm(state: RaftState, to: number): void {
  state.sendAfter(state.durability.batchOfVote, {
    type: 'append-response',
    from: state.id,
    to,
    term: state.term,
    isAccepted: false,
    previousIndex: 0,
    index: 0,
    conflictTerm: 0,
    round: 0,
  });
}
