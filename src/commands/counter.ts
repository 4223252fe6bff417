import { ByteRange } from '../base/bytes.ts';
import { formatDecimal, INT64_MIN, parseExactInteger, parseInteger } from '../base/decimal.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { checkKey, hashOfKey, lookupTypeForWrite, lookupTypeToWrite } from './lookup.ts';
import { decimalOf, decimalSum, integerArgument, isInt64 } from './numbers.ts';
import { notAnInteger, refuse } from './refusals.ts';

/** Where a counter's text is pointed at for the time of one call. */
const view = new ByteRange();

/** A number where a double holds it exactly, as it does nearly always. */
type Integer = number | bigint;

function integerOf({ keys }: CommandContext, slot: Slot): Integer {
  const count = keys.countAt(slot);
  if (count !== null) return count;
  keys.stringInto(slot, view);
  const integer = parseExactInteger(view) ?? parseInteger(view);
  if (integer === null) throw notAnInteger();
  return integer;
}

function sumOf(left: Integer, right: Integer): Integer {
  if (typeof left === 'number' && typeof right === 'number' && Number.isSafeInteger(left + right)) return left + right;
  const sum = BigInt(left) + BigInt(right);
  if (!isInt64(sum)) throw refuse('increment or decrement would overflow');
  return sum;
}

/** What a key will be, which is in a slot or nothing. */
function sumAt(context: CommandContext, key: ByteRange, hash: number, slot: Slot, delta: Integer): Integer {
  if (slot === NO_SLOT) return sumOf(0, delta);
  try {
    return sumOf(integerOf(context, slot), delta);
  } catch (refusal) {
    // it tells of what is there, which was read then
    context.keys.find(key, hash, context.nowMs);
    throw refusal;
  }
}

function add(context: CommandContext, delta: Integer): void {
  const { reply, tx } = context;
  const key = context.args.range(1);
  const hash = hashOfKey(context);
  const slot = lookupTypeToWrite(context, key, hash, ContentType.String);
  const sum = sumAt(context, key, hash, slot, delta);
  checkKey(key);
  tx.increment(key, hash, delta, slot);
  context.notify('$', 'incrby', key);
  reply.integer(sum);
}

function argumentOf({ args }: CommandContext): Integer {
  return parseExactInteger(args.range(2)) ?? integerArgument(args, 2);
}

function decrby(context: CommandContext): void {
  const delta = argumentOf(context);
  if (delta === INT64_MIN) throw refuse('decrement would overflow');
  add(context, -delta);
}

function incrbyfloat(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  let current: bigint | 'infinite' | null = 0n;
  if (slot !== NO_SLOT) {
    keys.stringInto(slot, view);
    current = decimalOf(view);
  }
  const delta = current === null ? null : decimalOf(args.range(2));
  if (current === null || delta === null) throw refuse('value is not a valid float');
  const sum = decimalSum(current, delta);
  if (sum === null || delta === 'infinite') throw refuse('increment would produce NaN or Infinity');
  checkKey(key);
  tx.incrementDecimal(key, hash, delta);
  context.notify('$', 'incrbyfloat', key);
  reply.bulkText(formatDecimal(sum));
}

const flags = ['write', 'denyoom', 'fast'] as const;

/** Counters: increments merge, so they travel as increments and not as results. */
export const counterCommands: readonly CommandSpec[] = [
  {
    name: 'incr',
    arity: 2,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Increment the integer value of a key by one',
    run: (context) => add(context, 1),
  },
  {
    name: 'decr',
    arity: 2,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Decrement the integer value of a key by one',
    run: (context) => add(context, -1),
  },
  {
    name: 'incrby',
    arity: 3,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Increment the integer value of a key by the given amount',
    run: (context) => add(context, argumentOf(context)),
  },
  {
    name: 'decrby',
    arity: 3,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Decrement the integer value of a key by the given number',
    run: decrby,
  },
  {
    name: 'incrbyfloat',
    arity: 3,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Increment the float value of a key by the given amount',
    run: incrbyfloat,
  },
];
