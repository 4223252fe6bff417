import { FRACTION_UNIT, formatDecimal, parseDecimal } from '../../../src/base/decimal.ts';
import { UpdateKind } from '../../../src/crdt/update.ts';
import { keepsSiblings } from './keyspaces.ts';
import { sawTransaction, type Effect, type Transaction } from './transaction.ts';

/**
 * What a key shows, declared: a pure function of the set of transactions, with no state kept from one to the next and no order
 * among them but what each had seen and its stamp. Slow on purpose; the sentences are those of SPEC.md (V1–V6).
 */
export type DeclaredKey = { readonly expiryMs: number } & (
  | { readonly type: 'string'; readonly value: string }
  /** Several of a string, the latest last; sorted `field=value` of a hash; sorted members of a set. */
  | { readonly type: 'siblings' | 'hash' | 'set'; readonly value: readonly string[] }
);

/** One update with its transaction: an update of the same transaction sees those before it. */
interface Event extends Effect {
  readonly transaction: Transaction;
  readonly index: number;
}

type Content = (
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'siblings' | 'hash' | 'set'; readonly value: readonly string[] }
) & {
  /** The latest write that survives. */
  readonly latest: Event;
  /** What expiries of it are set on: registers, null for all else. */
  readonly bases: readonly (Event | null)[];
};

export function declaredValue(history: Iterable<Transaction>, key: string): DeclaredKey | null {
  const events = eventsOf(history, key);
  const string = keepsSiblings(key) ? declaredSiblings(events) : declaredString(events);
  let shown: Content | null = null;
  for (const content of [string, declaredHash(events), declaredSet(events)]) {
    if (content !== null && (shown === null || isLater(content.latest, shown.latest))) shown = content;
  }
  if (shown === null) return null;
  return { ...shown, expiryMs: Math.max(...shown.bases.map((base) => declaredExpiry(events, base))) };
}

function eventsOf(history: Iterable<Transaction>, key: string): Event[] {
  const events: Event[] = [];
  for (const transaction of history) {
    for (const [index, effect] of transaction.effects.entries()) {
      if (effect.key === key || effect.kind === UpdateKind.FlushAll) events.push({ ...effect, transaction, index });
    }
  }
  return events;
}

function saw(later: Event, earlier: Event): boolean {
  if (later.transaction === earlier.transaction) return earlier.index < later.index;
  return sawTransaction(later.transaction, earlier.transaction);
}

/** V8: a fill's place is that of its load's start. */
const stampOf = (event: Event): number => (event.kind === UpdateKind.Fill ? event.baseSeq : event.transaction.stamp);

/** The total order of writes. */
function isLater(left: Event, right: Event): boolean {
  const [a, b] = [left.transaction, right.transaction];
  if (stampOf(left) !== stampOf(right)) return stampOf(left) > stampOf(right);
  if (a.origin !== b.origin) return a.origin > b.origin;
  return left.index > right.index;
}

function latestOf(events: readonly Event[]): Event | null {
  let latest: Event | null = null;
  for (const event of events) if (latest === null || isLater(event, latest)) latest = event;
  return latest;
}

const STRING = 1;
const HASH = 2;
const SET = 3;
const ALL = 4;

/** The type that an operation is of; ALL removes whatever it saw; an expiry of everything but a register is of none. */
function typeOf(event: Event): number {
  switch (event.kind) {
    case UpdateKind.Set:
    case UpdateKind.Fill:
    case UpdateKind.Increment:
      return STRING;
    case UpdateKind.Expire:
      return event.baseOrigin === 0 ? 0 : STRING;
    case UpdateKind.HashSet:
    case UpdateKind.HashDelete:
    case UpdateKind.HashIncrement:
      return HASH;
    case UpdateKind.SetAdd:
    case UpdateKind.SetRemove:
      return SET;
    case UpdateKind.Delete:
    case UpdateKind.DeleteString:
    case UpdateKind.FlushAll:
      return ALL;
    default:
      // of no key, or of a type that is not declared here
      return 0;
  }
}

/** V6: an operation on another type, or on the whole key, removes what it saw. */
function isRemovedByOthers(event: Event, events: readonly Event[], own: number): boolean {
  return events.some((other) => typeOf(other) !== 0 && typeOf(other) !== own && saw(other, event));
}

const ofKind = (events: readonly Event[], ...kinds: UpdateKind[]): Event[] =>
  events.filter((event) => kinds.includes(event.kind));

/** V2: what holds the string's slot: the latest of all registers, tombstones and flushes, but for what a fill had seen (V8). */
function slotOf(events: readonly Event[]): Event | null {
  const writes = ofKind(events, UpdateKind.Set, UpdateKind.Fill, UpdateKind.DeleteString, UpdateKind.FlushAll);
  const fills = ofKind(events, UpdateKind.Fill);
  return latestOf(writes.filter((event) => !fills.some((load) => saw(load, event))));
}

/** V4: on a live register those that name it; else those without a base that had seen what holds the slot. */
function countedIncrements(events: readonly Event[], slot: Event | null, register: Event | null): Event[] {
  const increments = ofKind(events, UpdateKind.Increment);
  if (register !== null) return increments.filter((event) => isOnRegister(event, register));
  return increments.filter((event) => {
    if (event.baseOrigin !== 0 || (slot !== null && !saw(event, slot))) return false;
    const isOverwritten = ofKind(events, UpdateKind.Set, UpdateKind.Fill).some((set) => saw(set, event));
    return !isOverwritten && !isRemovedByOthers(event, events, STRING);
  });
}

function isOnRegister(event: Event, register: Event): boolean {
  const { origin, seq } = register.transaction;
  return event.baseOrigin === origin && event.baseSeq === seq && saw(event, register);
}

function declaredString(events: readonly Event[]): Content | null {
  const slot = slotOf(events);
  const isLive =
    slot !== null &&
    (slot.kind === UpdateKind.Set || slot.kind === UpdateKind.Fill) &&
    !isRemovedByOthers(slot, events, STRING);
  const register = isLive ? slot : null;
  const increments = countedIncrements(events, slot, register);
  const latest = latestOf(register === null ? increments : [register, ...increments]);
  if (latest === null) return null;
  return { type: 'string', value: declaredSum(register?.value ?? null, increments), latest, bases: [register] };
}

interface DeclaredSibling {
  readonly at: Event;
  /** What its expiries are set on. */
  readonly base: Event | null;
  readonly value: string;
  readonly counted: readonly Event[];
}

/**
 * V5: the siblings are the writes that no other write and no removal has seen, each with the increments that name it; and, as one more, the
 * increments without a base of which that is so too. Nothing below a FLUSHALL is one, seen or not.
 */
function declaredSiblings(events: readonly Event[]): Content | null {
  const endings = ofKind(events, UpdateKind.Set);
  const flushes = ofKind(events, UpdateKind.FlushAll);
  const survives = (event: Event): boolean =>
    !endings.some((other) => saw(other, event)) &&
    !isRemovedByOthers(event, events, STRING) &&
    !flushes.some((flush) => isLater(flush, event));
  const increments = ofKind(events, UpdateKind.Increment);
  const siblings = endings.filter(survives).map((register): DeclaredSibling => {
    const counted = increments.filter((event) => isOnRegister(event, register));
    return { at: register, base: register, value: declaredSum(register.value, counted), counted };
  });
  const counted = increments.filter((event) => event.baseOrigin === 0 && survives(event));
  const at = latestOf(counted);
  if (at !== null) siblings.push({ at, base: null, value: declaredSum(null, counted), counted });
  const [first] = siblings.sort((left, right) => (isLater(left.at, right.at) ? 1 : -1));
  const latest = latestOf(siblings.flatMap((sibling) => [sibling.at, ...sibling.counted]));
  if (first === undefined || latest === null) return null;
  const bases = siblings.map(({ base }) => base);
  if (siblings.length === 1) return { type: 'string', value: first.value, latest, bases };
  return { type: 'siblings', value: siblings.map(({ value }) => value), latest, bases };
}

/** The exact sum in whole numbers while there are only those, else as a decimal. A base that is no number shows as it is. */
function declaredSum(base: string | null, increments: readonly Event[]): string {
  if (increments.length === 0) return base ?? '';
  const isWhole = (text: string): boolean => /^-?\d+$/.test(text);
  const baseUnits = base === null ? 0n : isWhole(base) ? BigInt(base) * FRACTION_UNIT : parseDecimal(base);
  if (baseUnits === null) return base ?? '';
  let units = baseUnits;
  for (const { value } of increments)
    units += isWhole(value) ? BigInt(value) * FRACTION_UNIT : (parseDecimal(value) ?? 0n);
  return formatDecimal(units);
}

/** V1: a field shows the latest of the writes that no other write and no removal has seen; V4: plus increments not removed. */
function declaredHash(events: readonly Event[]): Content | null {
  const survivors = ofKind(events, UpdateKind.HashSet, UpdateKind.HashIncrement).filter((event) => {
    const replacing = ofKind(events, UpdateKind.HashSet, UpdateKind.HashDelete).filter(
      (other) => other.field === event.field,
    );
    return !replacing.some((other) => saw(other, event)) && !isRemovedByOthers(event, events, HASH);
  });
  const latest = latestOf(survivors);
  if (latest === null) return null;
  const fields = new Set(survivors.map((event) => event.field));
  const shown = [...fields].map((field) => {
    const ofField = survivors.filter((event) => event.field === field);
    const base = latestOf(ofKind(ofField, UpdateKind.HashSet));
    return `${field}=${declaredSum(base?.value ?? null, ofKind(ofField, UpdateKind.HashIncrement))}`;
  });
  return { type: 'hash', value: shown.sort(), latest, bases: [null] };
}

/** A member is there while one add of it was not seen by a removal. */
function declaredSet(events: readonly Event[]): Content | null {
  const survivors = ofKind(events, UpdateKind.SetAdd).filter((event) => {
    const removals = ofKind(events, UpdateKind.SetRemove).filter((other) => other.field === event.field);
    return !removals.some((other) => saw(other, event)) && !isRemovedByOthers(event, events, SET);
  });
  const latest = latestOf(survivors);
  if (latest === null) return null;
  return { type: 'set', value: [...new Set(survivors.map((event) => event.field))].sort(), latest, bases: [null] };
}

/** V3: the latest of the expiries that no other of the same base has seen; SET and removals of the key end those they saw. */
function declaredExpiry(events: readonly Event[], register: Event | null): number {
  const expiries = ofKind(events, UpdateKind.Expire).filter((event) =>
    register === null ? event.baseOrigin === 0 : isOnRegister(event, register),
  );
  const endings =
    register === null
      ? ofKind(events, UpdateKind.Set, UpdateKind.Fill, UpdateKind.Delete, UpdateKind.DeleteString, UpdateKind.FlushAll)
      : [];
  const times = expiries
    .filter((event) => ![...expiries, ...endings].some((other) => saw(other, event)))
    .map((event) => event.atMs);
  if (register !== null && expiries.length === 0) times.push(register.atMs);
  return times.length === 0 ? Infinity : Math.max(...times);
}
