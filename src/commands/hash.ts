import { ByteRange } from '../base/bytes.ts';
import { formatDecimal, parseInteger } from '../base/decimal.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import { oneKeyRows, type CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { hashReadCommands } from './hash-reads.ts';
import { checkKey, hashOfKey, lookupTypeForWrite, lookupTypeToWrite, notifyIfGone } from './lookup.ts';
import { decimalOf, decimalSum, integerArgument, isInt64 } from './numbers.ts';
import { refuse, wrongArity } from './refusals.ts';

/** Where a field's value is pointed at for the time of one call. */
const view = new ByteRange();

/** Points `view` at a field's value; false when the hash or the field is absent. Throws when the key has another type. */
function findField(context: CommandContext, key: ByteRange, hash: number, field: ByteRange): boolean {
  const slot = lookupTypeForWrite(context, key, hash, ContentType.Hash);
  return slot !== NO_SLOT && context.keys.hashAt(slot).get(field, view);
}

/** HSET and HMSET; the number of fields that were not there. */
function setFields(context: CommandContext, commandName: string): number {
  const { args, tx } = context;
  if (args.count % 2 === 1) throw wrongArity(commandName);
  const key = args.range(1);
  const hash = hashOfKey(context);
  const slot = lookupTypeToWrite(context, key, hash, ContentType.Hash);
  checkKey(key);
  let created = 0;
  for (let index = 2; index < args.count; index += 2)
    if (tx.hashSet(key, hash, args.range(index), args.range(index + 1), slot)) created++;
  context.notify('h', 'hset', key);
  return created;
}

function hset(context: CommandContext): void {
  context.reply.integer(setFields(context, 'hset'));
}

function hmset(context: CommandContext): void {
  setFields(context, 'hmset');
  context.reply.ok();
}

function hsetnx(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const field = args.range(2);
  const hash = keys.hashOf(key);
  if (findField(context, key, hash, field)) {
    reply.integer(0);
    return;
  }
  checkKey(key);
  tx.hashSet(key, hash, field, args.range(3));
  context.notify('h', 'hset', key);
  reply.integer(1);
}

function hdel(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  let deleted = 0;
  for (let index = 2; index < args.count; index++) {
    const slot = lookupTypeForWrite(context, key, hash, ContentType.Hash);
    if (slot === NO_SLOT) break;
    const field = args.range(index);
    if (!keys.hashAt(slot).has(field)) continue;
    tx.hashDelete(key, hash, field);
    deleted++;
  }
  if (deleted > 0) {
    context.notify('h', 'hdel', key);
    notifyIfGone(context, key, hash);
  }
  reply.integer(deleted);
}

function hincrby(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const delta = integerArgument(args, 3);
  const key = args.range(1);
  const field = args.range(2);
  const hash = keys.hashOf(key);
  const current = findField(context, key, hash, field) ? parseInteger(view) : 0n;
  if (current === null) throw refuse('hash value is not an integer');
  const sum = current + delta;
  if (!isInt64(sum)) throw refuse('increment or decrement would overflow');
  checkKey(key);
  tx.hashIncrement(key, hash, field, delta);
  context.notify('h', 'hincrby', key);
  reply.integer(sum);
}

function hincrbyfloat(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const delta = decimalOf(args.range(3));
  if (delta === null) throw refuse('value is not a valid float');
  if (delta === 'infinite') throw refuse('value is NaN or Infinity');
  const key = args.range(1);
  const field = args.range(2);
  const hash = keys.hashOf(key);
  const current = findField(context, key, hash, field) ? decimalOf(view) : 0n;
  if (current === null) throw refuse('hash value is not a float');
  const sum = decimalSum(current, delta);
  if (sum === null) throw refuse('increment would produce NaN or Infinity');
  checkKey(key);
  tx.hashIncrementDecimal(key, hash, field, delta);
  context.notify('h', 'hincrbyfloat', key);
  reply.bulkText(formatDecimal(sum));
}

const writeSpec = oneKeyRows('hash');

const growing = ['write', 'denyoom', 'fast'] as const;

/** Every command on hashes but HSCAN. */
export const hashCommands: readonly CommandSpec[] = [
  writeSpec('hset', -4, growing, 'Set the string value of a hash field', hset),
  writeSpec('hmset', -4, growing, 'Set multiple hash fields to multiple values', hmset),
  writeSpec('hsetnx', 4, growing, 'Set the value of a hash field, only if the field does not exist', hsetnx),
  writeSpec('hdel', -3, ['write', 'fast'], 'Delete one or more hash fields', hdel),
  writeSpec('hincrby', 4, growing, 'Increment the integer value of a hash field by the given number', hincrby),
  writeSpec('hincrbyfloat', 4, growing, 'Increment the float value of a hash field by the given amount', hincrbyfloat),
  ...hashReadCommands,
];
