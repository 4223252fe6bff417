import type { QuorumImage } from '../ports.ts';
import type { Entry, EntryKind } from '../quorum/messages.ts';
import type { Restored } from '../quorum/options.ts';
import type { GroupCodec } from './strong-frames.ts';

/** What is on disk of a group's Raft, null for a member without a disk so far. `applied`: how far its state machine is on disk. */
export function restoredLog(
  image: QuorumImage | null,
  applied: number,
  codec: Pick<GroupCodec, 'decodeSnapshotMeta'>,
): Restored | null {
  if (image === null || image.hardState === null) return null;
  const { hardState, log, snapshot } = image;
  return {
    hardState,
    entries: log.map(({ index, term, kind, data }): Entry => ({ index, term, kind: kind as EntryKind, data })),
    snapshotMeta: snapshot === null ? null : codec.decodeSnapshotMeta(snapshot.meta),
    applied,
  };
}
