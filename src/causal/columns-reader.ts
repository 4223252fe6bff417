import { VarintCursor } from '../base/varint.ts';
import { incarnationOf, type Origin } from '../clock/origin.ts';
import type { Stamp } from '../clock/stamp.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Update, UpdateKind } from '../crdt/update.ts';
import { ColumnsKeys } from './columns-keys.ts';
import { nextTime, PARTS, TIMELESS, type Columns } from './columns.ts';

const NONE: readonly (readonly [Origin, number])[] = [];

/** Walks checked columns transaction by transaction, in the bytes that they came in: keys and values are views of them. */
export class ColumnsReader {
  readonly #columns: Columns;
  readonly #stamps: VarintCursor;
  readonly #deps: VarintCursor;
  readonly #counts: VarintCursor;
  readonly #kinds: VarintCursor;
  readonly #lengths: VarintCursor;
  readonly #numbers: VarintCursor;
  readonly #hasCounts: boolean;
  #contentAt: number;
  #transaction = 0;
  #stamp = 0;
  /** The transaction of the next change of deps; −1 for none. Its cursor is behind that number. */
  #depsTransaction = -1;
  #kind = 0;
  #kindLeft = 0;
  #timeMs = 0;

  constructor(columns: Columns) {
    const { bytes, stampsAt, depsAt, countsAt, kindsAt, lengthsAt, numbersAt, contentAt } = columns;
    this.#columns = columns;
    this.#stamps = new VarintCursor(bytes, stampsAt);
    this.#deps = new VarintCursor(bytes, depsAt);
    this.#counts = new VarintCursor(bytes, countsAt);
    this.#kinds = new VarintCursor(bytes, kindsAt);
    this.#lengths = new VarintCursor(bytes, lengthsAt);
    this.#numbers = new VarintCursor(bytes, numbersAt);
    this.#contentAt = contentAt;
    this.#hasCounts = kindsAt > countsAt;
    if (depsAt > stampsAt) this.#stamp = this.#stamps.next();
    if (countsAt > depsAt) this.#depsTransaction = this.#deps.next();
  }

  /** Another one at the same transaction. */
  fork(): ColumnsReader {
    const fork = new ColumnsReader(this.#columns);
    fork.#stamps.at = this.#stamps.at;
    fork.#deps.at = this.#deps.at;
    fork.#counts.at = this.#counts.at;
    fork.#kinds.at = this.#kinds.at;
    fork.#lengths.at = this.#lengths.at;
    fork.#numbers.at = this.#numbers.at;
    fork.#contentAt = this.#contentAt;
    fork.#transaction = this.#transaction;
    fork.#stamp = this.#stamp;
    fork.#depsTransaction = this.#depsTransaction;
    fork.#kind = this.#kind;
    fork.#kindLeft = this.#kindLeft;
    fork.#timeMs = this.#timeMs;
    return fork;
  }

  /** The keys of all updates from the next transaction on. */
  keys(): ColumnsKeys {
    const { bytes, lengthsAt } = this.#columns;
    return new ColumnsKeys({
      kinds: new VarintCursor(bytes, this.#kinds.at),
      kindsEnd: lengthsAt,
      kind: this.#kind,
      kindLeft: this.#kindLeft,
      lengths: new VarintCursor(bytes, this.#lengths.at),
      contentAt: this.#contentAt,
    });
  }

  /** The stamp of the next transaction. */
  get stamp(): Stamp {
    return this.#stamp as Stamp;
  }

  /** What the next transaction changes of the deps. */
  depsChanges(): readonly (readonly [Origin, number])[] {
    if (this.#depsTransaction !== this.#transaction) return NONE;
    const { at } = this.#deps;
    const changes: [Origin, number][] = [];
    do changes.push([this.#deps.next() as Origin, this.#deps.next()]);
    while (this.#isAnotherDep());
    this.#deps.at = at;
    return changes;
  }

  /** Raises `running` by the next transaction's deps changes. Idempotent. */
  raiseDeps(running: VersionVector): void {
    if (this.#depsTransaction !== this.#transaction) return;
    const { at } = this.#deps;
    do running.raise(this.#deps.next() as Origin, this.#deps.next());
    while (this.#isAnotherDep());
    this.#deps.at = at;
  }

  /**
   * The first of the next transaction's deps that `vector` lacks. Only what changed is looked at: the rest was met when the
   * transaction before was applied. `own` is the stream itself, which is in order anyway; a floor is never waited for, nor what
   * `closed` says to be closed here.
   */
  missingDep(vector: VersionVector, closed: VersionVector, own: Origin): readonly [Origin, number] | null {
    if (this.#depsTransaction !== this.#transaction) return null;
    const { at } = this.#deps;
    let missing: readonly [Origin, number] | null = null;
    do {
      const origin = this.#deps.next() as Origin;
      const seq = this.#deps.next();
      if (origin === own || incarnationOf(origin) === 0 || vector.get(origin) >= seq) continue;
      if (!closed.isRetired(origin)) missing = [origin, seq];
    } while (missing === null && this.#isAnotherDep());
    this.#deps.at = at;
    return missing;
  }

  /** Whether the next change of deps is of the same transaction as the one that was just read. */
  #isAnotherDep(): boolean {
    return this.#deps.at < this.#columns.countsAt && this.#deps.next() === 0;
  }

  #skipDeps(): void {
    const end = this.#columns.countsAt;
    while (this.#depsTransaction === this.#transaction) {
      this.#deps.next();
      this.#deps.next();
      this.#depsTransaction = this.#deps.at < end ? this.#depsTransaction + this.#deps.next() : -1;
    }
  }

  /** Reads the next transaction's updates through one reused record, then moves on. Returns how many there were. */
  next(update: Update, visit: (update: Update) => void): number {
    const count = this.#hasCounts ? this.#counts.next() : 1;
    for (let left = count; left > 0; left--) {
      this.#read(update);
      visit(update);
    }
    if (this.#depsTransaction === this.#transaction) this.#skipDeps();
    this.#transaction++;
    if (this.#stamps.at < this.#columns.depsAt) this.#stamp += this.#stamps.next();
    return count;
  }

  #read(update: Update): void {
    if (this.#kindLeft === 0) {
      this.#kind = this.#columns.bytes[this.#kinds.at++] as number;
      this.#kindLeft = this.#kinds.next();
    }
    this.#kindLeft--;
    const kind = (this.#kind & ~TIMELESS) as UpdateKind;
    const has = PARTS[kind] as NonNullable<(typeof PARTS)[number]>;
    update.kind = kind;
    this.#range(has.key, update.key);
    this.#range(has.field, update.field);
    this.#range(has.value, update.value);
    update.atMs = Infinity;
    if (has.at && this.#kind === kind) {
      this.#timeMs = nextTime(this.#numbers, this.#timeMs);
      update.atMs = this.#timeMs;
    }
    update.baseOrigin = has.base ? this.#numbers.next() : 0;
    update.baseSeq = has.base ? this.#numbers.next() : 0;
  }

  #range(wanted: boolean, range: Update['key']): void {
    const start = this.#contentAt;
    if (wanted) this.#contentAt += this.#lengths.next();
    range.set(this.#columns.bytes, start, this.#contentAt);
  }
}
