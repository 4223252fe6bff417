import { ByteRange } from '../base/bytes.ts';
import { INT64_MAX } from '../base/decimal.ts';
import { ContentType, NO_SLOT, type HashReader } from '../keyspace/keyspace.ts';
import { oneKeyRows, type CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { lookupTypeForRead } from './lookup.ts';
import { integerArgumentWithin } from './numbers.ts';
import { randomIndex, sampledIndexes } from './random-sample.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Where fields and values are pointed at for the time of one call. */
const field = new ByteRange();
const value = new ByteRange();

/** The hash of argument 1, null when there is none. */
function hashOf(context: CommandContext): HashReader | null {
  const slot = lookupTypeForRead(context, context.args.range(1), ContentType.Hash);
  return slot === NO_SLOT ? null : context.keys.hashAt(slot);
}

function replyField(context: CommandContext, hash: HashReader | null, name: ByteRange): void {
  if (hash !== null && hash.get(name, value)) context.reply.bulk(value);
  else context.reply.null();
}

function hget(context: CommandContext): void {
  replyField(context, hashOf(context), context.args.range(2));
}

function hmget(context: CommandContext): void {
  const { args, reply } = context;
  const hash = hashOf(context);
  reply.array(args.count - 2);
  for (let index = 2; index < args.count; index++) replyField(context, hash, args.range(index));
}

function hexists(context: CommandContext): void {
  const hash = hashOf(context);
  context.reply.integer(hash !== null && hash.has(context.args.range(2)) ? 1 : 0);
}

function hlen(context: CommandContext): void {
  context.reply.integer(hashOf(context)?.size ?? 0);
}

function hstrlen(context: CommandContext): void {
  const hash = hashOf(context);
  context.reply.integer(hash !== null && hash.get(context.args.range(2), value) ? value.length : 0);
}

/** HGETALL, HKEYS and HVALS. */
function replyAll(context: CommandContext, fields: boolean, values: boolean): void {
  const { reply } = context;
  const hash = hashOf(context);
  const size = hash === null ? 0 : hash.size;
  if (fields && values) reply.map(size);
  else reply.array(size);
  for (let index = 0; hash !== null && index < size; index++) {
    hash.at(index, field, value);
    if (fields) reply.bulk(field);
    if (values) reply.bulk(value);
  }
}

function hrandfield(context: CommandContext): void {
  const { args, reply } = context;
  if (args.count > 2) {
    randomFields(context);
    return;
  }
  const hash = hashOf(context);
  if (hash === null) {
    reply.null();
    return;
  }
  hash.at(
    randomIndex(() => context.random(), hash.size),
    field,
    value,
  );
  reply.bulk(field);
}

function randomFields(context: CommandContext): void {
  const { args, reply } = context;
  const count = integerArgumentWithin(args, 2, -INT64_MAX, INT64_MAX);
  if (args.count > 4 || (args.count === 4 && args.word(3) !== 'WITHVALUES')) throw syntaxError();
  const withValues = args.count === 4;
  const half = INT64_MAX / 2n;
  if (withValues && (count < -half || count > half)) throw refuse('value is out of range');
  const hash = hashOf(context);
  const indexes = hash === null ? [] : sampledIndexes(() => context.random(), hash.size, count);
  const nested = withValues && reply.respVersion === 3;
  reply.array(withValues && !nested ? indexes.length * 2 : indexes.length);
  for (const index of indexes) {
    hash?.at(index, field, value);
    if (nested) reply.array(2);
    reply.bulk(field);
    if (withValues) reply.bulk(value);
  }
}

const readSpec = oneKeyRows('hash');

const fast = ['readonly', 'fast'] as const;

/** What reads hashes. */
export const hashReadCommands: readonly CommandSpec[] = [
  readSpec('hget', 3, fast, 'Get the value of a hash field', hget),
  readSpec('hmget', -3, fast, 'Get the values of all the given hash fields', hmget),
  readSpec('hexists', 3, fast, 'Determine if a hash field exists', hexists),
  readSpec('hlen', 2, fast, 'Get the number of fields in a hash', hlen),
  readSpec('hstrlen', 3, fast, 'Get the length of the value of a hash field', hstrlen),
  readSpec('hgetall', 2, ['readonly'], 'Get all the fields and values in a hash', (context) =>
    replyAll(context, true, true),
  ),
  readSpec('hkeys', 2, ['readonly'], 'Get all the fields in a hash', (context) => replyAll(context, true, false)),
  readSpec('hvals', 2, ['readonly'], 'Get all the values in a hash', (context) => replyAll(context, false, true)),
  readSpec('hrandfield', -2, ['readonly'], 'Get one or multiple random fields from a hash', hrandfield),
];
