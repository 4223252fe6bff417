import { present } from '../base/assert.ts';
import { latin1Bytes, latin1Of, type ByteRange } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import {
  conflictsOf,
  pairOf,
  writtenBy,
  type Conflict,
  type ConflictKind,
  type ConflictSide,
} from '../crdt/conflicts.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import { ContentType, type Entry } from '../crdt/entry.ts';
import type { StampedDot, Update, UpdateContext } from '../crdt/update.ts';

/** The latest conflicts that are kept to be looked at, and about the bytes that they take. Past either the oldest go. */
export const CONFLICTS_MAX = 1_000;
export const CONFLICT_BYTES_MAX: number = 4 * 1024 * 1024;
/** What is kept of a value or of a field's name. */
export const CONFLICT_TEXT_BYTES_MAX = 256;
/** Lost writes that wait to be taken, which is done after each turn. */
const LOST_HERE_MAX = 10_000;
/** Bytes, about, that a record takes at the most beside its key. */
const RECORD_BYTES: number = 512 + 3 * CONFLICT_TEXT_BYTES_MAX;

/** A text as far as it is kept, latin1, and how long it is. */
export interface CutText {
  readonly text: string;
  readonly lengthBytes: number;
}

/** One of two writes, as far as it is kept. */
export interface RecordedSide {
  /** None is a removal. */
  readonly type: ContentType;
  /** Null for a removal, and for hashes and sets. */
  readonly value: CutText | null;
  readonly origin: number;
  readonly seq: number;
}

/** Two concurrent writes of the same thing, as this node met them. */
export interface ConflictRecord {
  /** Unix milliseconds on this node's clock. */
  readonly atMs: number;
  readonly key: string;
  readonly className: string;
  readonly kind: ConflictKind;
  readonly field: CutText | null;
  /** What decides. */
  readonly rule: string;
  readonly kept: RecordedSide;
  readonly other: RecordedSide;
}

/** A write of this node that a concurrent one took the place of, both whole. */
export interface LostHere {
  /** Unix milliseconds on this node's clock. */
  readonly atMs: number;
  readonly key: string;
  readonly className: string;
  readonly kind: ConflictKind;
  readonly field: string | null;
  readonly kept: ConflictSide;
  readonly lost: ConflictSide;
}

/** What the log asks of its node. */
export interface ConflictHost {
  /** Writes of this origin have seen all that is here; 0 to look at all. */
  readonly origin: number;
  nowMs(): number;
  /** Counts conflicts of a key, and says its class, what its class does with strings, and whether what is lost of it is to be told. */
  count(
    key: string,
    conflicts: number,
  ): { readonly className: string; readonly stringRule: string; readonly tellsLost: boolean };
}

const NOBODY: ConflictHost = {
  origin: 0,
  nowMs: () => 0,
  count: () => ({ className: 'default', stringRule: 'lww', tellsLost: false }),
};

type Writable<T> = { -readonly [name in keyof T]: T[name] };

interface Noted {
  readonly conflict: Conflict;
  readonly record: Writable<ConflictRecord>;
  /** Where the other is a write of this node, and somebody is to be told. */
  readonly lost: Writable<LostHere> | null;
}

/** What was found of the transaction that is being applied. */
class Found {
  readonly origin: number;
  readonly seq: number;
  /** Most transactions are in one conflict at most: what is found first. */
  #only: Noted | null = null;
  /** By what the two writes are of, once more is asked. */
  #byThing: Map<string, Noted[]> | null = null;

  constructor({ origin, seq }: UpdateContext) {
    this.origin = origin;
    this.seq = seq;
  }

  of(key: string, kind: ConflictKind, field: string | null): readonly Noted[] {
    if (this.#only === null && this.#byThing === null) return [];
    return this.#things().get(thingOf(key, kind, field)) ?? [];
  }

  add(noted: Noted): void {
    if (this.#only === null && this.#byThing === null) this.#only = noted;
    else put(this.#things(), noted);
  }

  #things(): Map<string, Noted[]> {
    this.#byThing ??= new Map<string, Noted[]>();
    if (this.#only !== null) put(this.#byThing, this.#only);
    this.#only = null;
    return this.#byThing;
  }
}

function put(byThing: Map<string, Noted[]>, noted: Noted): void {
  const thing = thingOf(noted.record.key, noted.conflict.kind, noted.conflict.field);
  const known = byThing.get(thing);
  if (known === undefined) byThing.set(thing, [noted]);
  else known.push(noted);
}

/**
 * Finds the conflicts that the updates of other nodes make here and keeps the latest. They are this node's own observation: in no
 * snapshot, in no store, and gone when the node ends. What a snapshot merges is not looked at.
 */
export class ConflictLog {
  host: ConflictHost = NOBODY;
  /** Oldest first. */
  #records: ConflictRecord[] = [];
  #bytes = 0;
  #found: Found | null = null;
  #lostHere: LostHere[] = [];
  #lostUntold = 0;

  /** Whether conflicts were found of a transaction: then its other updates are to be watched too. */
  isFollowing(context: UpdateContext): boolean {
    return this.#found !== null && isOf(this.#found, context);
  }

  /** To be called before an update is applied; one that has seen all that it is applied to makes none. */
  watch(key: ByteRange, entry: Entry, update: Update, context: UpdateContext, flush: StampedDot | null): void {
    if (context.origin === this.host.origin || isSystemKey(key)) return;
    if (this.#found !== null && !isOf(this.#found, context)) this.#found = null;
    const conflicts = conflictsOf(entry, update, context, flush);
    if (this.#found !== null) this.#rewrite(this.#found, key.toLatin1(), update, context);
    if (conflicts.length > 0) this.#add(key.toLatin1(), conflicts, context);
  }

  /** A SET meets a string of one write that it has not seen, and another value; no conflict was found of its transaction before. */
  addStrings(update: Update, context: UpdateContext, text: string, { stamp, origin, seq }: StampedDot): void {
    const held: ConflictSide = { type: ContentType.String, text, stamp, origin, seq };
    const { side } = present(writtenBy(update, context), 'a SET writes a string');
    this.#found = null;
    this.#add(update.key.toLatin1(), [pairOf('string', null, held, side)], context);
  }

  #add(key: string, conflicts: readonly Conflict[], context: UpdateContext): void {
    const found = (this.#found ??= new Found(context));
    const news = conflicts.filter(
      (conflict) =>
        !found.of(key, conflict.kind, conflict.field).some((earlier) => isSamePair(earlier.conflict, conflict)),
    );
    if (news.length === 0) return;
    const { className, stringRule, tellsLost } = this.host.count(key, news.length);
    const atMs = this.host.nowMs();
    for (const conflict of news.slice(-CONFLICTS_MAX)) {
      const { kind, field, kept, other } = conflict;
      const record: ConflictRecord = {
        atMs,
        key,
        className,
        kind,
        field: field === null ? null : cut(field),
        rule: kind === 'type' ? 'latest type' : kind === 'string' ? stringRule : 'lww',
        kept: recorded(kept, kind),
        other: recorded(other, kind),
      };
      const isLost = tellsLost && nodeOf(other.origin as Origin) === nodeOf(this.host.origin as Origin);
      // siblings all stand: what does not show of them is not lost
      const lost =
        isLost && !(kind === 'string' && stringRule !== 'lww') ? this.#lose(key, className, atMs, conflict) : null;
      found.add({ conflict, record, lost });
      this.#push(record);
    }
  }

  /** A transaction shows only what it wrote last: the records of its earlier writes of the same thing say so. */
  #rewrite(found: Found, key: string, update: Update, context: UpdateContext): void {
    const written = writtenBy(update, context);
    if (written === null) return;
    for (const { record, lost } of found.of(key, written.kind, written.field)) {
      if (isOf(record.kept, context)) {
        record.kept = recorded(written.side, written.kind);
        if (lost !== null) lost.kept = written.side;
      } else record.other = recorded(written.side, written.kind);
    }
  }

  #lose(
    key: string,
    className: string,
    atMs: number,
    { kind, field, kept, other }: Conflict,
  ): Writable<LostHere> | null {
    if (this.#lostHere.length >= LOST_HERE_MAX) {
      this.#lostUntold++;
      return null;
    }
    const lost = { atMs, key, className, kind, field, kept, lost: other };
    this.#lostHere.push(lost);
    return lost;
  }

  /** Writes of this node that lost since this was asked before, in classes that tell them. */
  takeLostHere(): readonly LostHere[] {
    const lost = this.#lostHere;
    this.#lostHere = [];
    return lost;
  }

  get hasLostHere(): boolean {
    return this.#lostHere.length > 0;
  }

  /** Of those, how many were too many at once to be kept. */
  get lostUntold(): number {
    return this.#lostUntold;
  }

  #push(record: ConflictRecord): void {
    this.#records.push(record);
    this.#bytes += bytesOf(record);
    while (this.#records.length > CONFLICTS_MAX || this.#bytes > CONFLICT_BYTES_MAX) {
      const oldest = this.#records.shift();
      this.#bytes -= oldest === undefined ? 0 : bytesOf(oldest);
    }
  }

  /** The latest `count` that pass, latest first. */
  latest(count: number, passes: (record: ConflictRecord) => boolean): ConflictRecord[] {
    const found: ConflictRecord[] = [];
    for (let at = this.#records.length - 1; at >= 0 && found.length < count; at--) {
      const record = this.#records[at];
      if (record !== undefined && passes(record)) found.push(record);
    }
    return found;
  }

  /** Forgets all that is kept. */
  reset(): void {
    this.#records = [];
    this.#bytes = 0;
  }
}

const isOf = (dot: { readonly origin: number; readonly seq: number }, { origin, seq }: UpdateContext): boolean =>
  dot.origin === origin && dot.seq === seq;

function isSamePair(left: Conflict, right: Conflict): boolean {
  const names = ({ kept, other }: Conflict): string[] => [dotName(kept), dotName(other)].sort();
  return names(left).join() === names(right).join();
}

const dotName = ({ origin, seq }: ConflictSide): string => `${origin}:${seq}`;

function thingOf(key: string, kind: ConflictKind, field: string | null): string {
  return `${kind} ${key.length} ${key}${field ?? ''}`;
}

const bytesOf = ({ key }: ConflictRecord): number => RECORD_BYTES + key.length;

function recorded({ type, text, origin, seq }: ConflictSide, kind: ConflictKind): RecordedSide {
  // the steps of an edit are a part of its command
  return { type, value: text === null ? null : cut(text, kind === 'edit'), origin, seq };
}

/** The text's beginning as a string of its own: a slice would keep the whole text in memory. */
function cut(text: string, isSlice = false): CutText {
  if (!isSlice && text.length <= CONFLICT_TEXT_BYTES_MAX) return { text, lengthBytes: text.length };
  const bytes = latin1Bytes(text.slice(0, CONFLICT_TEXT_BYTES_MAX));
  return { text: latin1Of(bytes, 0, bytes.length), lengthBytes: text.length };
}
