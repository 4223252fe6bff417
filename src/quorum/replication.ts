import { present } from '../base/assert.ts';
import type { Leading } from './leading.ts';
import type { AppendResponse, Entry, EntryKind } from './messages.ts';
import { GATHERED_BYTES_MAX } from './options.ts';
import type { Progress } from './progress.ts';
import { confirmReads, hasOwnCommit } from './read-index.ts';
import { becomeFollower } from './roles.ts';
import { sendChunks, tendSnapshot } from './snapshot-sending.ts';
import { chooseSpares, noteProgressOfSpare } from './spares.ts';
import type { RaftState } from './state.ts';

/** In the place of a round (see `AppendRequest.round`). */
const NO_ANSWER = 0;

/** Appends an entry of the own term (Raft paper, 5.3). What it sends leaves with everything else of this turn. */
export function appendOwn(state: RaftState, kind: EntryKind, data: Uint8Array): Entry {
  const entry: Entry = { index: state.log.lastIndex + 1, term: state.term, kind, data };
  state.log.append([entry]);
  state.noteConfig(entry);
  return entry;
}

/** Begins a round and tells everybody: the leader is still there, and so on to confirm reads and the lease. */
export function beginRound(state: RaftState, leading: Leading): void {
  const round = leading.rounds.begin(state.nowMs);
  if (hasOwnCommit(state, leading)) leading.reads.begin(round, state.commit);
  for (const [to, progress] of leading.progress) sendEmpty(state, to, progress, round);
  confirmRounds(state, leading);
}

/** The regular round: also tries again what may have been lost. */
export function heartbeat(state: RaftState, leading: Leading): void {
  leading.heartbeatDueMs = state.nowMs + state.timing.heartbeatMs;
  for (const [to, progress] of leading.progress) {
    if (progress.state === 'snapshot') tendSnapshot(state, to, progress);
  }
  chooseSpares(state, leading);
  beginRound(state, leading);
}

/** Sends every follower what it may have: all entries of a turn in one append (thesis, 10.2.2). */
export function sendAppends(state: RaftState, leading: Leading): void {
  for (const [to, progress] of leading.progress) {
    progress.gatherDueMs = Infinity;
    while (sendNext(state, leading, to, progress));
    if (progress.state === 'replicate' && progress.sentCommit < state.commit) tellCommitWhenDue(state, to, progress);
    else progress.commitDueMs = Infinity;
    if (progress.state === 'snapshot') sendChunks(state, leading, to, progress);
  }
}

/** That more is committed is brought along by the next entries, if these come soon. */
function tellCommitWhenDue(state: RaftState, to: number, progress: Progress): void {
  // what it is committed with comes first, where that is gathered
  const dueMs =
    progress.isSpare && progress.gatherDueMs < Infinity
      ? progress.gatherDueMs
      : state.nowMs + state.timing.commitNoteMs;
  progress.commitDueMs = Math.min(progress.commitDueMs, dueMs);
  if (state.nowMs >= progress.commitDueMs) sendEmpty(state, to, progress, NO_ANSWER);
}

/** The next entries for one follower; false when there are none, or it has enough under way. */
function sendNext(state: RaftState, leading: Leading, to: number, progress: Progress): boolean {
  const { log, limits } = state;
  if (progress.state === 'snapshot' || progress.next > log.lastIndex) return false;
  if (progress.state === 'probe' && progress.isProbeSent) return false;
  if (progress.window.isFull(limits.inflightMax, limits.inflightBytesMax)) return false;
  if (gathers(state, progress)) return false;
  if (wantsSnapshot(state, to, progress)) return false;
  const entries = log.from(progress.next, limits.appendBytesMax);
  sendAppend(state, to, progress, entries, leading.rounds.current);
  if (progress.state === 'probe') {
    progress.isProbeSent = true;
    return false;
  }
  const lastIndex = progress.next + entries.length - 1;
  progress.sentMs = state.nowMs;
  progress.window.add({ lastIndex, bytes: log.bytesBetween(progress.next - 1, lastIndex) });
  progress.next = lastIndex + 1;
  return true;
}

/** Whether what could be sent to a follower waits for more: it has something to answer yet, or need not have it soon, and time has not come. */
function gathers({ log, nowMs, timing }: RaftState, progress: Progress): boolean {
  const { isSpare } = progress;
  const forMs = isSpare ? timing.spareMs : timing.gatherMs;
  if (forMs === 0 || progress.state !== 'replicate' || (!isSpare && progress.window.isEmpty)) return false;
  // a client there waits for what is committed
  if (isSpare && nowMs >= progress.commitDueMs) return false;
  const dueMs = progress.sentMs + forMs;
  if (nowMs >= dueMs || log.bytesBetween(progress.next - 1, log.lastIndex) > GATHERED_BYTES_MAX) return false;
  progress.gatherDueMs = dueMs;
  return true;
}

/** Whether what comes before the next entry is compacted: then a snapshot is asked for. */
function wantsSnapshot(state: RaftState, to: number, progress: Progress): boolean {
  if (progress.next > state.log.baseIndex) return false;
  progress.needSnapshot();
  tendSnapshot(state, to, progress);
  return true;
}

function sendEmpty(state: RaftState, to: number, progress: Progress, round: number): void {
  if (progress.state !== 'snapshot') wantsSnapshot(state, to, progress);
  sendAppend(state, to, progress, [], round);
}

function sendAppend(state: RaftState, to: number, progress: Progress, entries: readonly Entry[], round: number): void {
  const { log } = state;
  // During a snapshot there is nothing that could be known to match: the beginning of all logs always does.
  const previousIndex = progress.state === 'snapshot' ? 0 : progress.next - 1;
  const previousTerm =
    previousIndex === 0 ? 0 : present(log.termAt(previousIndex), 'what comes before the next entry is in the log');
  progress.sentCommit = state.commit;
  progress.commitDueMs = Infinity;
  state.send({
    type: 'append',
    from: state.id,
    to,
    term: state.term,
    previousIndex,
    previousTerm,
    entries,
    commit: state.commit,
    round,
  });
}

/** A follower's answer to an append (Raft paper, 5.3; going back by terms: the end of 5.3). */
export function onAppendResponse(state: RaftState, leading: Leading, message: AppendResponse): void {
  const progress = leading.progress.get(message.from);
  if (progress === undefined || message.index > state.log.lastIndex) return;
  if (!heard(state, leading, progress, message.round)) return;
  if (message.isAccepted) accepted(state, leading, progress, message);
  else refused(state, progress, message);
}

/** Any answer of this term says that its sender follows; false where it answers what was never sent. */
export function heard(state: RaftState, leading: Leading, progress: Progress, round: number): boolean {
  if (round > leading.rounds.current) return false;
  progress.lastHeardMs = state.nowMs;
  progress.echoedRound = Math.max(progress.echoedRound, round);
  confirmRounds(state, leading);
  return true;
}

function accepted(
  state: RaftState,
  leading: Leading,
  progress: Progress,
  { index, previousIndex }: AppendResponse,
): void {
  if (progress.state === 'snapshot') {
    if (index < state.log.baseIndex) {
      // It has what the snapshot on its way would bring, and still needs a newer one.
      if ((progress.snapshot?.source.meta.index ?? Infinity) <= index) progress.snapshot = null;
      return;
    }
    progress.probeFrom(index + 1);
  }
  // the answer to a probe is about what is before its entries, and no other answer says where the logs match
  const isOfProbe = Math.max(index, previousIndex) >= progress.next - 1;
  progress.matched(index, isOfProbe);
  noteProgressOfSpare(state, leading, progress);
  commitByCounting(state, leading);
}

function refused(state: RaftState, progress: Progress, message: AppendResponse): void {
  if (progress.state === 'snapshot' || message.previousIndex <= progress.match) return;
  // A late answer: what it refuses was given up since.
  if (progress.state === 'probe' && message.previousIndex !== progress.next - 1) return;
  const mayMatch = state.log.lastIndexOfTermUpTo(message.index, message.conflictTerm);
  progress.probeFrom(Math.min(mayMatch + 1, message.previousIndex));
}

/** Rounds that a quorum of the configuration of now echoed confirm reads and the lease. */
export function confirmRounds(state: RaftState, leading: Leading): void {
  leading.rounds.confirm(leading.echoedByMajority(state.configs.current));
  confirmReads(state, leading);
}

/**
 * Commits what a majority has on disk, if it is of the own term; what comes before is committed with it (Raft paper,
 * 5.4.2 and figure 8). Never more than is on the own disk.
 */
export function commitByCounting(state: RaftState, leading: Leading): void {
  const { log } = state;
  const majority = leading.matchedByMajority(state.configs.current, log.durableIndex);
  const index = Math.min(majority, log.durableIndex);
  if (index <= state.commit || log.termAt(index) !== state.term) return;
  state.commitUpTo(index);
  stepDownIfRemoved(state, leading);
}

/** A leader that is no voter any more leads until that is committed (thesis, 4.2.2); the others hear of it first. */
function stepDownIfRemoved(state: RaftState, leading: Leading): void {
  if (state.isVoter || state.configs.currentIndex > state.commit) return;
  for (const progress of leading.progress.values()) progress.commitDueMs = state.nowMs;
  sendAppends(state, leading);
  becomeFollower(state, state.term, 0);
}
