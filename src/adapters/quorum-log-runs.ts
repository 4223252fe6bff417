import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import type { QuorumGroupBatch, StoredLogEntry } from '../ports.ts';
import { followLog, type LogBounds } from './quorum-log-bounds.ts';
import { CRC_BYTES, NUMBER_BYTES, numberAt, writeNumber } from './record-block.ts';

/**
 * The log lies on disk in runs: what one batch brought of it is one key, so that the tree is changed once for all entries that were
 * written together, and once more when they go. A run is under the index of its first entry:
 *
 *     CRC-32 seeded by that index (4) ‖ where the run before it begins (6), 0 for none ‖ each entry: term (6) ‖ kind (1) ‖ length (6) ‖ data
 *
 * A run counts up to where the next begins, and the log from the first index that the head names to the last: what was truncated or compacted
 * within a run stays in it. Which runs there must be is told by the head, that of the last, and by each of the one before.
 */
const ENTRY_HEAD_BYTES: number = NUMBER_BYTES + 1 + NUMBER_BYTES;
const KIND_MAX = 255;
/** Larger runs are cut, so that what is compacted goes bit by bit and the tree finds room for each. */
const RUN_BYTES_MAX: number = 32 * 1024;

/** Entries that are stored as one. */
export interface LogRun {
  /** Where the run before it begins, 0 for none. */
  readonly previous: number;
  readonly entries: readonly StoredLogEntry[];
}

/** What a batch does to the runs, in this order. */
export interface RunChanges {
  removed(first: number): void;
  added(run: LogRun): void;
}

/** Moves bounds and runs of a log, by their first indexes, on by a batch. */
export function followRuns(runs: number[], bounds: LogBounds, batch: QuorumGroupBatch, changes: RunChanges): void {
  followLog(bounds, batch, { removed: () => undefined, added: () => undefined });
  const { dropsLog, truncateFrom } = batch;
  while (runs.length > 0 && (dropsLog || (truncateFrom !== null && lastOf(runs) >= truncateFrom)))
    changes.removed(runs.pop() ?? 0);
  for (const entries of runsOf(batch.entries)) {
    changes.added({ previous: lastOf(runs), entries });
    runs.push(entries[0]?.index ?? 0);
  }
  let gone = 0;
  while (gone < runs.length && (runs[gone + 1] ?? bounds.lastIndex + 1) <= bounds.firstIndex) gone++;
  for (const first of runs.splice(0, gone)) changes.removed(first);
}

/** Where the last run begins, 0 for none. */
export function lastOf(runs: readonly number[]): number {
  return runs.at(-1) ?? 0;
}

function* runsOf(entries: readonly StoredLogEntry[]): Generator<readonly StoredLogEntry[]> {
  let start = 0;
  let bytes = 0;
  // by position: an iterator's pair for each entry is more than the rest of this
  for (let position = 0; position < entries.length; position++) {
    const { data } = entries[position] as StoredLogEntry;
    if (position > start && bytes + data.length > RUN_BYTES_MAX) {
      yield entries.slice(start, position);
      start = position;
      bytes = 0;
    }
    bytes += ENTRY_HEAD_BYTES + data.length;
  }
  if (entries.length > start) yield start === 0 ? entries : entries.slice(start);
}

/** Of a run's value. */
export function runBytes({ entries }: LogRun): number {
  let bytes = CRC_BYTES + NUMBER_BYTES;
  for (const { data } of entries) bytes += ENTRY_HEAD_BYTES + data.length;
  return bytes;
}

/** Writes a run's value, of `runBytes` bytes. */
export function writeRun(into: Buffer, { previous, entries }: LogRun, seed: number): void {
  let at = CRC_BYTES;
  writeNumber(into, at, previous);
  at += NUMBER_BYTES;
  for (const { term, kind, data } of entries) {
    assert(Number.isInteger(kind) && kind >= 0 && kind <= KIND_MAX, 'the kind of an entry is a byte');
    writeNumber(into, at, term);
    into[at + NUMBER_BYTES] = kind;
    writeNumber(into, at + NUMBER_BYTES + 1, data.length);
    at += ENTRY_HEAD_BYTES;
    into.set(data, at);
    at += data.length;
  }
  into.writeUInt32BE(crc32(into.subarray(CRC_BYTES, at), seed), 0);
}

/** The run whose first entry has this index, from its value without the checksum; null where it is none. */
export function runOf(first: number, body: Uint8Array): LogRun | null {
  if (body.length < NUMBER_BYTES) return null;
  const entries: StoredLogEntry[] = [];
  let at = NUMBER_BYTES;
  while (at < body.length) {
    if (at + ENTRY_HEAD_BYTES > body.length) return null;
    const dataAt = at + ENTRY_HEAD_BYTES;
    const end = dataAt + numberAt(body, at + NUMBER_BYTES + 1);
    if (end > body.length) return null;
    const kind = body[at + NUMBER_BYTES] ?? 0;
    entries.push({ index: first + entries.length, term: numberAt(body, at), kind, data: body.slice(dataAt, end) });
    at = end;
  }
  return entries.length === 0 ? null : { previous: numberAt(body, 0), entries };
}
