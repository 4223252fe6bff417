import { ByteRange, sameBytes } from '../base/bytes.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import { copyContent, type HashedKey } from './copy-content.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { checkKey, exists, lookupForRead, lookupUnused } from './lookup.ts';
import { integerArgumentWithin } from './numbers.ts';
import { patternOf } from './patterns.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Where a key's bytes are pointed at for the time of one call. */
const view = new ByteRange();

/** What TYPE calls what a key shows. */
export const typeNames: Readonly<Record<ContentType, string>> = {
  [ContentType.None]: 'none',
  [ContentType.String]: 'string',
  [ContentType.Hash]: 'hash',
  [ContentType.Set]: 'set',
  [ContentType.Document]: 'ReJSON-RL',
};

/** Whether a value may be on its way that is older than what removes the key now. */
function mayBeOnItsWay({ fetching, leases }: CommandContext['server'], key: ByteRange): boolean {
  return fetching.isSourced(key) || leases.isLeased(key);
}

function del(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  let deleted = 0;
  for (let index = 1; index < args.count; index++) {
    const key = args.range(index);
    const hash = keys.hashOf(key);
    if (!exists(context, key, hash)) {
      if (!context.isInLog) context.server.regional?.removed(key);
      // what is being loaded somewhere is older than this (SPEC V8)
      if (!context.isInLog && mayBeOnItsWay(context.server, key)) tx.invalidate(key, hash);
      continue;
    }
    tx.delete(key, hash);
    context.notify('g', 'del', key);
    deleted++;
  }
  reply.integer(deleted);
}

/** EXISTS and TOUCH: a key that is named twice counts twice. */
function countingWith(lookup: typeof lookupForRead): CommandSpec['run'] {
  return (context) => {
    const { args, reply } = context;
    let count = 0;
    for (let index = 1; index < args.count; index++) if (lookup(context, args.range(index)) !== NO_SLOT) count++;
    reply.integer(count);
  };
}

function type(context: CommandContext): void {
  const slot = lookupUnused(context, context.args.range(1));
  context.reply.simple(typeNames[slot === NO_SLOT ? ContentType.None : context.keys.typeOf(slot)]);
}

function keysMatching(context: CommandContext): void {
  const { args, keys, nowMs, reply } = context;
  const glob = patternOf(args.range(1));
  const slots: Slot[] = [];
  const visit = (slot: Slot): void => {
    if (glob !== null) keys.keyInto(slot, view);
    if (glob === null || glob.matches(view)) slots.push(slot);
  };
  const prefix = glob?.prefix ?? '';
  const ordered = prefix === '' ? null : keys.ordered();
  if (ordered === null) keys.scan(0, Number.MAX_SAFE_INTEGER, nowMs, visit);
  else ordered.visit(prefix, null, Infinity, nowMs, visit);
  reply.array(slots.length);
  for (const slot of slots) {
    keys.keyInto(slot, view);
    reply.bulk(view);
  }
}

function randomkey(context: CommandContext): void {
  const { keys, nowMs, reply } = context;
  const slot = keys.random(context.random(), nowMs);
  if (slot === NO_SLOT) {
    reply.null();
    return;
  }
  keys.keyInto(slot, view);
  reply.bulk(view);
}

function hashedKey(context: CommandContext, index: number): HashedKey {
  const key = context.args.range(index);
  return { key, hash: context.keys.hashOf(key) };
}

function rename(context: CommandContext, onlyIfAbsent: boolean): void {
  const { reply, tx } = context;
  const source = hashedKey(context, 1);
  const target = hashedKey(context, 2);
  if (!exists(context, source.key, source.hash)) throw refuse('no such key');
  const sameKey = sameBytes(source.key, target.key);
  if (onlyIfAbsent && (sameKey || exists(context, target.key, target.hash))) {
    reply.integer(0);
    return;
  }
  checkKey(target.key);
  if (!sameKey) {
    copyContent(context, source, target);
    tx.delete(source.key, source.hash);
    context.notify('g', 'rename_from', source.key);
    context.notify('g', 'rename_to', target.key);
  }
  if (onlyIfAbsent) reply.integer(1);
  else reply.ok();
}

/** Says whether REPLACE was given; there is one database, number 0. */
function parseCopyOptions(args: Args): boolean {
  let replace = false;
  for (let index = 3; index < args.count; index++) {
    const word = args.word(index);
    if (word === 'REPLACE') replace = true;
    else if (word === 'DB' && index + 1 < args.count) {
      const database = integerArgumentWithin(args, ++index, -(2n ** 31n), 2n ** 31n - 1n);
      if (database !== 0n) throw refuse('DB index is out of range');
    } else throw syntaxError();
  }
  return replace;
}

function copy(context: CommandContext): void {
  const { args, reply } = context;
  const replace = parseCopyOptions(args);
  const source = hashedKey(context, 1);
  const target = hashedKey(context, 2);
  if (sameBytes(source.key, target.key)) throw refuse('source and destination objects are the same');
  const blocked =
    lookupForRead(context, source.key) === NO_SLOT || (!replace && exists(context, target.key, target.hash));
  if (blocked) {
    reply.integer(0);
    return;
  }
  checkKey(target.key);
  copyContent(context, source, target);
  context.notify('g', 'copy_to', target.key);
  reply.integer(1);
}

/** Commands on keys of any type. */
export const genericCommands: readonly CommandSpec[] = [
  {
    name: 'del',
    arity: -2,
    flags: ['write'],
    keys: [1, -1, 1],
    group: 'generic',
    summary: 'Delete a key',
    run: del,
  },
  {
    name: 'unlink',
    arity: -2,
    flags: ['write', 'fast'],
    keys: [1, -1, 1],
    group: 'generic',
    summary: 'Delete a key; here the same as DEL',
    run: del,
  },
  {
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: [1, -1, 1],
    group: 'generic',
    summary: 'Determine if a key exists',
    run: countingWith(lookupUnused),
  },
  {
    name: 'touch',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: [1, -1, 1],
    group: 'generic',
    summary: 'Returns the number of existing keys specified',
    run: countingWith(lookupForRead),
  },
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    summary: 'Determine the type stored at key',
    run: type,
  },
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    group: 'generic',
    summary: 'Find all keys matching the given pattern',
    run: keysMatching,
  },
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    group: 'generic',
    summary: 'Return a random key from the keyspace',
    run: randomkey,
  },
  {
    name: 'rename',
    arity: 3,
    flags: ['write'],
    keys: [1, 2, 1],
    group: 'generic',
    summary: 'Rename a key',
    run: (context) => rename(context, false),
  },
  {
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    keys: [1, 2, 1],
    group: 'generic',
    summary: 'Rename a key, only if the new key does not exist',
    run: (context) => rename(context, true),
  },
  {
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, 2, 1],
    group: 'generic',
    summary: 'Copy a key',
    run: copy,
  },
];
