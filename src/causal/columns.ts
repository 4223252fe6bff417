import { ByteWriter, latin1Of } from '../base/bytes.ts';
import type { Origin } from '../clock/origin.ts';
import { incarnationOf, INCARNATION_MAX, isOrigin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { parseCommand } from '../crdt/document-edits.ts';
import { parseJson } from '../crdt/document-json.ts';
import { isDocumentUpdate } from '../crdt/document.ts';
import { UPDATE_KIND_MAX, UpdateKind, type Update } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';

/**
 * Consecutive transactions of one origin as columns: what the log keeps (encoded), what a frame carries and what is applied
 * from. `lengths`, `numbers` and `blob` hold, update by update, just the parts that the update's kind has.
 */
export interface Columns {
  /** The first is absolute, the rest are differences to the one before; a transaction each. */
  readonly stamps: readonly number[];
  /** Changes of the origin's running deps, flat: index of the transaction, origin, sequence. */
  readonly deps: readonly number[];
  /** Updates of each transaction. */
  readonly counts: readonly number[];
  readonly kinds: Uint8Array;
  readonly lengths: readonly number[];
  readonly numbers: readonly number[];
  readonly blob: Uint8Array;
}

/** Which parts an update of a kind has. `at` is one number (−1 for Infinity), `base` two. */
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

const PARTS: readonly (Parts | null)[] = (() => {
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
  return table;
})();

/** Collects an origin's transactions of one turn. */
export class ColumnsBuilder {
  #stamps: number[] = [];
  #deps: number[] = [];
  #counts: number[] = [];
  #kinds: number[] = [];
  #lengths: number[] = [];
  #numbers: number[] = [];
  readonly #blob: ByteWriter = new ByteWriter(4096);
  #lastStamp = 0;

  /** Transactions begun. */
  get transactionCount(): number {
    return this.#counts.length;
  }

  get blobBytes(): number {
    return this.#blob.length;
  }

  /** Begins a transaction. */
  begin(stamp: Stamp, depsChanges: readonly (readonly [Origin, number])[]): void {
    for (const [origin, seq] of depsChanges) this.#deps.push(this.#counts.length, origin, seq);
    this.#stamps.push(this.#counts.length === 0 ? stamp : stamp - this.#lastStamp);
    this.#lastStamp = stamp;
    this.#counts.push(0);
  }

  /** Adds an update to the transaction begun last, copying it. */
  add(update: Update): void {
    const has = PARTS[update.kind] as Parts;
    this.#counts[this.#counts.length - 1] = (this.#counts[this.#counts.length - 1] as number) + 1;
    this.#kinds.push(update.kind);
    for (const [wanted, range] of [
      [has.key, update.key] as const,
      [has.field, update.field] as const,
      [has.value, update.value] as const,
    ]) {
      if (!wanted) continue;
      this.#lengths.push(range.length);
      this.#blob.range(range);
    }
    if (has.at) this.#numbers.push(update.atMs === Infinity ? -1 : update.atMs);
    if (has.base) this.#numbers.push(update.baseOrigin, update.baseSeq);
  }

  /** The columns collected, and begins anew. */
  take(): Columns {
    const columns = {
      stamps: this.#stamps,
      deps: this.#deps,
      counts: this.#counts,
      kinds: Uint8Array.from(this.#kinds),
      lengths: this.#lengths,
      numbers: this.#numbers,
      blob: this.#blob.toBytes(),
    };
    this.#stamps = [];
    this.#deps = [];
    this.#counts = [];
    this.#kinds = [];
    this.#lengths = [];
    this.#numbers = [];
    this.#blob.clear();
    return columns;
  }
}

const refuse = (what: string): never => {
  throw new CausewayError('PROTOCOL', `transactions refused: ${what}`);
};

/** Checks columns from outside whole before anything of them is applied; throws PROTOCOL. */
export function checkColumns(columns: Columns, transactions: number): void {
  if (columns.stamps.length !== transactions || columns.counts.length !== transactions)
    refuse('the count of transactions differs');
  let stamp = 0;
  for (const step of columns.stamps) {
    if (!Number.isSafeInteger(step) || step <= 0) refuse('a stamp does not rise');
    stamp += step;
  }
  if (!Number.isSafeInteger(stamp)) refuse('a stamp is beyond a safe integer');
  checkDeps(columns.deps, transactions);
  let updates = 0;
  for (const count of columns.counts) {
    if (!Number.isInteger(count) || count < 0) refuse('a count of updates is not a number');
    updates += count;
  }
  if (updates !== columns.kinds.length) refuse('the count of updates differs');
  checkUpdates(columns);
}

function checkDeps(deps: readonly number[], transactions: number): void {
  if (deps.length % 3 !== 0) refuse('deps are not triples');
  let index = 0;
  for (let at = 0; at < deps.length; at += 3) {
    const next = deps[at] as number;
    if (!Number.isInteger(next) || next < index || next >= transactions) refuse('deps are out of order');
    index = next;
    const origin = deps[at + 1];
    if (!isOrigin(origin)) return refuse('deps name no origin');
    const seq = deps[at + 2] as number;
    if (!Number.isSafeInteger(seq) || seq < 1) refuse('deps have no sequence');
    if (incarnationOf(origin) === 0 && seq > INCARNATION_MAX) refuse('deps name a floor that no incarnation has');
  }
}

function checkUpdates(columns: Columns): void {
  let lengths = 0;
  let numbers = 0;
  let bytes = 0;
  const text = (from: number, to: number): string => latin1Of(columns.blob, from, to);
  const number = (): number => columns.numbers[numbers++] ?? NaN;
  for (const kind of columns.kinds) {
    const has = PARTS[kind] ?? refuse(`unknown update kind ${kind}`);
    const starts: number[] = [];
    const wanted = (has.key ? 1 : 0) + (has.field ? 1 : 0) + (has.value ? 1 : 0);
    for (let part = 0; part < wanted; part++) {
      const length = columns.lengths[lengths++];
      if (length === undefined || !Number.isInteger(length) || length < 0) refuse('a length is missing');
      starts.push(bytes);
      bytes += length as number;
    }
    if (has.at) {
      const atMs = number();
      if (!Number.isSafeInteger(atMs) || atMs < -1) refuse('a time is not a number');
      if (kind === UpdateKind.CloseIncarnations && (atMs < 1 || atMs > INCARNATION_MAX))
        refuse('a closing of no incarnation');
    }
    if (isDocument(kind) && bytes <= columns.blob.length) {
      const [, second = 0, third = 0] = starts;
      if (kind !== UpdateKind.DocumentEdit && parseJson(text(second, bytes)) === null) refuse('a document is no JSON');
      if (kind === UpdateKind.DocumentEdit) {
        if (parseCommand(text(second, third)) === null) refuse('an edit has no command');
        if (!isDocumentUpdate(columns.blob.subarray(third, bytes))) refuse('an edit has no update');
      }
    }
    if (has.base) {
      const origin = number();
      const seq = number();
      if (origin !== 0 && !isOrigin(origin)) refuse('a base names no origin');
      if (!Number.isSafeInteger(seq) || seq < 0) refuse('a base has no sequence');
    }
  }
  if (lengths !== columns.lengths.length || numbers !== columns.numbers.length)
    refuse('there are parts that no update has');
  if (bytes !== columns.blob.length) refuse('the lengths do not add up to the bytes');
}

function isDocument(kind: number): boolean {
  return kind === UpdateKind.DocumentSet || kind === UpdateKind.DocumentEdit || kind === UpdateKind.DocumentGeneration;
}

/** Walks checked columns transaction by transaction. */
export class ColumnsReader {
  readonly #columns: Columns;
  #transaction = 0;
  #stamp = 0;
  #depsAt = 0;
  #updateAt = 0;
  #lengthAt = 0;
  #numberAt = 0;
  #blobAt = 0;

  constructor(columns: Columns) {
    this.#columns = columns;
    this.#stamp = columns.stamps[0] ?? 0;
  }

  /** Another one at the same transaction. */
  fork(): ColumnsReader {
    const fork = new ColumnsReader(this.#columns);
    fork.#transaction = this.#transaction;
    fork.#stamp = this.#stamp;
    fork.#depsAt = this.#depsAt;
    fork.#updateAt = this.#updateAt;
    fork.#lengthAt = this.#lengthAt;
    fork.#numberAt = this.#numberAt;
    fork.#blobAt = this.#blobAt;
    return fork;
  }

  /** The stamp of the next transaction. */
  get stamp(): Stamp {
    return this.#stamp as Stamp;
  }

  /** Raises `running` by the next transaction's deps changes. Idempotent. */
  raiseDeps(running: VersionVector): void {
    const { deps } = this.#columns;
    for (let at = this.#depsAt; at < deps.length && deps[at] === this.#transaction; at += 3) {
      running.raise(deps[at + 1] as Origin, deps[at + 2] as number);
    }
  }

  /**
   * The first of the next transaction's deps that `vector` lacks. Only what changed is looked at: the rest was met when the
   * transaction before was applied. `own` is the stream itself, which is in order anyway; a floor is never waited for, nor what
   * `closed` says to be closed here.
   */
  missingDep(vector: VersionVector, closed: VersionVector, own: Origin): readonly [Origin, number] | null {
    const { deps } = this.#columns;
    for (let at = this.#depsAt; at < deps.length && deps[at] === this.#transaction; at += 3) {
      const origin = deps[at + 1] as Origin;
      const seq = deps[at + 2] as number;
      if (origin === own || incarnationOf(origin) === 0 || vector.get(origin) >= seq) continue;
      if (!closed.isRetired(origin)) return [origin, seq];
    }
    return null;
  }

  /** Reads the next transaction's updates through one reused record, then moves on. */
  next(update: Update, visit: (update: Update) => void): void {
    const { counts, kinds, stamps, deps } = this.#columns;
    const end = this.#updateAt + (counts[this.#transaction] ?? 0);
    while (this.#updateAt < end) {
      this.#read(kinds[this.#updateAt++] as UpdateKind, update);
      visit(update);
    }
    while (this.#depsAt < deps.length && deps[this.#depsAt] === this.#transaction) this.#depsAt += 3;
    this.#transaction++;
    this.#stamp += stamps[this.#transaction] ?? 0;
  }

  #read(kind: UpdateKind, update: Update): void {
    const has = PARTS[kind] as Parts;
    update.kind = kind;
    this.#range(has.key, update.key);
    this.#range(has.field, update.field);
    this.#range(has.value, update.value);
    const { numbers } = this.#columns;
    update.atMs = Infinity;
    if (has.at) {
      const atMs = numbers[this.#numberAt++] as number;
      if (atMs >= 0) update.atMs = atMs;
    }
    update.baseOrigin = has.base ? (numbers[this.#numberAt++] as number) : 0;
    update.baseSeq = has.base ? (numbers[this.#numberAt++] as number) : 0;
  }

  #range(wanted: boolean, range: Update['key']): void {
    const length = wanted ? (this.#columns.lengths[this.#lengthAt++] as number) : 0;
    range.set(this.#columns.blob, this.#blobAt, this.#blobAt + length);
    this.#blobAt += length;
  }
}
