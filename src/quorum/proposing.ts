import { type ConfigChange, changedConfig, encodeConfig } from './group-config.ts';
import type { Leading } from './leading.ts';
import { EntryKind } from './messages.ts';
import { ENTRY_OVERHEAD_BYTES } from './options.ts';
import type { ProposalPlace } from './own-proposals.ts';
import { hasOwnCommit } from './read-index.ts';
import { appendOwn, commitByCounting, confirmRounds } from './replication.ts';
import type { RaftState } from './state.ts';

/** Why nothing was appended. It certainly did not happen, and may be tried again: `too-large` in vain. */
export type ProposeRefusal = 'not-leader' | 'transferring' | 'overloaded' | 'too-large';

/**
 * Why the members stay as they are. `not-ready`: no entry of this leader's term is committed yet. `pending`: another change
 * is not committed. `unfit`: it changes nothing, names a stranger or leaves no voter. `behind`: a learner is not caught up.
 */
export type ConfigRefusal = ProposeRefusal | 'not-ready' | 'pending' | 'unfit' | 'behind';

/** Appends at the leader; true says where it is, not that it will stay there. */
export function propose(state: RaftState, data: Uint8Array): ProposalPlace | ProposeRefusal {
  const refusal = refusalOf(state, data.length);
  if (refusal !== null) return refusal;
  const { term, index } = appendOwn(state, EntryKind.Command, data);
  state.proposals.add({ term, index });
  return { term, index };
}

function refusalOf(state: RaftState, bytes: number): ProposeRefusal | null {
  const { leading, limits, log } = state;
  if (leading === null) return 'not-leader';
  if (leading.transfer !== null) return 'transferring';
  if (bytes > limits.entryBytesMax) return 'too-large';
  const waiting = log.bytesBetween(state.handedOut, log.lastIndex);
  // What truncation left undecided takes room too.
  const undecided = state.proposals.size * ENTRY_OVERHEAD_BYTES;
  const isOver = Math.max(waiting, undecided) + bytes + ENTRY_OVERHEAD_BYTES > limits.unappliedBytesMax;
  return isOver && waiting + undecided > 0 ? 'overloaded' : null;
}

/**
 * Changes the members by one server (thesis, 4.1). In effect from its entry on, so the next waits until it is committed;
 * and only once the leader has committed an entry of its own term, else two terms' changes could each have a majority
 * without the other (Ongaro, raft-dev, July 2015).
 */
export function proposeConfig(state: RaftState, change: ConfigChange): ProposalPlace | ConfigRefusal {
  const { configs, leading } = state;
  const config = changedConfig(configs.current, change);
  const refusal = refusalOf(state, 0);
  if (refusal !== null || leading === null) return refusal ?? 'not-leader';
  if (!hasOwnCommit(state, leading)) return 'not-ready';
  if (configs.currentIndex > state.commit) return 'pending';
  if (config === null) return 'unfit';
  if (change.kind === 'promote' && !isCaughtUp(state, leading, change.node)) return 'behind';
  const { term, index } = appendOwn(state, EntryKind.Config, encodeConfig(config));
  state.proposals.add({ term, index });
  leading.follow(config, index, state.nowMs);
  // Fewer voters need fewer answers.
  commitByCounting(state, leading);
  if (state.leading !== null) confirmRounds(state, leading);
  return { term, index };
}

/** Whether what a learner lacks would fit under way: as a voter it can soon help to commit (thesis, 4.2.1). */
function isCaughtUp(state: RaftState, leading: Leading, node: number): boolean {
  const progress = leading.progress.get(node);
  if (progress === undefined || progress.state !== 'replicate') return false;
  if (state.nowMs - progress.lastHeardMs >= state.timing.electionMs) return false;
  return state.log.bytesBetween(progress.match, state.log.lastIndex) <= state.limits.inflightBytesMax;
}
