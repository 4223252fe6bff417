import type { Leading } from './leading.ts';
import type { ReadIndexRequest, ReadIndexResponse } from './messages.ts';
import type { WaitingRead } from './read-queue.ts';
import type { RaftState } from './state.ts';

/**
 * Linearizable reads (thesis, 6.4): an index that covers every commit acknowledged before the read was asked for. Only a
 * leader that has committed an entry of its own term knows one; the lease or a round that began after the read says that
 * it still leads.
 */
export function askRead(state: RaftState, id: number): void {
  if (state.leading !== null) readAtLeader(state, state.leading, { from: 0, id });
  else if (state.leader === 0 || state.asked.size >= state.limits.readsMax) state.reads.push({ id, index: null });
  else {
    const serial = state.asked.ask(id, state.nowMs);
    state.send({ type: 'read-index', from: state.id, to: state.leader, term: state.term, id: serial });
  }
}

export function onReadIndex(state: RaftState, message: ReadIndexRequest): void {
  const read = { from: message.from, id: message.id };
  if (state.leading === null) answer(state, read, null);
  else readAtLeader(state, state.leading, read);
}

export function onReadIndexResponse(state: RaftState, message: ReadIndexResponse): void {
  const id = state.asked.take(message.id);
  if (id !== null) state.reads.push({ id, index: message.index === 0 ? null : message.index });
}

function readAtLeader(state: RaftState, leading: Leading, read: WaitingRead): void {
  if (leading.reads.size >= state.limits.readsMax) answer(state, read, null);
  else if (hasOwnCommit(state, leading) && hasLease(state)) answer(state, read, state.commit);
  else leading.reads.add(read);
}

/** Whether an entry of the own term is committed: before, `commit` may be behind what earlier leaders acknowledged. */
export function hasOwnCommit(state: RaftState, leading: Leading): boolean {
  return state.commit >= leading.noopIndex;
}

/** Whether reads wait for a round that may begin now. */
export function wantsRound(state: RaftState, leading: Leading, underWayMax: number): boolean {
  return leading.reads.isWaiting && hasOwnCommit(state, leading) && leading.rounds.underWay < underWayMax;
}

export function confirmReads(state: RaftState, leading: Leading): void {
  leading.reads.confirmed(leading.rounds.confirmed, (read, index) => answer(state, read, index));
}

function answer(state: RaftState, { from, id }: WaitingRead, index: number | null): void {
  if (from === 0) state.reads.push({ id, index });
  else {
    // it waits until that is applied there
    state.leading?.tellCommit(from);
    state.send({ type: 'read-index-response', from: state.id, to: from, term: state.term, id, index: index ?? 0 });
  }
}

/**
 * Until when no other leader can be (thesis, 6.4.1): voters that follow this one vote for no other within the election
 * time of hearing it. -Infinity while leadership is handed over, and for the rest of a term in which somebody was told to
 * campaign: such votes do not wait.
 */
export function leaseUntilMs(state: RaftState): number {
  const { leading } = state;
  if (leading === null || leading.transfer !== null || leading.isLeaseGone) return -Infinity;
  return leading.rounds.leaseFromMs + state.timing.leaseMs;
}

export function hasLease(state: RaftState): boolean {
  return state.nowMs < leaseUntilMs(state);
}
