import type { SnapshotChunk, SnapshotMeta } from './messages.ts';
import type { ProposalPlace } from './own-proposals.ts';
import { PartialSnapshot } from './snapshot-transfer.ts';
import type { RaftState } from './state.ts';

/**
 * A chunk of a snapshot (Raft paper, section 7, figure 13). Of what is committed here already nothing is needed; where the
 * log has the snapshot's last entry, that is all it says; else it replaces the log and the state machine in one batch.
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
  if (message.totalBytes > state.limits.snapshotBytesMax) return;
  const partial = partialFor(state, message);
  if (partial === null) return;
  partial.add(message.offset, message.bytes);
  if (partial.received < partial.totalBytes) respond(state, message, partial.received, state.durability.batchOfVote);
  else {
    replaceLog(state, meta, partial.bytes());
    respond(state, message, partial.totalBytes, state.batchOfAll);
  }
}

/**
 * The snapshot that a chunk goes on with. Its bytes are one leader's: another leader's may be others for the same index.
 * Null for a chunk of an older snapshot than the one under way.
 */
function partialFor(state: RaftState, { from, term, meta, totalBytes }: SnapshotChunk): PartialSnapshot | null {
  const { partial } = state;
  if (partial !== null && partial.term === term && partial.from === from) {
    if (partial.meta.index > meta.index) return null;
    if (partial.meta.index === meta.index) return partial.totalBytes === totalBytes ? partial : null;
  }
  state.partial = new PartialSnapshot(from, term, meta, totalBytes);
  return state.partial;
}

function replaceLog(state: RaftState, meta: SnapshotMeta, bytes: Uint8Array): void {
  state.partial = null;
  state.received = { meta, bytes };
  state.log.reset(meta.index, meta.term, state.commit);
  state.configs.reset(meta);
  // The log cannot say any more what was at these indexes; but terms do not fall along a log.
  state.commit = meta.index;
  state.endAbstention();
  const happened = ({ term }: ProposalPlace): false | null => (term > meta.term ? false : null);
  state.overwritten.push(...state.proposals.decided(meta.index, meta.term, happened));
}

function respond(state: RaftState, message: SnapshotChunk, received: number, batch: number): void {
  state.sendAfter(batch, {
    type: 'snapshot-response',
    from: state.id,
    to: message.from,
    term: state.term,
    index: message.meta.index,
    received,
    round: message.round,
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
