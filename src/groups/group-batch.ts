import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type { QuorumGroupBatch, QuorumImage } from '../ports.ts';
import type { PersistBatch, SnapshotMeta } from '../quorum/messages.ts';
import type { Group } from './group.ts';
import type { GroupDirty, GroupImage, GroupKeyState } from './group-state.ts';
import type { RequestRow } from './request-table.ts';
import type { GroupCodec } from './strong-frames.ts';

/**
 * What of a group goes to disk in one step: what its machine wants kept, and, where that is due or a snapshot brought it, the state that the
 * log has led to.
 */
export function groupBatch(
  codec: GroupCodec,
  group: Group,
  persist: PersistBatch | null,
  compactTo: number | null,
  isStateDue: boolean,
): QuorumGroupBatch {
  const installed = persist?.snapshot ?? null;
  const batch = {
    group: group.plan.name,
    hardState: persist?.hardState ?? null,
    dropsLog: installed !== null,
    truncateFrom: persist?.truncateFrom ?? null,
    entries: persist?.entries ?? [],
    compactTo: installed === null ? compactTo : null,
    // with the state that they lead to: what the log loses by that is never without its records
    audit: isStateDue || installed !== null ? group.state.audit.kept(0) : [],
  };
  if (installed !== null) {
    const { entries, requests, meta } = codec.decodeSnapshot(installed.bytes);
    const state = stateChange(codec, { entries: [...entries], requests: [...requests], meta }, true);
    return { ...batch, snapshot: snapshotPlace(codec, installed.meta), state };
  }
  if (!isStateDue) return { ...batch, snapshot: null, state: null };
  const meta = group.raft.snapshotMeta(group.state.applied);
  const snapshot = meta === null ? null : snapshotPlace(codec, meta);
  return { ...batch, snapshot, state: stateChange(codec, group.state.takeDirty(), false) };
}

function snapshotPlace(codec: GroupCodec, meta: SnapshotMeta): QuorumGroupBatch['snapshot'] {
  return { index: meta.index, term: meta.term, meta: codec.encodeSnapshotMeta(meta) };
}

function stateChange(
  codec: GroupCodec,
  { entries, requests, meta }: GroupDirty,
  clear: boolean,
): QuorumGroupBatch['state'] {
  return {
    clear,
    entries: entries.map(
      ([key, state]) => [latin1Bytes(key), state === null ? null : codec.encodeKeyState(state)] as const,
    ),
    rows: requests.map((row) => codec.encodeRequestRow(row)),
    meta: codec.encodeMeta(meta),
  };
}

/** The state of a group as it was stored; null where nothing was. May be walked once. */
export function restoredState(codec: GroupCodec, image: QuorumImage): GroupImage | null {
  if (image.stateMeta === null) return null;
  return { entries: keysOf(codec, image), requests: requestsOf(codec, image), meta: codec.decodeMeta(image.stateMeta) };
}

function* keysOf(codec: GroupCodec, { state }: QuorumImage): Generator<readonly [key: string, state: GroupKeyState]> {
  for (const [key, bytes] of state) yield [latin1Of(key, 0, key.length), codec.decodeKeyState(bytes)];
}

function* requestsOf(codec: GroupCodec, { rows }: QuorumImage): Generator<RequestRow> {
  for (const [key, row] of rows) yield codec.decodeRequestRow(key, row);
}
