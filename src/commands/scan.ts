import { ByteRange } from '../base/bytes.ts';
import { SCAN_COUNT_MAX } from '../base/limits.ts';
import type { Glob } from '../base/glob.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { typeNames } from './generic.ts';
import { lookupTypeForRead } from './lookup.ts';
import { clamped, integerArgument } from './numbers.ts';
import { patternOf } from './patterns.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Hashes and sets up to this size are given whole, as Redis gives small ones. */
const WHOLE_SIZE_MAX = 128;

/** A call of SCAN looks at this many places at least before it gives up finding keys, and at ten times its COUNT, as Redis does. */
const PLACES_MIN = 4096;

/** Where elements are pointed at for the time of one call. */
const element = new ByteRange();
const companion = new ByteRange();

interface ScanOptions {
  count: number;
  glob: Glob | null;
  /** In lower case; null for all. */
  typeName: string | null;
}

/** Keys with a prefix that are looked at for one call of SCAN; where there are more, all keys are scanned. */
const PREFIXED_MAX = 10_000;
/** In about so many calls those are all given, whatever their COUNT. */
const PREFIXED_CALLS = 10;
/** Added to cursors of a scan of those. The rest is a slot as in all cursors: each call may find its keys by other means than the one before. */
const PREFIXED_CURSOR: number = 2 ** 40;

const CURSOR = /^[+-]?[0-9]{0,20}$/;
const CURSOR_MAX = 2n ** 64n - 1n;

/** A cursor as Redis reads one, an unsigned 64-bit number; ours are small, so one that is not exact was never given out. */
function parseCursor(args: Args, index: number): number {
  const text = args.text(index);
  if (!CURSOR.test(text)) throw refuse('invalid cursor');
  const digits = text.replace(/^[+-]/, '');
  const value = BigInt(digits === '' ? '0' : digits);
  if (value > CURSOR_MAX || (digits === '' && text !== '')) throw refuse('invalid cursor');
  return Number(text.startsWith('-') && value > 0n ? CURSOR_MAX + 1n - value : value);
}

function parseOptions(args: Args, from: number, offersType: boolean): ScanOptions {
  const options: ScanOptions = { count: 10, glob: null, typeName: null };
  for (let index = from; index < args.count; index += 2) {
    const word = args.word(index);
    if (index + 1 >= args.count) throw syntaxError();
    if (word === 'COUNT') {
      options.count = clamped(integerArgument(args, index + 1), SCAN_COUNT_MAX);
      if (options.count < 1) throw syntaxError();
    } else if (word === 'MATCH') {
      options.glob = patternOf(args.range(index + 1));
    } else if (word === 'TYPE' && offersType) {
      options.typeName = args.text(index + 1).toLowerCase();
    } else {
      throw syntaxError();
    }
  }
  return options;
}

interface Gathered {
  readonly next: number;
  readonly slots: readonly Slot[];
}

/** Keys from a cursor on that pass the filters, and the next cursor. */
function gatherKeys(context: CommandContext, cursor: number, options: ScanOptions): Gathered {
  const { keys, nowMs } = context;
  const { count, glob, typeName } = options;
  const slots: Slot[] = [];
  let met = 0;
  const visit = (slot: Slot): void => {
    met++;
    if (typeName !== null && typeNames[keys.typeOf(slot)].toLowerCase() !== typeName) return;
    if (glob !== null) keys.keyInto(slot, element);
    if (glob === null || glob.matches(element)) slots.push(slot);
  };
  const from = cursor < PREFIXED_CURSOR ? cursor : cursor - PREFIXED_CURSOR;
  const prefix = glob?.prefix ?? '';
  // whether there are few is asked once a scan
  const ordered = prefix === '' || (from === cursor && from > 0) ? null : keys.ordered();
  if (ordered?.visit(prefix, null, PREFIXED_MAX, nowMs, visit) === null) return fromSlot(slots, from, count);
  slots.length = 0;
  met = 0;
  let next = from;
  let placesLeft = Math.max(count * 10, PLACES_MIN);
  do {
    next = keys.scan(next, count, nowMs, visit);
    placesLeft -= count;
  } while (next !== 0 && met < count && placesLeft > 0);
  return { next, slots };
}

/** Of all that pass, those from a slot on, in the order of slots. */
function fromSlot(found: readonly Slot[], from: Slot, count: number): Gathered {
  const rest = found.filter((slot) => slot >= from).sort((left, right) => left - right);
  const slots = rest.slice(0, Math.max(count, Math.ceil(found.length / PREFIXED_CALLS)));
  const next = rest[slots.length];
  return { next: next === undefined ? 0 : PREFIXED_CURSOR + next, slots };
}

function scan(context: CommandContext): void {
  const { args, keys, reply } = context;
  const cursor = parseCursor(args, 1);
  const options = parseOptions(args, 2, true);
  const { next, slots } = Number.isSafeInteger(cursor) ? gatherKeys(context, cursor, options) : { next: 0, slots: [] };
  reply.array(2);
  reply.bulkText(String(next));
  reply.array(slots.length);
  for (const slot of slots) {
    keys.keyInto(slot, element);
    reply.bulk(element);
  }
}

/** What HSCAN and SSCAN walk. */
interface Elements {
  readonly size: number;
  /** Points `element` (and for a hash `companion`) at what is there. */
  readonly at: (index: number) => void;
}

function elementsOf(context: CommandContext, slot: Slot, type: ContentType): Elements {
  if (type === ContentType.Hash) {
    const hash = context.keys.hashAt(slot);
    return { size: hash.size, at: (index) => hash.at(index, element, companion) };
  }
  const set = context.keys.setAt(slot);
  return { size: set.size, at: (index) => set.at(index, element) };
}

/**
 * HSCAN and SSCAN. The cursor is the number of positions that are still to be looked at, and they are taken from the highest
 * down: a removal moves the last element into the hole, so an element that stays is met whatever is removed or added.
 */
function scanElements(type: ContentType): (context: CommandContext) => void {
  return (context) => {
    const { args, reply } = context;
    const cursor = parseCursor(args, 2);
    const slot = lookupTypeForRead(context, args.range(1), type);
    if (slot === NO_SLOT) {
      replyNothing(context);
      return;
    }
    const { count, glob } = parseOptions(args, 3, false);
    const elements = elementsOf(context, slot, type);
    const from = cursor === 0 ? elements.size : Math.min(cursor, elements.size);
    const to = elements.size <= WHOLE_SIZE_MAX ? 0 : Math.max(0, from - count);
    const positions: number[] = [];
    for (let index = from - 1; index >= to; index--) {
      if (glob !== null) elements.at(index);
      if (glob === null || glob.matches(element)) positions.push(index);
    }
    reply.array(2);
    reply.bulkText(String(to));
    reply.array(type === ContentType.Hash ? positions.length * 2 : positions.length);
    for (const index of positions) {
      elements.at(index);
      reply.bulk(element);
      if (type === ContentType.Hash) reply.bulk(companion);
    }
  };
}

function replyNothing(context: CommandContext): void {
  context.reply.array(2);
  context.reply.bulkText('0');
  context.reply.array(0);
}

/** Iteration by cursor, for keys and inside hashes and sets. */
export const scanCommands: readonly CommandSpec[] = [
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    group: 'generic',
    summary: 'Incrementally iterate the keys space',
    run: scan,
  },
  {
    name: 'hscan',
    arity: -3,
    flags: ['readonly'],
    keys: [1, 1, 1],
    group: 'hash',
    summary: 'Incrementally iterate hash fields and associated values',
    run: scanElements(ContentType.Hash),
  },
  {
    name: 'sscan',
    arity: -3,
    flags: ['readonly'],
    keys: [1, 1, 1],
    group: 'set',
    summary: 'Incrementally iterate Set elements',
    run: scanElements(ContentType.Set),
  },
];
