import { campaignForTransfer } from './election.ts';
import type { Leading } from './leading.ts';
import type { TimeoutNow } from './messages.ts';
import type { RaftState } from './state.ts';

/** Why leadership is not handed over. */
export type TransferRefusal = 'not-leader' | 'not-a-voter' | 'transferring';

/**
 * Hands leadership to a voter (thesis, 3.10): waits until it has the whole log, tells it to campaign at once, and goes on
 * as before if nothing came of it within the election time. No lease from here on: the other's voters do not wait.
 */
export function startTransfer(state: RaftState, to: number): TransferRefusal | null {
  const { leading } = state;
  if (leading === null) return 'not-leader';
  if (leading.transfer !== null) return 'transferring';
  if (to === state.id || !state.configs.current.voters.includes(to)) return 'not-a-voter';
  leading.transfer = { to, deadlineMs: state.nowMs + state.timing.electionMs, isTold: false };
  leading.rounds.voidLease();
  tellIfCaughtUp(state, leading);
  return null;
}

/** Proposals are refused meanwhile, so that the other can catch up. */
export function tellIfCaughtUp(state: RaftState, leading: Leading): void {
  const { transfer } = leading;
  if (transfer === null || transfer.isTold) return;
  if (leading.progress.get(transfer.to)?.match !== state.log.lastIndex) return;
  transfer.isTold = true;
  leading.isLeaseGone = true;
  state.send({ type: 'timeout-now', from: state.id, to: transfer.to, term: state.term });
}

/** Gives up when the time is over. What the other was told may still arrive: `isLeaseGone` stays for this term. */
export function endTransferInTime(state: RaftState, leading: Leading): void {
  const { transfer } = leading;
  if (transfer === null || state.nowMs < transfer.deadlineMs) return;
  leading.transfer = null;
  leading.rounds.voidLease();
}

export function onTimeoutNow(state: RaftState, message: TimeoutNow): void {
  if (message.term === state.term && state.leader === message.from && state.role === 'follower')
    campaignForTransfer(state);
}
