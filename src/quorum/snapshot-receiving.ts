import type { SnapshotChunk, SnapshotMeta, SnapshotPart } from './messages.ts';
import type { ProposalPlace } from './own-proposals.ts';
import { PartialSnapshot } from './snapshot-transfer.ts';
import type { RaftState } from './state.ts';

/**
 * A chunk of a snapshot (Raft paper, section 7, figure 13). Of what is committed here already nothing is needed; where the
 * log has the snapshot's last entry, that is all it says; else it waits for the next batch (see `takeParts`).
 */
export function onSnapshotChunk(state: RaftState, message: SnapshotChunk): void {
  const { meta } = message;
  if (meta.index <= state.commit) {
    acceptCommitted(state, message);
    return;
  }
  if (state.log.termAt(meta.index) === meta.term) {
    state.commitUpTo(meta.index);
    acceptCommitted(state, message);
    return;
  }
  const { inflightBytesMax, snapshotBytesMax } = state.limits;
  if (message.offset + message.bytes.length > snapshotBytesMax) return;
  const partial = partialFor(state, message);
  if (partial === null) return;
  partial.round = Math.max(partial.round, message.round);
  // what is taken in is answered when it is on disk
  if (!partial.add(message, inflightBytesMax)) respond(state, partial, false, state.durability.batchOfAll(false));
}

/** The snapshot that a chunk goes on with; null for a chunk of an older one than that under way. */
function partialFor(state: RaftState, chunk: SnapshotChunk): PartialSnapshot | null {
  const { partial } = state;
  if (partial !== null && partial.term === chunk.term && partial.from === chunk.from) {
    if (partial.transfer > chunk.transfer) return null;
    if (partial.transfer === chunk.transfer) return partial;
  }
  state.partial = new PartialSnapshot(chunk);
  return state.partial;
}

/**
 * What of a snapshot goes to disk with the batch that is being taken, where it is kept aside. With the last of it, in the same batch,
 * it replaces the log and the state machine.
 */
export function takeParts(state: RaftState): readonly SnapshotPart[] {
  const { partial } = state;
  if (partial === null || partial.term !== state.term || partial.meta.index <= state.commit) return [];
  const parts = partial.take(state.limits.snapshotTurnBytes);
  if (parts.length === 0) return [];
  const batch = state.durability.batchOfAll(true);
  if (partial.isTaken) replaceLog(state, partial.meta);
  respond(state, partial, partial.isTaken, batch);
  return parts;
}

function replaceLog(state: RaftState, meta: SnapshotMeta): void {
  state.partial = null;
  state.received = { meta };
  state.log.reset(meta.index, meta.term, state.commit);
  state.configs.reset(meta);
  // The log cannot say any more what was at these indexes; but terms do not fall along a log.
  state.commit = meta.index;
  state.endAbstention();
  const happened = ({ term }: ProposalPlace): false | null => (term > meta.term ? false : null);
  state.overwritten.push(...state.proposals.decided(meta.index, meta.term, happened));
}

function respond(
  state: RaftState,
  { from, transfer, meta, round, taken }: PartialSnapshot,
  isDone: boolean,
  batch: number,
): void {
  state.sendAfter(batch, {
    type: 'snapshot-response',
    from: state.id,
    to: from,
    term: state.term,
    transfer,
    index: meta.index,
    received: taken,
    isDone,
    round,
  });
}

/** The log already has it: the leader goes on with entries. */
function acceptCommitted(state: RaftState, message: SnapshotChunk): void {
  state.sendAfter(state.durability.batchOfVote, {
    type: 'append-response',
    from: state.id,
    to: message.from,
    term: state.term,
    isAccepted: true,
    previousIndex: 0,
    index: Math.min(state.commit, state.log.durableIndex),
    conflictTerm: 0,
    round: message.round,
  });
}
