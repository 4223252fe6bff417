import { ByteRange, sameBytes } from '../base/bytes.ts';
import { ContentType, READ_AHEAD_MAX, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { counterCommands } from './counter.ts';
import { lcsCommands } from './lcs.ts';
import { hasVersion } from './if-version.ts';
import { checkKey, exists, hashOfKey, lookupForRead, lookupTypeForRead } from './lookup.ts';
import { wrongArity, wrongType } from './refusals.ts';
import { expiryOptionMs, parseStringOptions, type ExpiryForm, type StringOptions } from './string-options.ts';
import { stringRangeCommands } from './string-range.ts';

/** Where a string's bytes are pointed at for the time of one call. */
const view = new ByteRange();
/** Those of some of MGET's keys, for the time of one call. */
const hashes = new Int32Array(READ_AHEAD_MAX);

function replyString(context: CommandContext, slot: Slot): void {
  if (slot === NO_SLOT) {
    context.reply.null();
    return;
  }
  context.keys.stringInto(slot, view);
  context.reply.bulk(view);
}

function get(context: CommandContext): void {
  replyString(context, lookupTypeForRead(context, context.args.range(1), ContentType.String, hashOfKey(context)));
}

function mget(context: CommandContext): void {
  const { args, keys, reply } = context;
  reply.array(args.count - 1);
  for (let first = 1; first < args.count; first += READ_AHEAD_MAX) {
    const count = Math.min(READ_AHEAD_MAX, args.count - first);
    for (let at = 0; at < count; at++) hashes[at] = keys.hashOf(args.range(first + at));
    keys.readAhead(hashes, count);
    for (let at = 0; at < count; at++) {
      const slot = lookupForRead(context, args.range(first + at), hashes[at]);
      replyString(context, slot !== NO_SLOT && keys.typeOf(slot) === ContentType.String ? slot : NO_SLOT);
    }
  }
}

/**
 * The one way to write a whole string with an expiry. One that has passed already leaves nothing: the key was set and is
 * expired in the same moment.
 */
function setUntil(context: CommandContext, key: ByteRange, hash: number, value: ByteRange, expireAtMs: number): void {
  if (expireAtMs > context.nowMs) {
    context.tx.set(key, hash, value, expireAtMs);
    context.notify('$', 'set', key);
    if (expireAtMs !== Infinity) context.notify('g', 'expire', key);
    return;
  }
  if (exists(context, key, hash)) context.tx.delete(key, hash);
  context.notify('$', 'set', key);
  context.notify('g', 'expire', key);
  context.notify('x', 'expired', key);
}

/** Whether SET's condition holds of what is there. Throws WRONGTYPE where something else than a string is to be compared. */
function holdsCondition(context: CommandContext, options: StringOptions, slot: Slot): boolean {
  const { args, keys } = context;
  const { condition, comparedIndex } = options;
  if (condition === null) return true;
  if (condition === 'NX' || condition === 'XX') return (condition === 'XX') === (slot !== NO_SLOT);
  if (condition === 'IFVERSION') return hasVersion(context, slot, comparedIndex);
  if (slot === NO_SLOT) return condition === 'IFNE';
  if (keys.typeOf(slot) !== ContentType.String) throw wrongType();
  keys.stringInto(slot, view);
  return sameBytes(view, args.range(comparedIndex)) === (condition === 'IFEQ');
}

function set(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const value = args.range(2);
  checkKey(key);
  const hash = hashOfKey(context);
  if (args.count === 3) {
    tx.set(key, hash, value, Infinity);
    context.notify('$', 'set', key);
    reply.ok();
    return;
  }
  const options = parseStringOptions(args, 3, 'set');
  const expireAtMs =
    options.expiry === null
      ? Infinity
      : expiryOptionMs(args.range(options.expiryIndex), options.expiry, context.nowMs, 'set');
  const slot = options.get ? lookupTypeForRead(context, key, ContentType.String) : keys.find(key, hash, context.nowMs);
  const holds = holdsCondition(context, options, slot);
  if (options.get) replyString(context, slot);
  if (!holds) {
    if (!options.get) reply.null();
    return;
  }
  if (options.keepTtl) {
    tx.setKeepingExpiry(key, hash, value);
    context.notify('$', 'set', key);
  } else {
    setUntil(context, key, hash, value, expireAtMs);
  }
  if (!options.get) reply.ok();
}

function setnx(context: CommandContext): void {
  const { args, keys, reply } = context;
  const key = args.range(1);
  checkKey(key);
  const hash = keys.hashOf(key);
  const absent = !exists(context, key, hash);
  if (absent) setUntil(context, key, hash, args.range(2), Infinity);
  reply.integer(absent ? 1 : 0);
}

function setExpiring(form: ExpiryForm, commandName: string): (context: CommandContext) => void {
  return (context) => {
    const { args, keys, reply } = context;
    const key = args.range(1);
    const expireAtMs = expiryOptionMs(args.range(2), form, context.nowMs, commandName);
    checkKey(key);
    setUntil(context, key, keys.hashOf(key), args.range(3), expireAtMs);
    reply.ok();
  };
}

function getset(context: CommandContext): void {
  const { args, keys } = context;
  const key = args.range(1);
  checkKey(key);
  const hash = keys.hashOf(key);
  replyString(context, lookupTypeForRead(context, key, ContentType.String));
  setUntil(context, key, hash, args.range(2), Infinity);
}

function getdel(context: CommandContext): void {
  const { args, keys, tx } = context;
  const key = args.range(1);
  const slot = lookupTypeForRead(context, key, ContentType.String);
  replyString(context, slot);
  if (slot === NO_SLOT) return;
  tx.delete(key, keys.hashOf(key));
  context.notify('g', 'del', key);
}

function getex(context: CommandContext): void {
  const { args, keys, tx } = context;
  const key = args.range(1);
  const options = parseStringOptions(args, 2, 'getex');
  const slot = lookupTypeForRead(context, key, ContentType.String);
  if (slot === NO_SLOT) {
    context.reply.null();
    return;
  }
  const { expiry } = options;
  const expireAtMs =
    expiry === null ? Infinity : expiryOptionMs(args.range(options.expiryIndex), expiry, context.nowMs, 'getex');
  const hadExpiry = keys.expiryOf(slot) !== Infinity;
  replyString(context, slot);
  const hash = keys.hashOf(key);
  if (expiry !== null && expireAtMs <= context.nowMs) {
    tx.delete(key, hash);
    context.notify('g', 'del', key);
  } else if (expiry !== null) {
    tx.expire(key, hash, expireAtMs);
    context.notify('g', 'expire', key);
  } else if (options.persist && hadExpiry) {
    tx.expire(key, hash, Infinity);
    context.notify('g', 'persist', key);
  }
}

/** MSET and MSETNX: all keys or, for MSETNX when one of them exists, none. */
function setMany(context: CommandContext, onlyIfNoneExists: boolean): void {
  const { args, keys, reply } = context;
  if (args.count % 2 === 0) throw wrongArity(onlyIfNoneExists ? 'msetnx' : 'mset');
  for (let index = 1; index < args.count; index += 2) checkKey(args.range(index));
  for (let index = 1; onlyIfNoneExists && index < args.count; index += 2) {
    const key = args.range(index);
    if (exists(context, key, keys.hashOf(key))) {
      reply.integer(0);
      return;
    }
  }
  for (let index = 1; index < args.count; index += 2) {
    const key = args.range(index);
    setUntil(context, key, keys.hashOf(key), args.range(index + 1), Infinity);
  }
  if (onlyIfNoneExists) reply.integer(1);
  else reply.ok();
}

const one: readonly [number, number, number] = [1, 1, 1];

const wholeStringCommands: readonly CommandSpec[] = [
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: one,
    group: 'string',
    summary: 'Get the value of a key',
    run: get,
  },
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: [1, -1, 1],
    group: 'string',
    summary: 'Get the values of all the given keys',
    run: mget,
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: one,
    group: 'string',
    summary: 'Set the string value of a key',
    run: set,
  },
  {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: one,
    group: 'string',
    summary: 'Set the value of a key, only if the key does not exist',
    run: setnx,
  },
  {
    name: 'setex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: one,
    group: 'string',
    summary: 'Set the value and expiration of a key',
    run: setExpiring('EX', 'setex'),
  },
  {
    name: 'psetex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: one,
    group: 'string',
    summary: 'Set the value and expiration in milliseconds of a key',
    run: setExpiring('PX', 'psetex'),
  },
  {
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: one,
    group: 'string',
    summary: 'Set the string value of a key and return its old value',
    run: getset,
  },
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    keys: one,
    group: 'string',
    summary: 'Get the value of a key and delete the key',
    run: getdel,
  },
  {
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    keys: one,
    group: 'string',
    summary: 'Get the value of a key and optionally set its expiration',
    run: getex,
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, -1, 2],
    group: 'string',
    summary: 'Set multiple keys to multiple values',
    run: (context) => setMany(context, false),
  },
  {
    name: 'msetnx',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, -1, 2],
    group: 'string',
    summary: 'Set multiple keys to multiple values, only if none of the keys exist',
    run: (context) => setMany(context, true),
  },
];

/** Every command on strings. */
export const stringCommands: readonly CommandSpec[] = [
  ...wholeStringCommands,
  ...stringRangeCommands,
  ...counterCommands,
  ...lcsCommands,
];
