import { ByteRange } from '../base/bytes.ts';
import { formatDecimal, INT64_MIN, parseInteger } from '../base/decimal.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { checkKey, lookupTypeForWrite } from './lookup.ts';
import { decimalOf, decimalSum, integerArgument, isInt64 } from './numbers.ts';
import { notAnInteger, refuse } from './refusals.ts';

/** Where a counter's text is pointed at for the time of one call. */
const view = new ByteRange();

function add(context: CommandContext, delta: bigint): void {
  const { keys, reply, tx } = context;
  const key = context.args.range(1);
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  let current: bigint | null = 0n;
  if (slot !== NO_SLOT) {
    keys.stringInto(slot, view);
    current = parseInteger(view);
  }
  if (current === null) throw notAnInteger();
  const sum = current + delta;
  if (!isInt64(sum)) throw refuse('increment or decrement would overflow');
  checkKey(key);
  tx.increment(key, hash, delta);
  context.notify('$', 'incrby', key);
  reply.integer(sum);
}

function decrby(context: CommandContext): void {
  const delta = integerArgument(context.args, 2);
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
    run: (context) => add(context, 1n),
  },
  {
    name: 'decr',
    arity: 2,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Decrement the integer value of a key by one',
    run: (context) => add(context, -1n),
  },
  {
    name: 'incrby',
    arity: 3,
    flags,
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Increment the integer value of a key by the given amount',
    run: (context) => add(context, integerArgument(context.args, 2)),
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
