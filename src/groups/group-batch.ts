import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type { QuorumGroupBatch, QuorumImage, StoredAside } from '../ports.ts';
import type { PersistBatch, SnapshotMeta, SnapshotPart } from '../quorum/messages.ts';
import type { Group } from './group.ts';
import type { GroupIntake } from './group-intake.ts';
import type { GroupImage, GroupKeyState } from './group-state.ts';
import type { RequestRow } from './request-table.ts';
import type { GroupCodec } from './strong-frames.ts';

/** What of a group's machine goes to disk in one step; with a snapshot that has come in whole, the state that it brings. */
export function promiseBatch(
  codec: GroupCodec,
  group: Group,
  { hardState, truncateFrom, entries, parts, snapshot: installed }: PersistBatch,
  intake: GroupIntake | null,
  compactTo: number | null,
): QuorumGroupBatch {
  const batch = {
    group: group.plan.name,
    hardState,
    dropsLog: installed !== null,
    truncateFrom,
    entries,
    aside: intake === null || parts.length === 0 ? null : asideOf(intake, parts),
  };
  if (installed === null || intake === null) return { ...batch, compactTo, snapshot: null, state: null, audit: [] };
  return {
    ...batch,
    compactTo: null,
    snapshot: snapshotPlace(codec, installed.meta),
    state: { takesAside: true, entries: [], rows: [], meta: codec.encodeMeta(intake.meta) },
    // what the log loses by that is never without its records
    audit: group.state.audit.kept(0),
  };
}

function asideOf(intake: GroupIntake, parts: readonly SnapshotPart[]): StoredAside {
  const taken = parts.map(({ bytes }) => intake.take(bytes));
  return {
    begins: taken.some(({ begins }) => begins),
    entries: taken.flatMap(({ entries }) => entries),
    rows: taken.flatMap(({ rows }) => rows),
  };
}

/** The state that a group's log has led to, as far as it changed, and where it is in the log. */
export function stateBatch(codec: GroupCodec, { plan, raft, state }: Group): QuorumGroupBatch {
  const meta = raft.snapshotMeta(state.applied);
  const { entries, requests, meta: stateMeta } = state.takeDirty();
  return {
    group: plan.name,
    hardState: null,
    dropsLog: false,
    truncateFrom: null,
    entries: [],
    compactTo: null,
    aside: null,
    snapshot: meta === null ? null : snapshotPlace(codec, meta),
    state: {
      takesAside: false,
      entries: entries.map(
        ([key, keyState]) => [latin1Bytes(key), keyState === null ? null : codec.encodeKeyState(keyState)] as const,
      ),
      rows: requests.map((row) => codec.encodeRequestRow(row)),
      meta: codec.encodeMeta(stateMeta),
    },
    // with the state that they lead to: what the log loses by that is never without its records
    audit: state.audit.kept(0),
  };
}

function snapshotPlace(codec: GroupCodec, meta: SnapshotMeta): QuorumGroupBatch['snapshot'] {
  return { index: meta.index, term: meta.term, meta: codec.encodeSnapshotMeta(meta) };
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
