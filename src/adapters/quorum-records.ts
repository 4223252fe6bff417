import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import type { StoredHardState, StoredSnapshot } from '../ports.ts';
import type { LogBounds } from './quorum-log-bounds.ts';
import { bodyOf, NUMBER_BYTES, numberAt, writeNumber, type RecordBlock } from './record-block.ts';

/**
 * What the keys and values of the quorum's store look like. All groups are in one tree; what a commit touches of a group lies side by
 * side, so that it is one or two pages: the end of the log, then the head.
 *
 *     key    group ‖ 00 ‖ tag ‖ rest        rest: log index, 6 bytes big endian; or the state's key; or nothing
 *     value  CRC-32 seeded by the key, 4 bytes big endian ‖ body
 *
 *     log       entries from the index in the key on (see `quorum-log-runs.ts`)
 *     head      has hard state (1) ‖ term (6) ‖ voted for (6) ‖ commit (6) ‖ first index (6) ‖ last index (6) ‖ where the last run begins (6)
 *     snapshot  index (6) ‖ term (6) ‖ meta
 *     state     state, or under SHA-256 of a long key: length of the key (4) ‖ key ‖ state
 *     row       as it came
 *     generation  which of those that follow is the state (6); without it that is the first, whose keys say nothing of it
 *
 *     Later ‖ generation (6) ‖ tag ‖ rest     keys and rows of later generations: a state that came in takes the place of another in one
 *                                             step, and what was the state goes bit by bit
 */
const Tag = {
  Audit: 1,
  Log: 2,
  Head: 3,
  Snapshot: 4,
  StateMeta: 5,
  ShortKey: 6,
  LongKey: 7,
  Row: 8,
  Generation: 9,
  Later: 10,
} as const;

const KEY_LENGTH_BYTES = 4;
const HEAD_BYTES: number = 1 + 6 * NUMBER_BYTES;
const GROUP_NAME_BYTES_MAX = 255;
/** Longer keys of the state are stored under their digest: a key of the store has at most 1978 bytes. */
const SHORT_KEY_BYTES_MAX = 1024;
const ROW_KEY_BYTES_MAX = 64;

const EMPTY = new Uint8Array(0);

/** A part of the store's keys: from `start` on and before `end`. */
export interface KeySpan {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** The head of a group: its promise, and which entries there must be. */
export interface GroupHead extends LogBounds {
  hardState: StoredHardState | null;
  /** The index at which the last run of the log begins, 0 for an empty log. */
  lastRun: number;
}

/** The store's keys of one group. */
export class GroupKeys {
  readonly #name: Buffer;
  readonly #logPrefix: Uint8Array;
  readonly #logSeed: number;
  readonly head: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly stateMeta: Uint8Array;
  readonly generation: Uint8Array;

  constructor(group: string) {
    this.#name = Buffer.from(group);
    assert(
      this.#name.length >= 1 && this.#name.length <= GROUP_NAME_BYTES_MAX && !this.#name.includes(0),
      'a group has a name that the store can hold',
    );
    this.#logPrefix = this.#key(Tag.Log, EMPTY);
    this.#logSeed = crc32(this.#logPrefix);
    this.head = this.#key(Tag.Head, EMPTY);
    this.snapshot = this.#key(Tag.Snapshot, EMPTY);
    this.stateMeta = this.#key(Tag.StateMeta, EMPTY);
    this.generation = this.#key(Tag.Generation, EMPTY);
  }

  /** Of a run of log entries. */
  log(index: number): Uint8Array {
    const key = new Uint8Array(this.#logPrefix.length + NUMBER_BYTES);
    key.set(this.#logPrefix);
    writeNumber(key, this.#logPrefix.length, index);
    return key;
  }

  /** The seed of the checksum of a run: that of another index is another. */
  logSeed(index: number): number {
    return (this.#logSeed ^ index ^ Math.floor(index / 2 ** 32)) >>> 0;
  }

  audit(index: number): Uint8Array {
    const rest = new Uint8Array(NUMBER_BYTES);
    writeNumber(rest, 0, index);
    return this.#key(Tag.Audit, rest);
  }

  /** Of a key in a generation of the state. */
  state(key: Uint8Array, generation: number): Uint8Array {
    if (key.length <= SHORT_KEY_BYTES_MAX) return this.#inGeneration(Tag.ShortKey, key, generation);
    return this.#inGeneration(Tag.LongKey, createHash('sha256').update(key).digest(), generation);
  }

  row(key: Uint8Array, generation: number): Uint8Array {
    assert(key.length <= ROW_KEY_BYTES_MAX, 'the key of a row is short');
    return this.#inGeneration(Tag.Row, key, generation);
  }

  #inGeneration(tag: number, rest: Uint8Array, generation: number): Uint8Array {
    if (generation === 0) return this.#key(tag, rest);
    const later = new Uint8Array(NUMBER_BYTES + 1 + rest.length);
    writeNumber(later, 0, generation);
    later[NUMBER_BYTES] = tag;
    later.set(rest, NUMBER_BYTES + 1);
    return this.#key(Tag.Later, later);
  }

  get logSpan(): KeySpan {
    return { start: this.#logPrefix, end: this.#key(Tag.Log + 1, EMPTY) };
  }

  stateSpan(generation: number): KeySpan {
    return {
      start: this.#inGeneration(Tag.ShortKey, EMPTY, generation),
      end: this.#inGeneration(Tag.LongKey + 1, EMPTY, generation),
    };
  }

  rowSpan(generation: number): KeySpan {
    return {
      start: this.#inGeneration(Tag.Row, EMPTY, generation),
      end: this.#inGeneration(Tag.Row + 1, EMPTY, generation),
    };
  }

  /** All generations but the first. */
  get laterSpan(): KeySpan {
    return { start: this.#key(Tag.Later, EMPTY), end: this.#key(Tag.Later + 1, EMPTY) };
  }

  /** Of keys and rows that are neither state nor kept aside, 0 for nothing being kept aside. */
  goneSpans(generation: number, aside: number): KeySpan[] {
    const { start, end } = this.laterSpan;
    const begin = (of: number): Uint8Array => this.#inGeneration(0, EMPTY, of);
    const first = { start: this.#key(Tag.ShortKey, EMPTY), end: this.#key(Tag.Row + 1, EMPTY) };
    const between = { start: begin(generation + 1), end: aside === 0 ? end : begin(aside) };
    return generation === 0 ? [between] : [first, { start, end: begin(generation) }, between];
  }

  /** The generation of a key in `laterSpan`. */
  generationOf(storeKey: Uint8Array): number {
    return numberAt(storeKey, this.#name.length + 2);
  }

  /** The key that a row was put under. */
  rowKeyOf(storeKey: Uint8Array): Uint8Array {
    return storeKey.slice(this.#restAt(storeKey));
  }

  /** Where what follows the last tag begins. */
  #restAt(storeKey: Uint8Array): number {
    const at = this.#name.length + 1;
    return storeKey[at] === Tag.Later ? at + 2 + NUMBER_BYTES : at + 1;
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
    const at = this.#restAt(storeKey);
    if (storeKey[at - 1] === Tag.ShortKey) return [storeKey.slice(at), body];
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

/** The seed of the checksum of every value but those of the log. */
export function seedOf(storeKey: Uint8Array): number {
  return crc32(storeKey);
}

/** The body of a value but one of the log, a view of plain bytes; null where it is not what was written under this key. */
export function unsealed(storeKey: Uint8Array, value: Uint8Array): Uint8Array | null {
  return bodyOf(value, seedOf(storeKey));
}

export function headValue(
  block: RecordBlock,
  { hardState, firstIndex, lastIndex, lastRun }: GroupHead,
  seed: number,
): Uint8Array {
  block.begin(HEAD_BYTES).byte(hardState === null ? 0 : 1);
  block
    .number(hardState?.term ?? 0)
    .number(hardState?.votedFor ?? 0)
    .number(hardState?.commit ?? 0);
  return block.number(firstIndex).number(lastIndex).number(lastRun).end(seed);
}

export function headOf(body: Uint8Array): GroupHead | null {
  if (body.length !== HEAD_BYTES) return null;
  const number = (position: number): number => numberAt(body, 1 + position * NUMBER_BYTES);
  const hardState = { term: number(0), votedFor: number(1), commit: number(2) };
  return {
    hardState: body[0] === 0 ? null : hardState,
    firstIndex: number(3),
    lastIndex: number(4),
    lastRun: number(5),
  };
}

export function generationValue(block: RecordBlock, generation: number, seed: number): Uint8Array {
  return block.begin(NUMBER_BYTES).number(generation).end(seed);
}

export function snapshotValue(block: RecordBlock, { index, term, meta }: StoredSnapshot, seed: number): Uint8Array {
  return block
    .begin(2 * NUMBER_BYTES + meta.length)
    .number(index)
    .number(term)
    .copy(meta)
    .end(seed);
}

export function snapshotOf(body: Uint8Array): StoredSnapshot | null {
  if (body.length < 2 * NUMBER_BYTES) return null;
  return { index: numberAt(body, 0), term: numberAt(body, NUMBER_BYTES), meta: body.slice(2 * NUMBER_BYTES) };
}

/** The value under `GroupKeys.state(key)`. */
export function stateValue(block: RecordBlock, key: Uint8Array, state: Uint8Array, seed: number): Uint8Array {
  if (key.length <= SHORT_KEY_BYTES_MAX) return block.begin(state.length).copy(state).end(seed);
  const length = new Uint8Array(KEY_LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, key.length);
  return block
    .begin(KEY_LENGTH_BYTES + key.length + state.length)
    .copy(length)
    .copy(key)
    .copy(state)
    .end(seed);
}
