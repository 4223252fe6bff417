import type { Leading } from './leading.ts';
import type { SnapshotResponse } from './messages.ts';
import type { Progress } from './progress.ts';
import { type SnapshotSource, SnapshotTransfer } from './snapshot-transfer.ts';
import type { RaftState } from './state.ts';

/** Takes the snapshot for a follower that needs one. False where it needs none (any more), or this one is too old or too new. */
export function giveSnapshot(state: RaftState, to: number, source: SnapshotSource): boolean {
  const { leading } = state;
  const progress = leading?.progress.get(to);
  if (leading === null || progress === undefined || progress.state !== 'snapshot' || progress.snapshot !== null)
    return false;
  const { index, term } = source.meta;
  if (index < state.log.baseIndex || index > state.handedOut || state.log.termAt(index) !== term) return false;
  progress.snapshot = new SnapshotTransfer(source, ++leading.transfersBegun, state.nowMs);
  state.snapshotsWanted.delete(to);
  return true;
}

/**
 * Asks for a snapshot for a follower, or sends again what was lost of the one on its way. Who was not heard for long gets
 * neither: a snapshot for nobody only costs.
 */
export function tendSnapshot(state: RaftState, to: number, progress: Progress): void {
  const { electionMs } = state.timing;
  if (state.nowMs - progress.lastHeardMs >= electionMs) return;
  if (progress.snapshot === null) state.snapshotsWanted.add(to);
  else progress.snapshot.retry(state.nowMs, electionMs);
}

/** Sends chunks as far as they may be under way, as many as a turn may make. */
export function sendChunks(state: RaftState, leading: Leading, to: number, progress: Progress): void {
  const { snapshot } = progress;
  if (snapshot === null) return;
  const { meta } = snapshot.source;
  const { snapshotChunkBytes, snapshotTurnBytes, inflightBytesMax } = state.limits;
  for (let bytes = 0; bytes < snapshotTurnBytes;) {
    const chunk = snapshot.nextChunk(snapshotChunkBytes, inflightBytesMax);
    if (chunk === null) return;
    const round = leading.rounds.current;
    const { number: transfer } = snapshot;
    state.send({ type: 'snapshot', from: state.id, to, term: state.term, transfer, meta, ...chunk, round });
    // an empty one is the last
    bytes += Math.max(1, chunk.bytes.length);
  }
}

/** Whether chunks may leave that a turn was too short for. */
export function hasChunks(state: RaftState, leading: Leading): boolean {
  const { inflightBytesMax } = state.limits;
  return [...leading.progress.values()].some(({ snapshot }) => snapshot?.hasNext(inflightBytesMax) === true);
}

/**
 * The entries after this index go on behind the snapshots that are on their way, and stay for that: else a follower would
 * need the next snapshot as soon as it had one. Not for a transfer that takes too long: the log is bounded.
 */
export function neededFrom(state: RaftState, index: number): number {
  const indexes = [...(state.leading?.progress.values() ?? [])]
    .map(({ snapshot }) => snapshot?.source.meta.index ?? Infinity)
    .filter((at) => state.log.bytesBetween(at, index) <= state.limits.snapshotBytesMax);
  return Math.min(...indexes, Infinity);
}

/** What a follower has of a snapshot: all of it, and the log goes on behind it; or where to go on; or it needs another one. */
export function onSnapshotProgress(progress: Progress, message: SnapshotResponse, nowMs: number): void {
  const { snapshot } = progress;
  if (snapshot === null || snapshot.number !== message.transfer) return;
  const { index } = snapshot.source.meta;
  if (message.isDone) {
    progress.probeFrom(index + 1);
    progress.matched(index);
    return;
  }
  snapshot.acknowledged(message.received, nowMs);
  if (snapshot.isLost) progress.snapshot = null;
}
