import { ByteRange } from '../base/bytes.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { checkKey, lookupTypeForRead, lookupTypeForWrite } from './lookup.ts';
import { clamped, integerArgument } from './numbers.ts';
import { refuse } from './refusals.ts';

/** Beyond every position of a string, and small enough to be added to. */
const POSITION_MAX = 2 ** 40;

/** Where a string's bytes are pointed at for the time of one call. */
const view = new ByteRange();

/** A string must not become longer than one that could have been sent. */
function checkLength(context: CommandContext, lengthBytes: number): void {
  if (lengthBytes <= context.bulkBytesMax) return;
  throw refuse('string exceeds maximum allowed size (proto-max-bulk-len)');
}

function append(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const tail = args.range(2);
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  if (slot === NO_SLOT) view.set(tail.buf, tail.start, tail.start);
  else keys.stringInto(slot, view);
  const lengthBytes = view.length + tail.length;
  checkKey(key);
  checkLength(context, lengthBytes);
  const value = new Uint8Array(lengthBytes);
  value.set(view.buf.subarray(view.start, view.end));
  value.set(tail.buf.subarray(tail.start, tail.end), view.length);
  tx.setKeepingExpiry(key, hash, view.set(value, 0, lengthBytes));
  context.notify('$', 'append', key);
  reply.integer(lengthBytes);
}

function setrange(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const offset = clamped(integerArgument(args, 2), POSITION_MAX);
  const patch = args.range(3);
  if (offset < 0) throw refuse('offset is out of range');
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  if (slot === NO_SLOT) view.set(patch.buf, patch.start, patch.start);
  else keys.stringInto(slot, view);
  if (patch.length === 0) {
    reply.integer(view.length);
    return;
  }
  checkKey(key);
  checkLength(context, offset + patch.length);
  const value = new Uint8Array(Math.max(view.length, offset + patch.length));
  value.set(view.buf.subarray(view.start, view.end));
  value.set(patch.buf.subarray(patch.start, patch.end), offset);
  tx.setKeepingExpiry(key, hash, view.set(value, 0, value.length));
  context.notify('$', 'setrange', key);
  reply.integer(value.length);
}

function getrange(context: CommandContext): void {
  const { args, keys, reply } = context;
  const first = integerArgument(args, 2);
  const last = integerArgument(args, 3);
  const slot = lookupTypeForRead(context, args.range(1), ContentType.String);
  if (slot === NO_SLOT) {
    reply.bulkText('');
    return;
  }
  keys.stringInto(slot, view);
  const length = view.length;
  if (length === 0 || (first < 0n && last < 0n && first > last)) {
    reply.bulkText('');
    return;
  }
  const from = positionOf(first, length);
  const to = Math.min(positionOf(last, length), length - 1);
  if (from > to) reply.bulkText('');
  else reply.bulk(view.set(view.buf, view.start + from, view.start + to + 1));
}

/** A position from the end where it is negative, never below 0; far beyond the length is as good as at it. */
function positionOf(index: bigint, length: number): number {
  const position = clamped(index, POSITION_MAX);
  return position < 0 ? Math.max(0, length + position) : position;
}

function strlen(context: CommandContext): void {
  const slot = lookupTypeForRead(context, context.args.range(1), ContentType.String);
  if (slot !== NO_SLOT) context.keys.stringInto(slot, view);
  context.reply.integer(slot === NO_SLOT ? 0 : view.length);
}

/** Commands on a part of a string. APPEND and SETRANGE do not merge: they write what results as a register. */
export const stringRangeCommands: readonly CommandSpec[] = [
  {
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Append a value to a key',
    run: append,
  },
  {
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Overwrite part of a string at key starting at the specified offset',
    run: setrange,
  },
  {
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Get a substring of the string stored at a key',
    run: getrange,
  },
  {
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Get a substring of the string stored at a key',
    run: getrange,
  },
  {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Get the length of the value stored in a key',
    run: strlen,
  },
];
