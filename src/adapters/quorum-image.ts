import type { CausewayError } from '../errors.ts';
import type { QuorumImage, StoredLogEntry, StoredSnapshot } from '../ports.ts';
import type { GroupTail } from './quorum-batch.ts';
import {
  entryOf,
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
    tails.set(group, { ...head, keys, lastAudit, generation, newestGeneration, aside: 0, hasGone });
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

/** The entries are those that the head names, each with the one before it, and nothing is missing between them and the snapshot. */
function readLog(
  reader: KeyReader,
  keys: GroupKeys,
  group: string,
  head: GroupHead | null,
  snapshot: StoredSnapshot | null,
): readonly StoredLogEntry[] {
  const log: StoredLogEntry[] = [];
  let next = head?.firstIndex ?? 1;
  let term = 0;
  for (const { key, value } of reader.getRange(keys.logSpan)) {
    const index = indexOfKey(key);
    const body = bodyOf(value, keys.logSeed(index));
    const entry = body === null ? null : entryOf(index, body);
    if (entry === null || entry.index !== next || entry.term < term) throw damaged(`entry ${next} of group ${group}`);
    log.push(entry);
    next += 1;
    term = entry.term;
  }
  if (next !== (head?.lastIndex ?? 0) + 1) throw damaged(`the log of group ${group}, which ends before entry ${next}`);
  const isWhole = (head?.firstIndex ?? 1) <= (snapshot?.index ?? 0) + 1;
  if (!isWhole) throw damaged(`the log of group ${group}, which begins after its snapshot`);
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
