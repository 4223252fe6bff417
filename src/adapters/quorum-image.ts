import type { CausewayError } from '../errors.ts';
import type { QuorumImage, StoredLogEntry, StoredSnapshot } from '../ports.ts';
import type { GroupTail } from './quorum-batch.ts';
import { runOf } from './quorum-log-runs.ts';
import {
  groupOfKey,
  GroupKeys,
  headOf,
  indexOfKey,
  snapshotOf,
  unsealed,
  type GroupHead,
  type KeySpan,
} from './quorum-records.ts';
import { bodyOf, numberAt } from './record-block.ts';

/** The part of an LMDB database that a group is read with. */
export interface KeyReader {
  get(key: Uint8Array): Uint8Array | undefined;
  getKeys(span: KeySpan): Iterable<Uint8Array>;
  getRange(options: Partial<KeySpan> & { readonly reverse?: boolean; readonly limit?: number }): Iterable<{
    readonly key: Uint8Array;
    readonly value: Uint8Array;
  }>;
}

/** Turns what went wrong into what is thrown. */
export type Failing = (error: unknown) => CausewayError;

/** The groups that have anything on disk, with where their next batch goes on. Throws what says that a head is damaged. */
export function readHeads(reader: KeyReader): Map<string, GroupTail> {
  const tails = new Map<string, GroupTail>();
  let start: Uint8Array = Buffer.from([1]);
  for (;;) {
    const [first] = [...reader.getRange({ start, limit: 1 })];
    if (first === undefined) return tails;
    const group = groupOfKey(first.key);
    if (group === null) throw damaged('a key that belongs to no group');
    const keys = new GroupKeys(group);
    const head = readHead(reader, keys, group);
    if (head === null) throw damaged(`group ${group} without its head`);
    const generation = readGeneration(reader, keys, group);
    const newestGeneration = Math.max(generation, readNewestGeneration(reader, keys));
    const lastAudit = readLastAudit(reader, keys, group)?.[0] ?? 0;
    // what was kept aside is not gone on with
    const hasGone = newestGeneration > 0;
    const runs = Array.from(reader.getKeys(keys.logSpan), indexOfKey);
    tails.set(group, { ...head, keys, runs, lastAudit, generation, newestGeneration, aside: 0, hasGone });
    start = keys.end;
  }
}

/** All of a group, checked; its state while it is walked. */
export function readGroup(reader: KeyReader, group: string, failing: Failing): QuorumImage {
  const keys = new GroupKeys(group);
  const head = readHead(reader, keys, group);
  const snapshot = readSnapshot(reader, keys, group);
  const generation = readGeneration(reader, keys, group);
  return {
    hardState: head?.hardState ?? null,
    log: readLog(reader, keys, group, head, snapshot),
    snapshot,
    state: readState(reader, keys, generation, group, failing),
    rows: readRows(reader, keys, generation, group, failing),
    stateMeta: bodyAt(reader, keys.stateMeta, `the state of group ${group}`)?.slice() ?? null,
    lastAudit: readLastAudit(reader, keys, group),
  };
}

export function* readAudit(
  reader: KeyReader,
  group: string,
  fromIndex: number,
  failing: Failing,
): Generator<readonly [index: number, record: Uint8Array]> {
  try {
    for (const { key, value } of reader.getRange(new GroupKeys(group).auditSpan(fromIndex))) {
      yield [indexOfKey(key), checked(key, value, `the audit of group ${group}`)];
    }
  } catch (error) {
    throw failing(error);
  }
}

function readHead(reader: KeyReader, keys: GroupKeys, group: string): GroupHead | null {
  const body = bodyAt(reader, keys.head, `the head of group ${group}`);
  if (body === null) return null;
  const head = headOf(body);
  if (head === null) throw damaged(`the head of group ${group}`);
  return head;
}

function readSnapshot(reader: KeyReader, keys: GroupKeys, group: string): StoredSnapshot | null {
  const body = bodyAt(reader, keys.snapshot, `the snapshot of group ${group}`);
  if (body === null) return null;
  const snapshot = snapshotOf(body);
  if (snapshot === null) throw damaged(`the snapshot of group ${group}`);
  return snapshot;
}

function readGeneration(reader: KeyReader, keys: GroupKeys, group: string): number {
  const body = bodyAt(reader, keys.generation, `the state of group ${group}`);
  return body === null ? 0 : numberAt(body, 0);
}

function readNewestGeneration(reader: KeyReader, keys: GroupKeys): number {
  const { start, end } = keys.laterSpan;
  const [last] = [...reader.getRange({ start: end, end: start, reverse: true, limit: 1 })];
  return last === undefined ? 0 : keys.generationOf(last.key);
}

/** The entries are those that the head names, in runs that each know the one before, and nothing is missing between them and the snapshot. */
function readLog(
  reader: KeyReader,
  keys: GroupKeys,
  group: string,
  head: GroupHead | null,
  snapshot: StoredSnapshot | null,
): readonly StoredLogEntry[] {
  const { firstIndex, lastIndex, lastRun } = head ?? { firstIndex: 1, lastIndex: 0, lastRun: 0 };
  const log: StoredLogEntry[] = [];
  let previous: number | null = null;
  for (const { key, value } of reader.getRange(keys.logSpan)) {
    const first = indexOfKey(key);
    const body = bodyOf(value, keys.logSeed(first));
    const run = body === null ? null : runOf(first, body);
    if (run === null) throw damaged(`the log of group ${group} from entry ${first} on`);
    const place = Math.max(0, first - firstIndex);
    const isNext = previous === null ? first <= firstIndex : run.previous === previous;
    if (!isNext || place > log.length) throw damaged(`the log of group ${group} before entry ${first}`);
    previous = first;
    // a run before it may have what was truncated
    log.length = place;
    for (const entry of run.entries) if (entry.index >= firstIndex) log.push(entry);
  }
  const count = lastIndex - firstIndex + 1;
  if ((previous ?? 0) !== lastRun || log.length < count)
    throw damaged(`the log of group ${group}, which ends before entry ${lastIndex + 1}`);
  log.length = count;
  const isInOrder = log.every(({ term }, position) => term >= (log[position - 1]?.term ?? 0));
  if (!isInOrder) throw damaged(`the log of group ${group}, whose terms fall,`);
  if (firstIndex > (snapshot?.index ?? 0) + 1)
    throw damaged(`the log of group ${group}, which begins after its snapshot`);
  return log;
}

function* readState(
  reader: KeyReader,
  keys: GroupKeys,
  generation: number,
  group: string,
  failing: Failing,
): Generator<readonly [key: Uint8Array, state: Uint8Array]> {
  try {
    for (const { key, value } of reader.getRange(keys.stateSpan(generation))) {
      const entry = keys.stateOf(key, checked(key, value, `a key of group ${group}`));
      if (entry === null) throw damaged(`a key of group ${group}`);
      yield [plain(entry[0]), entry[1]];
    }
  } catch (error) {
    throw failing(error);
  }
}

function* readRows(
  reader: KeyReader,
  keys: GroupKeys,
  generation: number,
  group: string,
  failing: Failing,
): Generator<readonly [key: Uint8Array, row: Uint8Array]> {
  try {
    for (const { key, value } of reader.getRange(keys.rowSpan(generation)))
      yield [plain(keys.rowKeyOf(key)), checked(key, value, `a row of group ${group}`)];
  } catch (error) {
    throw failing(error);
  }
}

function readLastAudit(reader: KeyReader, keys: GroupKeys, group: string): QuorumImage['lastAudit'] {
  const { start, end } = keys.auditSpan(0);
  const [last] = [...reader.getRange({ start: end, end: start, reverse: true, limit: 1 })];
  return last === undefined
    ? null
    : [indexOfKey(last.key), checked(last.key, last.value, `the audit of group ${group}`)];
}

function bodyAt(reader: KeyReader, key: Uint8Array, what: string): Uint8Array | null {
  const value = reader.get(key);
  return value === undefined ? null : checked(key, value, what);
}

/** A copy of a value's body. */
function checked(key: Uint8Array, value: Uint8Array, what: string): Uint8Array {
  const body = unsealed(key, value);
  if (body === null) throw damaged(what);
  return body.slice();
}

/** Without Buffer's own methods: its `slice` shares the bytes, where the core's is a copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(what: string): Error {
  return new Error(`MDB_CORRUPTED: ${what} is damaged`);
}
