import { ByteWriter } from '../base/bytes.ts';
import { VarintCursor, writeVarint } from '../base/varint.ts';
import type { Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import { UPDATE_KIND_MAX, UpdateKind, type Update } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';
import type { ChunkMemory } from './chunk-memory.ts';

/**
 * Consecutive transactions of one origin as columns: what the log keeps, what a frame carries and what is applied from, one run of
 * bytes that is never unpacked. Numbers are varints; each column is read by a cursor of its own.
 *
 *     updates, bytes of each column but the last ‖ stamps ‖ deps ‖ counts ‖ kinds ‖ lengths ‖ numbers ‖ content
 *
 *     stamps   the first is absolute, the rest are differences to the one before; a transaction each
 *     deps     changes of the origin's running deps: transactions on from the change before, origin, sequence
 *     counts   updates of each transaction; empty where each has one
 *     kinds    runs: kind (with `TIMELESS`, where there is no time), how many updates of it follow each other
 *     lengths  of those parts that an update's kind has: key, field, value
 *     numbers  times and bases of the kinds that have them
 *     content  keys, fields and values, one after the other
 */
export interface Columns {
  readonly bytes: Uint8Array;
  readonly updates: number;
  readonly stampsAt: number;
  readonly depsAt: number;
  readonly countsAt: number;
  readonly kindsAt: number;
  readonly lengthsAt: number;
  readonly numbersAt: number;
  readonly contentAt: number;
}

/** Which parts an update of a kind has. `at` is one number, `base` two. */
interface Parts {
  readonly key: boolean;
  readonly field: boolean;
  readonly value: boolean;
  readonly at: boolean;
  readonly base: boolean;
}

const parts = (key: boolean, field: boolean, value: boolean, at: boolean, base: boolean): Parts => ({
  key,
  field,
  value,
  at,
  base,
});

const table: (Parts | null)[] = Array.from({ length: UPDATE_KIND_MAX + 1 }, () => null);
table[UpdateKind.Set] = parts(true, false, true, true, false);
table[UpdateKind.Delete] = parts(true, false, false, false, false);
table[UpdateKind.DeleteString] = parts(true, false, false, false, false);
table[UpdateKind.Increment] = parts(true, false, true, false, true);
table[UpdateKind.Expire] = parts(true, false, false, true, true);
table[UpdateKind.HashSet] = parts(true, true, true, false, false);
table[UpdateKind.HashDelete] = parts(true, true, false, false, false);
table[UpdateKind.HashIncrement] = parts(true, true, true, false, false);
table[UpdateKind.SetAdd] = parts(true, true, false, false, false);
table[UpdateKind.SetRemove] = parts(true, true, false, false, false);
table[UpdateKind.FlushAll] = parts(false, false, false, false, false);
table[UpdateKind.Publish] = parts(false, true, true, false, false);
table[UpdateKind.CloseIncarnations] = parts(false, false, false, true, false);
table[UpdateKind.DocumentSet] = parts(true, false, true, false, false);
table[UpdateKind.DocumentEdit] = parts(true, true, true, false, true);
table[UpdateKind.DeleteDocument] = parts(true, false, false, false, false);
table[UpdateKind.DocumentGeneration] = parts(true, false, true, false, true);
table[UpdateKind.Fill] = parts(true, false, true, true, true);

/** By kind; null for numbers that no kind has. */
export const PARTS: readonly (Parts | null)[] = table;

/** Added to the kind of updates whose time is Infinity, which is then not sent: most of all writes. */
export const TIMELESS = 0x80;

/** Times that are near the one before go as the difference, above this; 0 says that the time itself follows. */
const NEAR_TIME_BASE = 1;
const NEAR_TIME_MS_MAX = 2 ** 30;

/** Collects an origin's transactions of one turn, encoded as they come. */
export class ColumnsBuilder {
  readonly #stamps: ByteWriter = new ByteWriter(256);
  readonly #deps: ByteWriter = new ByteWriter(256);
  readonly #counts: ByteWriter = new ByteWriter(256);
  readonly #kinds: ByteWriter = new ByteWriter(64);
  readonly #lengths: ByteWriter = new ByteWriter(512);
  readonly #numbers: ByteWriter = new ByteWriter(256);
  readonly #content: ByteWriter = new ByteWriter(4096);
  readonly #head: ByteWriter = new ByteWriter(64);
  readonly #cursor: VarintCursor = new VarintCursor(new Uint8Array(0), 0);
  #transactions = 0;
  #updates = 0;
  /** Whether a transaction was begun to which updates may be added. */
  #isOpen = false;
  /** Updates of it. */
  #count = 0;
  /** Whether each transaction before the one begun last has one update: as long as that is so their counts are not kept. */
  #areSingle = true;
  #lastStamp = 0;
  #lastDepsIndex = 0;
  #kind = 0;
  #kindCount = 0;
  #lastTimeMs = 0;

  /** Transactions begun. */
  get transactionCount(): number {
    return this.#transactions;
  }

  get contentBytes(): number {
    return this.#content.length;
  }

  /** Begins a transaction. */
  begin(stamp: Stamp, depsChanges: readonly (readonly [Origin, number])[]): void {
    this.#endTransaction();
    for (const [origin, seq] of depsChanges) {
      writeVarint(this.#deps, this.#transactions - this.#lastDepsIndex);
      this.#lastDepsIndex = this.#transactions;
      writeVarint(this.#deps, origin);
      writeVarint(this.#deps, seq);
    }
    writeVarint(this.#stamps, stamp - this.#lastStamp);
    this.#lastStamp = stamp;
    this.#transactions++;
    this.#isOpen = true;
    this.#count = 0;
  }

  #endTransaction(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#areSingle && this.#count === 1) return;
    this.#beginCounts(this.#transactions - 1);
    writeVarint(this.#counts, this.#count);
  }

  /** Counts are kept from now on; so many transactions before had one update each. */
  #beginCounts(transactions: number): void {
    if (!this.#areSingle) return;
    this.#areSingle = false;
    this.#addSingle(transactions);
  }

  #addSingle(transactions: number): void {
    for (let left = transactions; left > 0; left--) writeVarint(this.#counts, 1);
  }

  /**
   * Adds checked columns of so many transactions that follow those before, run by run of their bytes and not update by update. False, and nothing is added, where
   * they have a time that is told by one before it, of which there is none in these columns.
   */
  append(columns: Columns, transactions: number): boolean {
    if (!isFirstTimeWhole(columns)) return false;
    this.#endTransaction();
    const { bytes, updates, countsAt, kindsAt, lengthsAt, numbersAt, contentAt } = columns;
    this.#appendStamps(columns);
    this.#appendDeps(columns);
    if (kindsAt > countsAt) {
      this.#beginCounts(this.#transactions);
      this.#counts.bytes(bytes, countsAt, kindsAt);
    } else if (!this.#areSingle) this.#addSingle(transactions);
    this.#appendKinds(columns);
    this.#lengths.bytes(bytes, lengthsAt, numbersAt);
    this.#numbers.bytes(bytes, numbersAt, contentAt);
    this.#content.bytes(bytes, contentAt);
    this.#transactions += transactions;
    this.#updates += updates;
    // which was the last one is not known
    this.#lastTimeMs = -Infinity;
    return true;
  }

  #cursorAt(bytes: Uint8Array, at: number): VarintCursor {
    this.#cursor.buf = bytes;
    this.#cursor.at = at;
    return this.#cursor;
  }

  #appendStamps({ bytes, stampsAt, depsAt }: Columns): void {
    const cursor = this.#cursorAt(bytes, stampsAt);
    let stamp = cursor.next();
    writeVarint(this.#stamps, stamp - this.#lastStamp);
    this.#stamps.bytes(bytes, cursor.at, depsAt);
    while (cursor.at < depsAt) stamp += cursor.next();
    this.#lastStamp = stamp;
  }

  #appendDeps({ bytes, depsAt, countsAt }: Columns): void {
    if (depsAt === countsAt) return;
    const cursor = this.#cursorAt(bytes, depsAt);
    let index = this.#transactions + cursor.next();
    writeVarint(this.#deps, index - this.#lastDepsIndex);
    this.#deps.bytes(bytes, cursor.at, countsAt);
    for (;;) {
      cursor.next();
      cursor.next();
      if (cursor.at >= countsAt) break;
      index += cursor.next();
    }
    this.#lastDepsIndex = index;
  }

  #appendKinds({ bytes, kindsAt, lengthsAt }: Columns): void {
    const cursor = this.#cursorAt(bytes, kindsAt);
    while (cursor.at < lengthsAt) {
      const kind = bytes[cursor.at++] as number;
      this.#inRun(kind, PARTS[kind & ~TIMELESS] as Parts);
      this.#kindCount += cursor.next();
    }
  }

  /** Adds an update to the transaction begun last, copying it. */
  add(update: Update): void {
    const has = PARTS[update.kind] as Parts;
    this.#count++;
    this.#updates++;
    const isTimeless = has.at && update.atMs === Infinity;
    this.#inRun(isTimeless ? update.kind | TIMELESS : update.kind, has);
    this.#kindCount++;
    if (has.key) this.#range(update.key);
    if (has.field) this.#range(update.field);
    if (has.value) this.#range(update.value);
    if (has.at && !isTimeless) this.#time(update.atMs);
    if (has.base) {
      writeVarint(this.#numbers, update.baseOrigin);
      writeVarint(this.#numbers, update.baseSeq);
    }
  }

  #range(range: Update['key']): void {
    writeVarint(this.#lengths, range.end - range.start);
    this.#content.bytes(range.buf, range.start, range.end);
  }

  #time(atMs: number): void {
    const step = atMs - this.#lastTimeMs;
    if (Math.abs(step) < NEAR_TIME_MS_MAX) {
      writeVarint(this.#numbers, NEAR_TIME_BASE + (step < 0 ? -step * 2 - 1 : step * 2));
    } else {
      writeVarint(this.#numbers, 0);
      writeVarint(this.#numbers, atMs);
    }
    this.#lastTimeMs = atMs;
  }

  /** What comes next is of this kind. */
  #inRun(kind: number, has: Parts): void {
    if (kind === this.#kind && isRepeatable(has)) return;
    this.#endRun();
    this.#kind = kind;
  }

  #endRun(): void {
    if (this.#kindCount === 0) return;
    this.#kinds.byte(this.#kind);
    writeVarint(this.#kinds, this.#kindCount);
    this.#kindCount = 0;
  }

  /** The bytes of what was collected, for the caller to keep, with so many that are its own before them; begins anew. */
  take(room = 0, memory: ChunkMemory | null = null): Uint8Array {
    this.#endTransaction();
    this.#endRun();
    const columns = [this.#stamps, this.#deps, this.#counts, this.#kinds, this.#lengths, this.#numbers];
    writeVarint(this.#head, this.#updates);
    for (const { length } of columns) writeVarint(this.#head, length);
    columns.unshift(this.#head);
    columns.push(this.#content);
    let length = room;
    for (const column of columns) length += column.length;
    const bytes = memory === null ? new Uint8Array(length) : memory.allocate(length);
    let at = room;
    for (const column of columns) {
      at = copyInto(bytes, at, column);
      column.clear();
    }
    this.#clear();
    return room === 0 ? bytes : bytes.subarray(room);
  }

  #clear(): void {
    this.#transactions = 0;
    this.#updates = 0;
    this.#count = 0;
    this.#areSingle = true;
    this.#lastStamp = 0;
    this.#lastDepsIndex = 0;
    this.#kind = 0;
    this.#lastTimeMs = 0;
  }
}

/** Most columns of a calm turn have a few bytes, for which a view would cost more than the copy. */
const VIEW_FROM_BYTES = 48;

function copyInto(bytes: Uint8Array, at: number, { buf, length }: ByteWriter): number {
  if (length < VIEW_FROM_BYTES) for (let each = 0; each < length; each++) bytes[at + each] = buf[each] as number;
  else bytes.set(buf.subarray(0, length), at);
  return at + length;
}

/** Whether the first of the times, if there are any, says by itself which time it is. */
function isFirstTimeWhole({ bytes, kindsAt, lengthsAt, numbersAt, contentAt }: Columns): boolean {
  if (numbersAt === contentAt) return true;
  const kinds = new VarintCursor(bytes, kindsAt);
  let areBasesBefore = false;
  while (kinds.at < lengthsAt) {
    const kind = bytes[kinds.at++] as number;
    const { at, base } = PARTS[kind & ~TIMELESS] as Parts;
    if (at && (kind & TIMELESS) === 0) return !areBasesBefore && bytes[numbersAt] === 0;
    areBasesBefore ||= base;
    kinds.next();
  }
  return true;
}

/** Whether updates of a kind may follow each other in one run: each takes bytes then, so that a run is no longer than they are. */
export function isRepeatable(has: Parts): boolean {
  return has.key || has.field || has.at;
}

/** Where the columns begin. Throws PROTOCOL where they cannot be there; what is in them is checked by `checkColumns`. */
export function columnsOf(bytes: Uint8Array): Columns {
  const head = new VarintCursor(bytes, 0);
  const updates = head.next();
  const stamps = head.next();
  const deps = head.next();
  const counts = head.next();
  const kinds = head.next();
  const lengths = head.next();
  const numbers = head.next();
  const stampsAt = head.at;
  const contentAt = stampsAt + stamps + deps + counts + kinds + lengths + numbers;
  if (Math.min(updates, stamps, deps, counts, kinds, lengths, numbers) < 0 || contentAt > bytes.length)
    throw new CausewayError('PROTOCOL', 'transactions refused: the columns are longer than their bytes');
  const depsAt = stampsAt + stamps;
  const countsAt = depsAt + deps;
  const kindsAt = countsAt + counts;
  const lengthsAt = kindsAt + kinds;
  const numbersAt = lengthsAt + lengths;
  return { bytes, updates, stampsAt, depsAt, countsAt, kindsAt, lengthsAt, numbersAt, contentAt };
}

/** A time as `ColumnsBuilder` writes it, after `lastMs`; below 0 for what is none. */
export function nextTime(numbers: VarintCursor, lastMs: number): number {
  const near = numbers.next() - NEAR_TIME_BASE;
  if (near === -NEAR_TIME_BASE) return numbers.next();
  if (near < 0) return -1;
  return near % 2 === 0 ? lastMs + near / 2 : lastMs - (near + 1) / 2;
}
