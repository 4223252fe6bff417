import { assert } from '../base/assert.ts';
import type { QuorumBatch, QuorumGroupBatch, StoredAside, StoredStateChange } from '../ports.ts';
import { followRuns, lastOf, runBytes, writeRun, type LogRun } from './quorum-log-runs.ts';
import {
  generationValue,
  GroupKeys,
  headValue,
  seedOf,
  snapshotValue,
  stateValue,
  type GroupHead,
  type KeySpan,
} from './quorum-records.ts';
import { RecordBlock, type BlockPool } from './record-block.ts';

/** What the next batch of a group goes on from. */
export interface GroupTail extends GroupHead {
  readonly keys: GroupKeys;
  /** Where each run of the log begins. */
  readonly runs: number[];
  /** Which generation of keys and rows is the state, and which the newest that there is. */
  generation: number;
  newestGeneration: number;
  /** That of what is kept aside, 0 for nothing. */
  aside: number;
  /** Whether there may be keys and rows of other generations. */
  hasGone: boolean;
  /** Log index of the newest audit record, 0 for none. */
  lastAudit: number;
}

/** The part of an LMDB database that a batch is written with. */
export interface KeyWriter {
  getKeys(span: KeySpan & { readonly limit: number }): Iterable<Uint8Array>;
  put(key: Uint8Array, value: Uint8Array): unknown;
  remove(key: Uint8Array): unknown;
}

/**
 * A record of the journal:
 *
 *     count (4) ‖ each: length of the key (2) ‖ length of the value and one more, 0 for a key that goes (4) ‖ key ‖ value
 */
const COUNT_BYTES = 4;
const KEY_LENGTH_BYTES = 2;
const LENGTHS_BYTES: number = KEY_LENGTH_BYTES + 4;

/** Keys of states that are gone which one transaction takes away. */
const SWEPT_MAX = 1_000;

/** A key, its checksum and an allowance for its place in a page. */
const RECORD_BYTES = 64;

/** What becomes of a key; removed where it has no value. */
interface Change {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/**
 * A batch as keys and values, made once, when it is handed over, for the journal and the tree: from then on its bytes are the store's own. Moves the
 * groups' tails on.
 */
export class PreparedBatch {
  /** Of its keys and values in a record. */
  bytes: number = COUNT_BYTES;
  readonly #changes: Change[] = [];
  readonly #block: RecordBlock;
  readonly #pool: BlockPool;
  readonly #sweeps: Sweep[] = [];

  constructor(batch: QuorumBatch, tails: Map<string, GroupTail>, pool: BlockPool) {
    this.#pool = pool;
    this.#block = new RecordBlock(pool.take(batch.groups.reduce((sum, group) => sum + bytesOf(group), 0)));
    const seen = new Set<string>();
    for (const group of batch.groups) {
      assert(!seen.has(group.group), 'a batch names a group once');
      seen.add(group.group);
      const tail = tails.get(group.group) ?? newTail(group.group);
      tails.set(group.group, tail);
      this.#addGroup(group, tail);
    }
  }

  /** To be called in a transaction. */
  writeTo(writer: KeyWriter): void {
    for (const each of this.#sweeps) sweep(writer, each);
    // What these return resolves with the transaction, which is waited for as a whole.
    for (const { key, value } of this.#changes) {
      if (value === null) writer.remove(key);
      else writer.put(key, value);
    }
  }

  /** Puts it as a record into `bytes` bytes (see `replayRecord`). */
  recordTo(into: Buffer, start: number): void {
    let at = into.writeUInt32BE(this.#changes.length, start);
    for (const { key, value } of this.#changes) {
      at = into.writeUInt16BE(key.length, at);
      at = into.writeUInt32BE(value === null ? 0 : value.length + 1, at);
      into.set(key, at);
      at += key.length;
      if (value === null) continue;
      into.set(value, at);
      at += value.length;
    }
  }

  #addGroup(batch: QuorumGroupBatch, tail: GroupTail): void {
    if (batch.hardState !== null) tail.hardState = batch.hardState;
    const { keys } = tail;
    if (batch.snapshot !== null) {
      this.#put(keys.snapshot, snapshotValue(this.#block, batch.snapshot, seedOf(keys.snapshot)));
    }
    followRuns(tail.runs, tail, batch, {
      removed: (first) => this.#put(keys.log(first), null),
      added: (run) => this.#addRun(keys, run),
    });
    tail.lastRun = lastOf(tail.runs);
    if (tail.hasGone && (batch.aside !== null || batch.state !== null))
      this.#sweeps.push({ tail, generation: tail.generation, aside: tail.aside });
    if (batch.aside !== null) this.#addAside(batch.aside, tail);
    if (batch.state !== null) this.#addState(batch.state, tail);
    for (const [index, record] of batch.audit) {
      if (index <= tail.lastAudit) continue;
      tail.lastAudit = index;
      this.#putBytes(keys.audit(index), record);
    }
    this.#put(keys.head, headValue(this.#block, tail, seedOf(keys.head)));
  }

  #addRun(keys: GroupKeys, run: LogRun): void {
    const first = run.entries[0]?.index ?? 0;
    const value = this.#pool.take(runBytes(run));
    writeRun(value, run, keys.logSeed(first));
    this.#put(keys.log(first), value);
  }

  #addAside({ begins, entries, rows }: StoredAside, tail: GroupTail): void {
    if (begins) {
      tail.hasGone ||= tail.aside !== 0;
      tail.newestGeneration += 1;
      tail.aside = tail.newestGeneration;
    }
    assert(tail.aside !== 0, 'what is kept aside was begun');
    this.#addPairs({ entries, rows }, tail.keys, tail.aside);
  }

  #addState({ takesAside, entries, rows, meta }: StoredStateChange, tail: GroupTail): void {
    const { keys } = tail;
    if (takesAside) {
      assert(tail.aside !== 0, 'what takes the place of the state was kept aside');
      tail.generation = tail.aside;
      tail.aside = 0;
      tail.hasGone = true;
      this.#put(keys.generation, generationValue(this.#block, tail.generation, seedOf(keys.generation)));
    }
    this.#addPairs({ entries, rows }, keys, tail.generation);
    this.#putBytes(keys.stateMeta, meta);
  }

  #addPairs({ entries, rows }: Pick<StoredStateChange, 'entries' | 'rows'>, keys: GroupKeys, generation: number): void {
    for (const [key, state] of entries) {
      const storeKey = keys.state(key, generation);
      this.#put(storeKey, state === null ? null : stateValue(this.#block, key, state, seedOf(storeKey)));
    }
    for (const [key, row] of rows) {
      const storeKey = keys.row(key, generation);
      if (row === null) this.#put(storeKey, null);
      else this.#putBytes(storeKey, row);
    }
  }

  #putBytes(key: Uint8Array, body: Uint8Array): void {
    this.#put(key, this.#block.begin(body.length).copy(body).end(seedOf(key)));
  }

  /** Null for a key that goes. */
  #put(key: Uint8Array, value: Uint8Array | null): void {
    this.#changes.push({ key, value });
    this.bytes += LENGTHS_BYTES + key.length + (value?.length ?? 0);
  }
}

/** Puts again what a record made by `recordTo` has. Its sum was checked. */
export function replayRecord(body: Uint8Array, writer: KeyWriter): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = COUNT_BYTES;
  for (let left = view.getUint32(0); left > 0; left--) {
    const keyEnd = at + LENGTHS_BYTES + view.getUint16(at);
    const valueLength = view.getUint32(at + KEY_LENGTH_BYTES);
    const key = body.subarray(at + LENGTHS_BYTES, keyEnd);
    at = keyEnd + Math.max(0, valueLength - 1);
    if (valueLength === 0) writer.remove(key);
    else writer.put(key, body.subarray(keyEnd, at));
  }
}

/** Which keys are state and kept aside before a batch: what it makes so, or no longer so, is not on disk yet. */
interface Sweep {
  readonly tail: GroupTail;
  readonly generation: number;
  readonly aside: number;
}

/** Takes some of the keys away that are neither: those that were on disk before this transaction. */
function sweep(writer: KeyWriter, { tail, generation, aside }: Sweep): void {
  let left = SWEPT_MAX;
  for (const span of tail.keys.goneSpans(generation, aside)) {
    const keys = [...writer.getKeys({ ...span, limit: left })];
    for (const key of keys) writer.remove(key);
    left -= keys.length;
    if (left === 0) return;
  }
  if (tail.generation === generation && tail.aside === aside) tail.hasGone = false;
}

function newTail(group: string): GroupTail {
  const noState = { generation: 0, newestGeneration: 0, aside: 0, hasGone: false };
  const noLog = { firstIndex: 1, lastIndex: 0, lastRun: 0, runs: [] };
  return { keys: new GroupKeys(group), hardState: null, lastAudit: 0, ...noLog, ...noState };
}

/** Of all but log entries, an estimate from above, so that one block is enough. */
function bytesOf({ aside, state, snapshot, audit }: QuorumGroupBatch): number {
  let bytes = 3 * RECORD_BYTES + (snapshot?.meta.length ?? 0) + (state?.meta.length ?? 0);
  for (const pairs of [state?.entries, state?.rows, aside?.entries, aside?.rows])
    for (const [key, value] of pairs ?? []) bytes += key.length + (value?.length ?? 0) + RECORD_BYTES;
  for (const [, record] of audit) bytes += record.length + RECORD_BYTES;
  return bytes;
}
