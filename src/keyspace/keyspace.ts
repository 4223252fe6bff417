import type { ByteRange } from '../base/bytes.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { Operation } from '../crdt/document-edits.ts';
import type { DocumentNode } from '../crdt/document.ts';
import type { ContentType } from '../crdt/entry.ts';
import type { KeptSibling, ShownSiblings } from '../crdt/sibling-content.ts';
import type { KeyVersions } from './versions.ts';

export { ContentType } from '../crdt/entry.ts';
export type { KeptSibling, ShownSiblings } from '../crdt/sibling-content.ts';

/** A handle of an entry, valid until the next update; -1 is none. */
export type Slot = number;
export const NO_SLOT = -1;

/** Keys whose memory is asked for together. */
export const READ_AHEAD_MAX = 16;

/** Reads of a hash. Views handed to a visitor are good for that call only. */
export interface HashReader {
  readonly size: number;
  has(field: ByteRange): boolean;
  /** Points `into` at the field's value; false when it is absent. */
  get(field: ByteRange, into: ByteRange): boolean;
  /** The field and value at a position, 0 ≤ index < size; positions change with every update of the hash. */
  at(index: number, field: ByteRange, value: ByteRange): void;
}

/** Reads of a set. */
export interface SetReader {
  readonly size: number;
  has(member: ByteRange): boolean;
  /** The member at a position, 0 ≤ index < size; positions change with every update of the set. */
  at(index: number, member: ByteRange): void;
}

/** All of a string that nothing has superseded (SPEC V5), and what shows of it. */
export interface KeptSiblings {
  /** In the order of writes, the latest last; one at least. */
  readonly siblings: readonly KeptSibling[];
  readonly shown: ShownSiblings;
}

/** When keys were used last at this node, and how often of late. What others do with a key is no use of it here. */
export interface KeyUses {
  touch(slot: Slot): void;
  /** Seconds since the last use, as far as ticks told the time. */
  idleSeconds(slot: Slot): number;
  /** 0 … 3: more is not told apart. */
  uses(slot: Slot): number;
}

/** Keys in the order of their bytes. */
export interface OrderedKeys {
  /**
   * Visits visible keys that begin with a prefix and stand behind `after` (both latin1; null is their beginning) until about `budget` keys were looked at. Returns behind which to go on, null at
   * the end. It looks at no other keys. The visitor must not update.
   */
  visit(
    prefix: string,
    after: string | null,
    budget: number,
    nowMs: number,
    visitor: (slot: Slot) => void,
  ): string | null;
}

/**
 * What commands read. Keys arrive as bytes with their hash and values leave as byte ranges (views of the store's memory or
 * of a scratch buffer, good until the next call of the same method on the keyspace), so that the store under it can be a Map or a slab.
 */
export interface KeyspaceReader {
  /** The store's own keyed hash of a key, to be computed once a command and passed on. */
  hashOf(key: ByteRange): number;
  /** Says that keys of the first `count` of these hashes, `READ_AHEAD_MAX` at most, are looked up next: their memory is asked for together. Changes nothing. */
  readAhead(hashes: Int32Array, count: number): void;
  readonly access: KeyUses;
  /** The entry of a key that is visible at `nowMs` (it exists and is not expired), else NO_SLOT. */
  find(key: ByteRange, hash: number, nowMs: number): Slot;
  /** As `find`, for a write that is sure to follow: that has a dot of its own, which has seen all that is here, so that nothing is noted as read. */
  findToWrite(key: ByteRange, hash: number, nowMs: number): Slot;
  typeOf(slot: Slot): ContentType;
  /** Points `into` at the string's bytes (a counter's as text). */
  stringInto(slot: Slot, into: ByteRange): void;
  /** What a string shows that is a whole number, where that is known without its text and exact; null for all else. */
  countAt(slot: Slot): number | null;
  readonly versions: Pick<KeyVersions, 'at' | 'floorOf'>;
  /** The writes that a string shows; it is one where the key's class keeps no siblings. */
  siblingsAt(slot: Slot): KeptSiblings;
  /** Unix milliseconds, Infinity for none. */
  expiryOf(slot: Slot): number;
  hashAt(slot: Slot): HashReader;
  setAt(slot: Slot): SetReader;
  /** The root of a document; nodes are good until the next update. */
  documentAt(slot: Slot): DocumentNode;
  keyInto(slot: Slot, into: ByteRange): void;
  /** Keys that show something and were not yet found to be expired: DBSIZE. */
  readonly count: number;
  /** How many of `count` have an expiry. */
  readonly expiringCount: number;
  /** Places that a FLUSHALL or a snapshot, which counts already, is still to go through. */
  readonly pendingCount: number;
  /**
   * Visits visible keys from a cursor on (0 begins) until about `budget` places were looked at, and returns the next
   * cursor, 0 at the end. A key that is there all along is visited at least once (SCAN's promise). The visitor must not update.
   */
  scan(cursor: number, budget: number, nowMs: number, visit: (slot: Slot) => void): number;
  /** Null while the order is not known: who asks brings it on, and scans them all until then. To be asked again after each update. */
  ordered(): OrderedKeys | null;
  /** A visible key chosen by `unit` in [0, 1), NO_SLOT when there is none. */
  random(unit: number, nowMs: number): Slot;
}

/** Numbers of a mark: which write of which key a slot shows. Flat, so that a reader that keeps many values finds what it compares in one place. */
export const MARK_NUMBERS = 4;

/**
 * How a command changes things. Every call is applied locally at once (a later read of the same command sees it) and
 * becomes one update of the command's transaction; EXEC makes one transaction of all its commands.
 * Writing to a key that is hidden (expired, or a losing type) first removes what is hidden (RULES V7): callers need not care.
 * Callers validate before the first call: nothing is undone.
 */
export interface TransactionWriter {
  /** SET: the key becomes this string, whatever it was; `expireAtMs` Infinity for none. */
  set(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number): void;
  /** Keeps the expiry that the key has: for APPEND, SETRANGE, SET KEEPTTL. As `set`, it ends all siblings that are here (CW.RESOLVE). */
  setKeepingExpiry(key: ByteRange, hash: number, value: ByteRange): void;
  /** DEL of a visible key. */
  delete(key: ByteRange, hash: number): void;
  /** What a load brought, at the place in the order that its stamp gives it (RULES V8). */
  fill(key: ByteRange, hash: number, value: ByteRange, expireAtMs: number, stamp: Stamp): void;
  /** A removal of a key that shows nothing, where loads may be on their way: what they bring is older (RULES V8). */
  invalidate(key: ByteRange, hash: number): void;
  /** Adds to a string counter (absent = 0). The caller has checked that the sum stays a 64-bit integer. `slot` as for `hashSet`. */
  increment(key: ByteRange, hash: number, delta: number | bigint, slot?: Slot): void;
  /** Adds units of 10^-17 (`base/decimal.ts`) to a string counter. */
  incrementDecimal(key: ByteRange, hash: number, deltaUnits: bigint): void;
  /** Sets the expiry of a visible key; Infinity is PERSIST. */
  expire(key: ByteRange, hash: number, atMs: number): void;
  /** Says whether the field is new. `slot` is the key's where the caller has just found it (`findToWrite`); without it, or where it is below 0, the key is looked up. */
  hashSet(key: ByteRange, hash: number, field: ByteRange, value: ByteRange, slot?: Slot): boolean;
  hashDelete(key: ByteRange, hash: number, field: ByteRange): void;
  hashIncrement(key: ByteRange, hash: number, field: ByteRange, delta: bigint): void;
  hashIncrementDecimal(key: ByteRange, hash: number, field: ByteRange, deltaUnits: bigint): void;
  /** Says whether the member is new. One that is not is added again: the fresh add survives a removal that is on its way from elsewhere. `slot` as for `hashSet`. */
  setAdd(key: ByteRange, hash: number, member: ByteRange, slot?: Slot): boolean;
  setRemove(key: ByteRange, hash: number, member: ByteRange): void;
  /** The key becomes a document with this JSON (UTF-8) for its root; a key that shows something keeps its expiry. */
  documentSet(key: ByteRange, hash: number, json: ByteRange): void;
  /** Edits a visible document. */
  documentEdit(key: ByteRange, hash: number, operations: readonly Operation[]): void;
  flushAll(): void;
  publish(channel: ByteRange, message: ByteRange): void;
}
