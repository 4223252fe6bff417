import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import type { StoredHardState, StoredLogEntry, StoredSnapshot } from '../ports.ts';
import type { LogBounds } from './quorum-log-bounds.ts';
import type { BatchBlock } from './store-keys.ts';

/**
 * What the keys and values of the quorum's store look like. All groups are in one tree; what a commit touches of a group lies side by
 * side, so that it is one or two pages: the end of the log, then the head.
 *
 *     key    group ‖ 00 ‖ tag ‖ rest        rest: log index, 6 bytes big endian; or the state's key; or nothing
 *     value  CRC-32 of key and body, 4 bytes big endian ‖ body
 *
 *     log       term (6) ‖ kind (1) ‖ data
 *     head      has hard state (1) ‖ term (6) ‖ voted for (6) ‖ commit (6) ‖ first index (6) ‖ last index (6)
 *     snapshot  index (6) ‖ term (6) ‖ meta
 *     state     state, or under SHA-256 of a long key: length of the key (4) ‖ key ‖ state
 */
const Tag = { Audit: 1, Log: 2, Head: 3, Snapshot: 4, StateMeta: 5, ShortKey: 6, LongKey: 7 } as const;

const NUMBER_BYTES = 6;
const NUMBER_LIMIT = 2 ** 48;
const CRC_BYTES = 4;
const KEY_LENGTH_BYTES = 4;
const KIND_MAX = 255;
export const GROUP_NAME_BYTES_MAX = 255;
/** Longer keys of the state are stored under their digest: a key of the store has at most 1978 bytes. */
const SHORT_KEY_BYTES_MAX = 1024;

const EMPTY = new Uint8Array(0);

/** A part of the store's keys: from `start` on and before `end`. */
export interface KeySpan {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** The head of a group: its promise, and which entries there must be. */
export interface GroupHead extends LogBounds {
  hardState: StoredHardState | null;
}

/** The store's keys of one group. */
export class GroupKeys {
  readonly #name: Buffer;
  readonly head: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly stateMeta: Uint8Array;

  constructor(group: string) {
    this.#name = Buffer.from(group);
    assert(
      this.#name.length >= 1 && this.#name.length <= GROUP_NAME_BYTES_MAX && !this.#name.includes(0),
      'a group has a name that the store can hold',
    );
    this.head = this.#key(Tag.Head, EMPTY);
    this.snapshot = this.#key(Tag.Snapshot, EMPTY);
    this.stateMeta = this.#key(Tag.StateMeta, EMPTY);
  }

  log(index: number): Uint8Array {
    return this.#key(Tag.Log, numbers(index));
  }

  audit(index: number): Uint8Array {
    return this.#key(Tag.Audit, numbers(index));
  }

  state(key: Uint8Array): Uint8Array {
    if (key.length <= SHORT_KEY_BYTES_MAX) return this.#key(Tag.ShortKey, key);
    return this.#key(Tag.LongKey, createHash('sha256').update(key).digest());
  }

  get logSpan(): KeySpan {
    return { start: this.#key(Tag.Log, EMPTY), end: this.#key(Tag.Log + 1, EMPTY) };
  }

  get stateSpan(): KeySpan {
    return { start: this.#key(Tag.ShortKey, EMPTY), end: this.#key(Tag.LongKey + 1, EMPTY) };
  }

  auditSpan(fromIndex: number): KeySpan {
    return { start: this.audit(fromIndex), end: this.#key(Tag.Audit + 1, EMPTY) };
  }

  /** The first key that belongs to a later group. */
  get end(): Uint8Array {
    return Buffer.concat([this.#name, Buffer.from([1])]);
  }

  /** Our key of a state's key and body; null where the two cannot belong together. */
  stateOf(storeKey: Uint8Array, body: Uint8Array): [key: Uint8Array, state: Uint8Array] | null {
    const at = this.#name.length + 1;
    if (storeKey[at] === Tag.ShortKey) return [storeKey.slice(at + 1), body];
    if (body.length < KEY_LENGTH_BYTES) return null;
    const keyEnd = KEY_LENGTH_BYTES + new DataView(body.buffer, body.byteOffset).getUint32(0);
    if (keyEnd > body.length) return null;
    return [body.slice(KEY_LENGTH_BYTES, keyEnd), body.slice(keyEnd)];
  }

  #key(tag: number, rest: Uint8Array): Uint8Array {
    const key = new Uint8Array(this.#name.length + 2 + rest.length);
    key.set(this.#name);
    key[this.#name.length + 1] = tag;
    key.set(rest, this.#name.length + 2);
    return key;
  }
}

/** The group whose key it is, null for a key of the store's own. */
export function groupOfKey(storeKey: Uint8Array): string | null {
  const end = storeKey.indexOf(0);
  return end <= 0 ? null : Buffer.from(storeKey.subarray(0, end)).toString();
}

/** The log index at a key's end. */
export function indexOfKey(storeKey: Uint8Array): number {
  return numberAt(storeKey, storeKey.length - NUMBER_BYTES);
}

/** Body and checksum as one value, written to the block. */
export function sealed(storeKey: Uint8Array, block: BatchBlock, ...body: readonly Uint8Array[]): Uint8Array {
  let sum = crc32(storeKey);
  for (const part of body) sum = crc32(part, sum);
  const checksum = new Uint8Array(CRC_BYTES);
  new DataView(checksum.buffer).setUint32(0, sum);
  return block.add(checksum, ...body);
}

/** The body of a value, a view of plain bytes; null where it is not what was written under this key. */
export function unsealed(storeKey: Uint8Array, value: Uint8Array): Uint8Array | null {
  if (value.length < CRC_BYTES) return null;
  const body = new Uint8Array(value.buffer, value.byteOffset + CRC_BYTES, value.length - CRC_BYTES);
  const sum = new DataView(value.buffer, value.byteOffset).getUint32(0);
  return crc32(body, crc32(storeKey)) === sum ? body : null;
}

export function entryParts(entry: StoredLogEntry): [Uint8Array, Uint8Array] {
  assert(Number.isInteger(entry.kind) && entry.kind >= 0 && entry.kind <= KIND_MAX, 'the kind of an entry is a byte');
  const start = new Uint8Array(NUMBER_BYTES + 1);
  start.set(numbers(entry.term));
  start[NUMBER_BYTES] = entry.kind;
  return [start, entry.data];
}

export function entryOf(index: number, body: Uint8Array): StoredLogEntry | null {
  const kind = body[NUMBER_BYTES];
  return kind === undefined ? null : { index, term: numberAt(body, 0), kind, data: body.slice(NUMBER_BYTES + 1) };
}

export function headBody({ hardState, firstIndex, lastIndex }: GroupHead): Uint8Array {
  const { term, votedFor, commit } = hardState ?? { term: 0, votedFor: 0, commit: 0 };
  return Buffer.concat([
    Buffer.from([hardState === null ? 0 : 1]),
    numbers(term, votedFor, commit, firstIndex, lastIndex),
  ]);
}

export function headOf(body: Uint8Array): GroupHead | null {
  if (body.length !== 1 + 5 * NUMBER_BYTES) return null;
  const [term, votedFor, commit, firstIndex, lastIndex] = [0, 1, 2, 3, 4].map((at) =>
    numberAt(body, 1 + at * NUMBER_BYTES),
  );
  if (term === undefined || votedFor === undefined || commit === undefined) return null;
  if (firstIndex === undefined || lastIndex === undefined) return null;
  return { hardState: body[0] === 0 ? null : { term, votedFor, commit }, firstIndex, lastIndex };
}

export function snapshotParts({ index, term, meta }: StoredSnapshot): [Uint8Array, Uint8Array] {
  return [numbers(index, term), meta];
}

export function snapshotOf(body: Uint8Array): StoredSnapshot | null {
  if (body.length < 2 * NUMBER_BYTES) return null;
  return { index: numberAt(body, 0), term: numberAt(body, NUMBER_BYTES), meta: body.slice(2 * NUMBER_BYTES) };
}

/** The body under `GroupKeys.state(key)`. */
export function stateParts(key: Uint8Array, state: Uint8Array): readonly Uint8Array[] {
  if (key.length <= SHORT_KEY_BYTES_MAX) return [state];
  const length = new Uint8Array(KEY_LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, key.length);
  return [length, key, state];
}

function numbers(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * NUMBER_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [position, value] of values.entries()) {
    assert(Number.isInteger(value) && value >= 0 && value < NUMBER_LIMIT, 'terms and indexes count up from 0');
    view.setUint16(position * NUMBER_BYTES, Math.floor(value / 2 ** 32));
    view.setUint32(position * NUMBER_BYTES + 2, value % 2 ** 32);
  }
  return bytes;
}

function numberAt(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2);
}
