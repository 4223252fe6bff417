import { ByteRange, latin1Range } from '../base/bytes.ts';
import { INT64_MAX } from '../base/decimal.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { checkKey, exists, lookupTypeForRead } from './lookup.ts';
import { clamped, integerArgumentWithin, positiveArgument } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Where a member is pointed at for the time of one call. */
const member = new ByteRange();

/** The sets of arguments `first` to `last`; NO_SLOT for a key that is absent, which is an empty set. */
function setsOf(context: CommandContext, first: number, last: number): Slot[] {
  const slots: Slot[] = [];
  for (let index = first; index <= last; index++) {
    slots.push(lookupTypeForRead(context, context.args.range(index), ContentType.Set));
  }
  return slots;
}

function sizeOf(context: CommandContext, slot: Slot): number {
  return slot === NO_SLOT ? 0 : context.keys.setAt(slot).size;
}

/**
 * Visits the members that all sets have, while the visitor says to go on. Walks the smallest set and asks the others, each
 * different one once.
 */
function intersect(context: CommandContext, slots: readonly Slot[], visit: (member: ByteRange) => boolean): void {
  const bySize = [...new Set(slots)].sort((left, right) => sizeOf(context, left) - sizeOf(context, right));
  const [smallest, ...others] = bySize;
  if (smallest === undefined || slots.includes(NO_SLOT)) return;
  const walked = context.keys.setAt(smallest);
  const asked = others.map((slot) => context.keys.setAt(slot));
  for (let index = 0; index < walked.size; index++) {
    walked.at(index, member);
    if (asked.every((set) => set.has(member)) && !visit(member)) return;
  }
}

function intersection(context: CommandContext, slots: readonly Slot[]): string[] {
  const members: string[] = [];
  intersect(context, slots, (common) => {
    members.push(common.toLatin1());
    return true;
  });
  return members;
}

function addMembers(context: CommandContext, slot: Slot, members: Set<string>): void {
  const set = context.keys.setAt(slot);
  for (let index = 0; index < set.size; index++) {
    set.at(index, member);
    members.add(member.toLatin1());
  }
}

function union(context: CommandContext, slots: readonly Slot[]): string[] {
  const members = new Set<string>();
  for (const slot of new Set(slots)) if (slot !== NO_SLOT) addMembers(context, slot, members);
  return [...members];
}

/** The first set without the members of the others, by the cheaper of asking every other set and gathering what they hold. */
function difference(context: CommandContext, slots: readonly Slot[]): string[] {
  const [first = NO_SLOT, ...rest] = slots;
  const others = [...new Set(rest)].filter((slot) => slot !== NO_SLOT);
  if (first === NO_SLOT || others.includes(first)) return [];
  const gatheringWork = others.reduce((total, slot) => total + sizeOf(context, slot), 0);
  const gathered = new Set<string>();
  const gathers = gatheringWork < sizeOf(context, first) * others.length;
  if (gathers) for (const slot of others) addMembers(context, slot, gathered);
  const asked = gathers ? [] : others.map((slot) => context.keys.setAt(slot));
  const walked = context.keys.setAt(first);
  const members: string[] = [];
  for (let index = 0; index < walked.size; index++) {
    walked.at(index, member);
    if (asked.some((set) => set.has(member))) continue;
    const text = member.toLatin1();
    if (!gathered.has(text)) members.push(text);
  }
  return members;
}

type SetOperation = (context: CommandContext, slots: readonly Slot[]) => string[];

function reply(operation: SetOperation): (context: CommandContext) => void {
  return (context) => {
    const members = operation(context, setsOf(context, 1, context.args.count - 1));
    context.reply.set(members.length);
    for (const text of members) context.reply.bulkText(text);
  };
}

/** Replaces argument 1 by the result, computed here: what travels is a removal and the members. */
function store(operation: SetOperation, event: string): (context: CommandContext) => void {
  return (context) => {
    const { args, keys, tx } = context;
    const target = args.range(1);
    const members = operation(context, setsOf(context, 2, args.count - 1));
    checkKey(target);
    const hash = keys.hashOf(target);
    const existed = exists(context, target, hash);
    if (existed) tx.delete(target, hash);
    for (const text of members) tx.setAdd(target, hash, latin1Range(text));
    if (members.length > 0) context.notify('s', event, target);
    else if (existed) context.notify('g', 'del', target);
    context.reply.integer(members.length);
  };
}

function sintercard(context: CommandContext): void {
  const { args } = context;
  const keyCount = clamped(
    integerArgumentWithin(args, 1, 1n, INT64_MAX, 'numkeys should be greater than 0'),
    Number.MAX_SAFE_INTEGER,
  );
  if (keyCount > args.count - 2) throw refuse("Number of keys can't be greater than number of args");
  let limit = 0n;
  for (let index = 2 + keyCount; index < args.count; index += 2) {
    if (args.word(index) !== 'LIMIT' || index + 1 >= args.count) throw syntaxError();
    limit = positiveArgument(args, index + 1, "LIMIT can't be negative");
  }
  const most = limit === 0n ? Infinity : clamped(limit, Number.MAX_SAFE_INTEGER);
  let count = 0;
  intersect(context, setsOf(context, 2, 1 + keyCount), () => ++count < most);
  context.reply.integer(count);
}

function readSpec(name: string, summary: string, operation: SetOperation): CommandSpec {
  return { name, arity: -2, flags: ['readonly'], keys: [1, -1, 1], group: 'set', summary, run: reply(operation) };
}

function storeSpec(name: string, summary: string, operation: SetOperation): CommandSpec {
  return {
    name,
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, -1, 1],
    group: 'set',
    summary,
    run: store(operation, name),
  };
}

/** Commands on several sets. */
export const setAlgebraCommands: readonly CommandSpec[] = [
  readSpec('sinter', 'Intersect multiple sets', intersection),
  readSpec('sunion', 'Add multiple sets', union),
  readSpec('sdiff', 'Subtract multiple sets', difference),
  storeSpec('sinterstore', 'Intersect multiple sets and store the resulting set in a key', intersection),
  storeSpec('sunionstore', 'Add multiple sets and store the resulting set in a key', union),
  storeSpec('sdiffstore', 'Subtract multiple sets and store the resulting set in a key', difference),
  {
    name: 'sintercard',
    arity: -3,
    flags: ['readonly', 'movablekeys'],
    group: 'set',
    summary: 'Intersect multiple sets and return the cardinality of the result',
    run: sintercard,
  },
];
