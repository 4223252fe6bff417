import { latin1Of } from '../base/bytes.ts';
import { VarintCursor } from '../base/varint.ts';
import { incarnationOf, INCARNATION_MAX, isOrigin } from '../clock/origin.ts';
import { isFillStamp } from '../clock/stamp.ts';
import { parseCommand } from '../crdt/document-edits.ts';
import { parseJson } from '../crdt/document-json.ts';
import { isDocumentUpdate } from '../crdt/document.ts';
import { UpdateKind } from '../crdt/update.ts';
import { CausewayError } from '../errors.ts';
import { isRepeatable, nextTime, PARTS, TIMELESS, type Columns } from './columns.ts';

const refuse = (what: string): never => {
  throw new CausewayError('PROTOCOL', `transactions refused: ${what}`);
};

/**
 * Checks columns from outside whole before anything of them is applied; throws PROTOCOL. It takes time in proportion to their bytes and
 * makes nothing: whatever they declare, no more is looked at than is there.
 */
export function checkColumns(columns: Columns, transactions: number): void {
  checkStamps(columns, transactions);
  checkDeps(columns, transactions);
  checkCounts(columns, transactions);
  checkUpdates(columns);
}

function checkStamps({ bytes, stampsAt, depsAt }: Columns, transactions: number): void {
  const cursor = new VarintCursor(bytes, stampsAt);
  let stamp = 0;
  for (let left = transactions; left > 0; left--) {
    if (cursor.at >= depsAt) refuse('the count of transactions differs');
    const step = cursor.next();
    if (step <= 0) refuse('a stamp does not rise');
    stamp += step;
    if (stamp > Number.MAX_SAFE_INTEGER) refuse('a stamp is beyond a safe integer');
  }
  if (cursor.at !== depsAt) refuse('the count of transactions differs');
}

function checkDeps({ bytes, depsAt, countsAt }: Columns, transactions: number): void {
  const cursor = new VarintCursor(bytes, depsAt);
  let index = 0;
  while (cursor.at < countsAt) {
    const step = cursor.next();
    index += step;
    if (step < 0 || index >= transactions) refuse('deps are out of order');
    const origin = cursor.next();
    if (!isOrigin(origin)) return refuse('deps name no origin');
    const seq = cursor.next();
    if (seq < 1) refuse('deps have no sequence');
    if (incarnationOf(origin) === 0 && seq > INCARNATION_MAX) refuse('deps name a floor that no incarnation has');
  }
  if (cursor.at !== countsAt) refuse('deps are not triples');
}

function checkCounts({ bytes, updates, countsAt, kindsAt }: Columns, transactions: number): void {
  if (kindsAt === countsAt) {
    if (updates !== transactions) refuse('the count of updates differs');
    return;
  }
  const cursor = new VarintCursor(bytes, countsAt);
  let sum = 0;
  for (let left = transactions; left > 0; left--) {
    if (cursor.at >= kindsAt) refuse('a count of updates is missing');
    const count = cursor.next();
    if (count < 0) refuse('a count of updates is not a number');
    sum += count;
  }
  if (cursor.at !== kindsAt || sum !== updates) refuse('the count of updates differs');
}

function checkUpdates(columns: Columns): void {
  const { bytes, kindsAt, lengthsAt, numbersAt, contentAt } = columns;
  const kinds = new VarintCursor(bytes, kindsAt);
  const check = new UpdatesCheck(columns);
  let updates = 0;
  while (kinds.at < lengthsAt) {
    const kind = bytes[kinds.at++] as number;
    const count = kinds.next();
    if (count < 1) refuse('a run of updates is none');
    updates += count;
    if (updates > columns.updates) refuse('the count of updates differs');
    check.run(kind, count);
  }
  if (kinds.at !== lengthsAt || updates !== columns.updates) refuse('the count of updates differs');
  if (check.lengths.at !== numbersAt || check.numbers.at !== contentAt) refuse('there are parts that no update has');
  if (check.contentAt !== bytes.length) refuse('the lengths do not add up to the bytes');
}

/** Goes through the parts of updates in their order. */
class UpdatesCheck {
  readonly lengths: VarintCursor;
  readonly numbers: VarintCursor;
  contentAt: number;
  readonly #bytes: Uint8Array;
  readonly #numbersAt: number;
  readonly #numbersEnd: number;
  #timeMs = 0;

  constructor({ bytes, lengthsAt, numbersAt, contentAt }: Columns) {
    this.#bytes = bytes;
    this.#numbersAt = numbersAt;
    this.#numbersEnd = contentAt;
    this.contentAt = contentAt;
    this.lengths = new VarintCursor(bytes, lengthsAt);
    this.numbers = new VarintCursor(bytes, numbersAt);
  }

  run(marked: number, count: number): void {
    const kind = marked & ~TIMELESS;
    const isTimeless = marked !== kind;
    const has = PARTS[kind] ?? refuse(`unknown update kind ${kind}`);
    if (isTimeless && (!has.at || kind === UpdateKind.CloseIncarnations)) refuse('a kind that has a time has none');
    // what takes no bytes could be as many as a number says
    if (count > 1 && !isRepeatable(has)) refuse('a run of updates that have no parts');
    const hasTime = has.at && !isTimeless;
    const isOfDocument = isDocument(kind);
    for (let left = count; left > 0; left--) {
      const fieldAt = has.key ? this.#part() : this.contentAt;
      const valueAt = has.field ? this.#part() : fieldAt;
      if (has.value) this.#part();
      if (hasTime) this.#time(kind);
      if (has.base) this.#base(kind);
      if (isOfDocument) this.#document(kind, fieldAt, valueAt);
    }
  }

  /** Passes over a key, field or value; returns where it ends. */
  #part(): number {
    const length = this.lengths.at < this.#numbersAt ? this.lengths.next() : -1;
    if (length < 0) refuse('a length is missing');
    this.contentAt += length;
    if (this.contentAt > this.#bytes.length) refuse('the lengths do not add up to the bytes');
    return this.contentAt;
  }

  #number(): number {
    return this.numbers.at < this.#numbersEnd ? this.numbers.next() : -1;
  }

  #time(kind: number): void {
    const atMs = this.numbers.at < this.#numbersEnd ? nextTime(this.numbers, this.#timeMs) : -1;
    if (atMs < 0 || atMs > Number.MAX_SAFE_INTEGER) refuse('a time is not a number');
    if (kind === UpdateKind.CloseIncarnations && (atMs < 1 || atMs > INCARNATION_MAX))
      refuse('a closing of no incarnation');
    this.#timeMs = atMs;
  }

  #base(kind: number): void {
    const origin = this.#number();
    if (origin !== 0 && !isOrigin(origin)) refuse('a base names no origin');
    const seq = this.#number();
    if (seq < 0) refuse('a base has no sequence');
    if (kind === UpdateKind.Fill && (origin !== 0 || !isFillStamp(seq))) refuse('a fill has no stamp of one');
  }

  #document(kind: number, fieldAt: number, valueAt: number): void {
    if (kind !== UpdateKind.DocumentEdit) {
      if (parseJson(latin1Of(this.#bytes, valueAt, this.contentAt)) === null) refuse('a document is no JSON');
      return;
    }
    if (parseCommand(latin1Of(this.#bytes, fieldAt, valueAt)) === null) refuse('an edit has no command');
    if (!isDocumentUpdate(this.#bytes.subarray(valueAt, this.contentAt))) refuse('an edit has no update');
  }
}

function isDocument(kind: number): boolean {
  return kind === UpdateKind.DocumentSet || kind === UpdateKind.DocumentEdit || kind === UpdateKind.DocumentGeneration;
}
