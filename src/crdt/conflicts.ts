import { isFillStamp } from '../clock/stamp.ts';
import type { DocumentContent } from './document-content.ts';
import { canonicalJson, parseJson } from './document-json.ts';
import { ContentType, type Entry } from './entry.ts';
import { sumText, type Increments } from './increments.ts';
import type { SiblingContent } from './sibling-content.ts';
import type { StringContent } from './string-content.ts';
import { compareWrites, covers, UpdateKind, type StampedDot, type Update, type UpdateContext } from './update.ts';
import type { ObservedWrites } from './writes.ts';

/**
 * What two writes are both of: the string of a key, a field of its hash, the root of its document, an edit of that (which goes with
 * the root that it was made on), or the key's type.
 */
export type ConflictKind = 'string' | 'field' | 'document' | 'edit' | 'type';

/** One of the two. */
export interface ConflictSide extends StampedDot {
  /** None is a removal. */
  readonly type: ContentType;
  /** Latin1. Null for a removal, and for hashes and sets. Of an edit its steps, as JSON. */
  readonly text: string | null;
}

/** Two writes of which neither had seen the other, while both were there. */
export interface Conflict {
  readonly kind: ConflictKind;
  /** The field's name, latin1; null where it is none. */
  readonly field: string | null;
  /** What shows of the two; of siblings the latest. */
  readonly kept: ConflictSide;
  /** What was lost to it or stands hidden beside it. */
  readonly other: ConflictSide;
}

/** What an update writes, as conflicts compare it. */
export interface Written extends Pick<Conflict, 'kind' | 'field'> {
  readonly side: ConflictSide;
}

const NONE: readonly Conflict[] = [];

/**
 * The concurrent pairs that an update makes with what an entry holds, to be asked before it is applied (SPEC S4). Under causal delivery
 * what is here has not seen an update that comes later, so a write that the update has not seen is concurrent with it. Values that are
 * equal, increments, members of sets, expiries, and what FLUSHALL takes away make none.
 */
export function conflictsOf(
  entry: Entry,
  update: Update,
  context: UpdateContext,
  flush: StampedDot | null,
): readonly Conflict[] {
  switch (update.kind) {
    case UpdateKind.Set:
    case UpdateKind.DeleteString:
      return ofString(entry, update, context, flush);
    case UpdateKind.DocumentSet:
    case UpdateKind.DeleteDocument:
      return ofDocument(entry, update, context, flush);
    case UpdateKind.DocumentEdit:
      return ofEdit(entry, update, context);
    case UpdateKind.HashSet:
      return ofField(entry, update, context);
    case UpdateKind.SetAdd:
      return ofTypes(entry, ContentType.Set, update, context);
    case UpdateKind.HashIncrement:
      return ofTypes(entry, ContentType.Hash, update, context);
    case UpdateKind.Increment:
      return ofIncrement(entry, update, context, flush);
    case UpdateKind.Delete:
    case UpdateKind.Expire:
    case UpdateKind.HashDelete:
    case UpdateKind.SetRemove:
    case UpdateKind.DocumentGeneration:
    case UpdateKind.FlushAll:
    case UpdateKind.Publish:
    case UpdateKind.CloseIncarnations:
    case UpdateKind.Fill:
      return NONE;
  }
}

/** What an update makes of a string, a field or a document's root; null for other updates. */
export function writtenBy(update: Update, context: UpdateContext): Written | null {
  switch (update.kind) {
    case UpdateKind.Set:
      return { kind: 'string', field: null, side: sideOf(ContentType.String, update.value.toLatin1(), context) };
    case UpdateKind.DeleteString:
      return { kind: 'string', field: null, side: removal(context) };
    case UpdateKind.HashSet:
      return {
        kind: 'field',
        field: update.field.toLatin1(),
        side: sideOf(ContentType.Hash, update.value.toLatin1(), context),
      };
    case UpdateKind.DocumentSet:
      return { kind: 'document', field: null, side: sideOf(ContentType.Document, update.value.toLatin1(), context) };
    case UpdateKind.DeleteDocument:
      return { kind: 'document', field: null, side: removal(context) };
    default:
      return null;
  }
}

function sideOf(type: ContentType, text: string | null, { stamp, origin, seq }: StampedDot): ConflictSide {
  return { type, text, stamp, origin, seq };
}

const removal = (dot: StampedDot): ConflictSide => sideOf(ContentType.None, null, dot);

/** Two writes that have not seen each other: the later is kept. */
export function pairOf(kind: ConflictKind, field: string | null, one: ConflictSide, two: ConflictSide): Conflict {
  const isFirst = compareWrites(one.stamp, one.origin, two.stamp, two.origin) > 0;
  return { kind, field, kept: isFirst ? one : two, other: isFirst ? two : one };
}

const isBelow = (dot: StampedDot, other: StampedDot): boolean =>
  compareWrites(dot.stamp, dot.origin, other.stamp, other.origin) < 0;

// ── slots: strings and roots of documents ──

/**
 * A write (or a removal) that comes to a slot which holds one that it has not seen. Of a write and a removal there is a conflict where
 * the write is lost: one that stands after somebody removed what was there before is nobody's loss.
 */
function ofSlot(kind: ConflictKind, held: ConflictSide, came: ConflictSide): readonly Conflict[] {
  const lost = isBelow(held, came) ? held : came;
  return lost.type === ContentType.None ? NONE : [pairOf(kind, null, held, came)];
}

function ofString(entry: Entry, update: Update, context: UpdateContext, flush: StampedDot | null): readonly Conflict[] {
  if (flush !== null && isBelow(context, flush)) return NONE;
  const { string } = entry;
  const isSet = update.kind === UpdateKind.Set;
  if (string.keepsSiblings) return isSet ? ofSiblings(entry, string, update, context) : NONE;
  // what a load brought is nobody's loss (SPEC V8)
  const isSeen = string.stamp === 0 || isFillStamp(string.stamp) || covers(context, string.origin, string.seq);
  if (!isSeen) {
    const came = isSet ? sideOf(ContentType.String, update.value.toLatin1(), context) : removal(context);
    if (string.isLive && string.value === came.text) return NONE;
    const held = string.isLive ? sideOf(ContentType.String, string.value, string) : removal(string);
    if (string.isLive || isBelow(context, string)) return ofSlot('string', held, came);
  }
  return isSet ? ofTypes(entry, ContentType.String, update, context) : NONE;
}

function ofDocument(
  entry: Entry,
  update: Update,
  context: UpdateContext,
  flush: StampedDot | null,
): readonly Conflict[] {
  if (flush !== null && isBelow(context, flush)) return NONE;
  const { document } = entry;
  const isSet = update.kind === UpdateKind.DocumentSet;
  if (document === null) return isSet ? ofTypes(entry, ContentType.Document, update, context) : NONE;
  const isSeen = covers(context, document.origin, document.seq);
  const found: Conflict[] = [];
  if (!isSeen) {
    const text = isSet ? update.value.toLatin1() : null;
    const json = text === null ? null : parseJson(text);
    if (isSet && json === null) return NONE;
    const isEqual = json !== null && document.isLive && canonicalJson(json.value) === document.canonicalText();
    const came = sideOf(isSet ? ContentType.Document : ContentType.None, text, context);
    if (!isEqual) found.push(...ofSlot('document', rootOf(document), came));
    if (isBelow(context, document)) return found;
  }
  if (document.isLive) found.push(...editsLostTo(document, update, context));
  return isSet && found.length === 0 ? ofTypes(entry, ContentType.Document, update, context) : found;
}

function rootOf(document: DocumentContent): ConflictSide {
  const { content } = document;
  return content === null ? removal(document) : sideOf(ContentType.Document, content.jsonText(), document);
}

/** A register, or the first increment without one, that comes to stand beside siblings which it has not seen (RULES V5). */
function ofSiblings(
  entry: Entry,
  siblings: SiblingContent,
  update: Update,
  context: UpdateContext,
): readonly Conflict[] {
  if (!siblings.shows) return ofTypes(entry, ContentType.String, update, context);
  const { increments } = siblings;
  if (update.kind === UpdateKind.Increment && increments !== null) return NONE;
  const isUnseen = (dot: StampedDot): boolean => !covers(context, dot.origin, dot.seq);
  const held = siblings.registers
    .filter(isUnseen)
    .map((register) => sideOf(ContentType.String, register.value, register));
  const counted = latestOf(runsOf(increments), isUnseen);
  if (increments !== null && counted !== null)
    held.push(sideOf(ContentType.String, sumText(null, increments.integer, increments.units), counted));
  if (held.length === 0) return NONE;
  const came = sideOf(ContentType.String, update.value.toLatin1(), context);
  return held.filter(({ text }) => text !== came.text).map((side) => pairOf('string', null, side, came));
}

/** An increment that counts on no register (RULES V4). */
function ofIncrement(
  entry: Entry,
  update: Update,
  context: UpdateContext,
  flush: StampedDot | null,
): readonly Conflict[] {
  if (update.baseOrigin !== 0 || (flush !== null && isBelow(context, flush))) return NONE;
  const { string } = entry;
  if (string.keepsSiblings) return ofSiblings(entry, string, update, context);
  if (string.isLive) return NONE;
  const holder = flush !== null && isBelow(string, flush) ? flush : string;
  const counts = holder.stamp === 0 || covers(context, holder.origin, holder.seq);
  return counts ? ofTypes(entry, ContentType.String, update, context) : NONE;
}

// ── edits of a root that something else took the place of ──

/** The steps of a command (`[origin, seq, steps]`), without reading all of it. */
function stepsOf(command: string): string {
  return command.slice(command.indexOf(',', command.indexOf(',') + 1) + 1, -1);
}

function editPair(kept: ConflictSide, command: string, dot: StampedDot): Conflict {
  return { kind: 'edit', field: null, kept, other: sideOf(ContentType.Document, stepsOf(command), dot) };
}

/** The edits that an update had not seen when it put something else in their root's place. */
function editsLostTo(document: DocumentContent, update: Update, context: UpdateContext): readonly Conflict[] {
  const unseen = document.content?.editsUnseenBy(context) ?? [];
  if (unseen.length === 0) return NONE;
  const kept = cameOf(update, context);
  return unseen.map((edit) => editPair(kept, edit.command, edit));
}

/** An edit whose root was replaced or removed by what it has not seen. */
function ofEdit(entry: Entry, update: Update, context: UpdateContext): readonly Conflict[] {
  const { document } = entry;
  if (document === null) return NONE;
  const isOnThis = document.origin === update.baseOrigin && document.seq === update.baseSeq;
  if (isOnThis && document.isLive) return NONE;
  // a root that is gone and nothing in its place: a write of another type had seen it and removed it
  const kept = isOnThis ? unseenOthers(entry, ContentType.Document, context)[0] : rootOf(document);
  return kept === undefined ? NONE : [editPair(kept, update.field.toLatin1(), context)];
}

// ── fields ──

function ofField(entry: Entry, update: Update, context: UpdateContext): readonly Conflict[] {
  if (entry.hash === null) return ofTypes(entry, ContentType.Hash, update, context);
  const position = entry.hash.find(update.field);
  if (position < 0) return NONE;
  const { writes } = entry.hash.fieldAt(position);
  if (writes.best === null || !hasUnseen(writes, context)) return NONE;
  const name = update.field.toLatin1();
  const came = sideOf(ContentType.Hash, update.value.toLatin1(), context);
  return writes
    .all()
    .filter((write) => !covers(context, write.origin, write.seq) && write.value !== came.text)
    .map((write) => pairOf('field', name, sideOf(ContentType.Hash, write.value, write), came));
}

function hasUnseen({ best, losers }: ObservedWrites<string>, context: UpdateContext): boolean {
  if (best !== null && !covers(context, best.origin, best.seq)) return true;
  return losers?.some((write) => !covers(context, write.origin, write.seq)) === true;
}

// ── types ──

/** What an update of a type that was not there puts on the key. */
function cameOf(update: Update, context: UpdateContext): ConflictSide {
  switch (update.kind) {
    case UpdateKind.Set:
    case UpdateKind.Increment:
      return sideOf(ContentType.String, update.value.toLatin1(), context);
    case UpdateKind.DocumentSet:
      return sideOf(ContentType.Document, update.value.toLatin1(), context);
    case UpdateKind.HashSet:
    case UpdateKind.HashIncrement:
      return sideOf(ContentType.Hash, null, context);
    case UpdateKind.SetAdd:
      return sideOf(ContentType.Set, null, context);
    default:
      return removal(context);
  }
}

/**
 * A write that brings a type to a key where it did not show, with each other type of which something stays that the write has not seen:
 * once, and not again for each later write of either.
 */
function ofTypes(entry: Entry, own: ContentType, update: Update, context: UpdateContext): readonly Conflict[] {
  if (entry.type === ContentType.None || shows(entry, own)) return NONE;
  const { document } = entry;
  const lostEdits = document?.isLive === true ? editsLostTo(document, update, context) : NONE;
  const others = unseenOthers(entry, own, context);
  if (others.length === 0) return lostEdits;
  const came = cameOf(update, context);
  const found = others.map((other) => pairOf('type', null, came, other));
  // where the document stays, so do its edits
  return others.some(({ type }) => type === ContentType.Document) ? found : [...found, ...lostEdits];
}

function shows(entry: Entry, type: ContentType): boolean {
  if (type === ContentType.String) return entry.string.shows;
  if (type === ContentType.Hash) return entry.hash !== null;
  if (type === ContentType.Set) return entry.set !== null;
  return entry.document?.isLive === true;
}

/** Of each type but `own` the latest write that stays, because the context has not seen it. */
function unseenOthers(entry: Entry, own: ContentType, context: UpdateContext): ConflictSide[] {
  const { string, hash, set, document } = entry;
  const isUnseen = (dot: StampedDot): boolean => !isFillStamp(dot.stamp) && !covers(context, dot.origin, dot.seq);
  const found: ConflictSide[] = [];
  if (own !== ContentType.String && string.shows) {
    const dot = latestOf(writesOfString(string), isUnseen);
    if (dot !== null) found.push(sideOf(ContentType.String, string.text(), dot));
  }
  if (own !== ContentType.Hash && hash !== null) {
    const dot = latestOf(hash.dots(), isUnseen);
    if (dot !== null) found.push(sideOf(ContentType.Hash, null, dot));
  }
  if (own !== ContentType.Set && set !== null) {
    const dot = latestOf(set.dots(), isUnseen);
    if (dot !== null) found.push(sideOf(ContentType.Set, null, dot));
  }
  if (own !== ContentType.Document && document !== null && document.isLive && isUnseen(document))
    found.push(rootOf(document));
  return found;
}

function latestOf(dots: Iterable<StampedDot>, isWanted: (dot: StampedDot) => boolean): StampedDot | null {
  let latest: StampedDot | null = null;
  for (const dot of dots) if (isWanted(dot) && (latest === null || isBelow(latest, dot))) latest = dot;
  return latest;
}

const runsOf = (increments: Increments | null): readonly StampedDot[] => increments?.dots() ?? [];

/** What is on a register goes with it; without one increments are writes of their own. */
function* writesOfString(string: StringContent | SiblingContent): Generator<StampedDot> {
  if (string.keepsSiblings) yield* string.registers;
  else if (string.isLive) return yield string;
  yield* runsOf(string.increments);
}
