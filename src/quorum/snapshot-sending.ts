import type { Leading } from './leading.ts';
import type { SnapshotResponse } from './messages.ts';
import type { Progress } from './progress.ts';
import { type SnapshotSource, SnapshotTransfer } from './snapshot-transfer.ts';
import type { RaftState } from './state.ts';

/** Takes the snapshot for a follower that needs one. False where it needs none (any more), or this one is too old or too new. */
export function giveSnapshot(state: RaftState, to: number, source: SnapshotSource): boolean {
  const progress = state.leading?.progress.get(to);
  if (progress === undefined || progress.state !== 'snapshot' || progress.snapshot !== null) return false;
  const { index, term } = source.meta;
  if (index < state.log.baseIndex || index > state.handedOut || state.log.termAt(index) !== term) return false;
  progress.snapshot = new SnapshotTransfer(source, state.nowMs);
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

/** Sends chunks as far as they may be under way. */
export function sendChunks(state: RaftState, leading: Leading, to: number, progress: Progress): void {
  const { snapshot } = progress;
  if (snapshot === null) return;
  const { meta, totalBytes } = snapshot.source;
  const { snapshotChunkBytes, inflightBytesMax } = state.limits;
  for (;;) {
    const chunk = snapshot.nextChunk(snapshotChunkBytes, inflightBytesMax);
    if (chunk === null) return;
    const round = leading.rounds.current;
    state.send({ type: 'snapshot', from: state.id, to, term: state.term, meta, totalBytes, ...chunk, round });
  }
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

/** What a follower has of a snapshot: all of it, and the log goes on behind it; or where to go on. */
export function onSnapshotProgress(progress: Progress, message: SnapshotResponse, nowMs: number): void {
  const { snapshot } = progress;
  if (snapshot === null || snapshot.source.meta.index !== message.index) return;
  const { totalBytes, meta } = snapshot.source;
  if (message.received > totalBytes) return;
  if (message.received < totalBytes) snapshot.acknowledged(message.received, nowMs);
  else {
    progress.probeFrom(meta.index + 1);
    progress.matched(meta.index);
  }
}
