import { ByteRange } from '../base/bytes.ts';
import { INT64_MAX } from '../base/decimal.ts';
import { ContentType, NO_SLOT, type SetReader } from '../keyspace/keyspace.ts';
import { oneKeyRows, type CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import {
  checkKey,
  hashOfKey,
  HeldBytes,
  lookupTypeForRead,
  lookupTypeForWrite,
  lookupTypeToWrite,
  notifyIfGone,
} from './lookup.ts';
import { integerArgumentWithin, positiveArgument } from './numbers.ts';
import { randomIndex, sampledIndexes } from './random-sample.ts';
import { syntaxError } from './refusals.ts';
import { setAlgebraCommands } from './set-algebra.ts';

/** Where a member is pointed at for the time of one call. */
const member = new ByteRange();

/** The set of argument 1, null when there is none. */
function setOf(context: CommandContext): SetReader | null {
  const slot = lookupTypeForRead(context, context.args.range(1), ContentType.Set);
  return slot === NO_SLOT ? null : context.keys.setAt(slot);
}

/** Whether the set of a key that is about to change has a member. Throws when the key has another type. */
function hasMember(context: CommandContext, key: ByteRange, hash: number, candidate: ByteRange): boolean {
  const slot = lookupTypeForWrite(context, key, hash, ContentType.Set);
  return slot !== NO_SLOT && context.keys.setAt(slot).has(candidate);
}

function sadd(context: CommandContext): void {
  const { args, reply, tx } = context;
  const key = args.range(1);
  const hash = hashOfKey(context);
  const slot = lookupTypeToWrite(context, key, hash, ContentType.Set);
  checkKey(key);
  let added = 0;
  for (let index = 2; index < args.count; index++) if (tx.setAdd(key, hash, args.range(index), slot)) added++;
  if (added > 0) context.notify('s', 'sadd', key);
  reply.integer(added);
}

function srem(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  let removed = 0;
  for (let index = 2; index < args.count; index++) {
    if (!hasMember(context, key, hash, args.range(index))) continue;
    tx.setRemove(key, hash, args.range(index));
    removed++;
  }
  if (removed > 0) {
    context.notify('s', 'srem', key);
    notifyIfGone(context, key, hash);
  }
  reply.integer(removed);
}

function smove(context: CommandContext): void {
  const { args, keys, nowMs, reply, tx } = context;
  const source = args.range(1);
  const target = args.range(2);
  const moved = args.range(3);
  const sourceHash = keys.hashOf(source);
  const targetHash = keys.hashOf(target);
  if (keys.find(source, sourceHash, nowMs) === NO_SLOT) {
    reply.integer(0);
    return;
  }
  const isThere = hasMember(context, source, sourceHash, moved);
  const wasInTarget = hasMember(context, target, targetHash, moved);
  const sameSet = keys.find(source, sourceHash, nowMs) === keys.find(target, targetHash, nowMs);
  if (isThere && !sameSet) {
    checkKey(target);
    tx.setRemove(source, sourceHash, moved);
    context.notify('s', 'srem', source);
    notifyIfGone(context, source, sourceHash);
    tx.setAdd(target, targetHash, moved);
    if (!wasInTarget) context.notify('s', 'sadd', target);
  }
  reply.integer(isThere ? 1 : 0);
}

function sismember(context: CommandContext): void {
  const set = setOf(context);
  context.reply.integer(set !== null && set.has(context.args.range(2)) ? 1 : 0);
}

function smismember(context: CommandContext): void {
  const { args, reply } = context;
  const set = setOf(context);
  reply.array(args.count - 2);
  for (let index = 2; index < args.count; index++) reply.integer(set !== null && set.has(args.range(index)) ? 1 : 0);
}

function scard(context: CommandContext): void {
  context.reply.integer(setOf(context)?.size ?? 0);
}

function smembers(context: CommandContext): void {
  const { reply } = context;
  const set = setOf(context);
  const size = set === null ? 0 : set.size;
  reply.set(size);
  for (let index = 0; set !== null && index < size; index++) {
    set.at(index, member);
    reply.bulk(member);
  }
}

function srandmember(context: CommandContext): void {
  const { args, reply } = context;
  const random = (): number => context.random();
  if (args.count > 3) throw syntaxError();
  if (args.count === 3) {
    const count = integerArgumentWithin(args, 2, -INT64_MAX, INT64_MAX);
    const set = setOf(context);
    const indexes = set === null ? [] : sampledIndexes(random, set.size, count);
    reply.array(indexes.length);
    for (const index of indexes) {
      set?.at(index, member);
      reply.bulk(member);
    }
    return;
  }
  const set = setOf(context);
  if (set === null) {
    reply.null();
    return;
  }
  set.at(randomIndex(random, set.size), member);
  reply.bulk(member);
}

/** Replies and removes one member; the choice is made here and travels as the removal of what was chosen. */
function popOne(context: CommandContext, key: ByteRange, hash: number, held: HeldBytes): void {
  const { keys, reply, tx } = context;
  const set = keys.setAt(keys.find(key, hash, context.nowMs));
  set.at(
    randomIndex(() => context.random(), set.size),
    member,
  );
  const popped = held.hold(member);
  reply.bulk(popped);
  tx.setRemove(key, hash, popped);
}

function spop(context: CommandContext): void {
  const { args, keys, reply } = context;
  if (args.count > 3) throw syntaxError();
  const wanted = args.count === 3 ? positiveArgument(args, 2) : null;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.Set);
  if (slot === NO_SLOT || wanted === 0n) {
    if (wanted === null) reply.null();
    else reply.set(0);
    return;
  }
  const size = keys.setAt(slot).size;
  const count = wanted === null ? 1 : wanted < BigInt(size) ? Number(wanted) : size;
  if (wanted !== null) reply.set(count);
  const held = new HeldBytes();
  for (let popped = 0; popped < count; popped++) popOne(context, key, hash, held);
  context.notify('s', 'spop', key);
  notifyIfGone(context, key, hash);
}

const setSpec = oneKeyRows('set');

/** Every command on sets but SSCAN. */
export const setCommands: readonly CommandSpec[] = [
  setSpec('sadd', -3, ['write', 'denyoom', 'fast'], 'Add one or more members to a set', sadd),
  setSpec('srem', -3, ['write', 'fast'], 'Remove one or more members from a set', srem),
  {
    name: 'smove',
    arity: 4,
    flags: ['write', 'fast'],
    keys: [1, 2, 1],
    group: 'set',
    summary: 'Move a member from one set to another',
    run: smove,
  },
  setSpec('sismember', 3, ['readonly', 'fast'], 'Determine if a given value is a member of a set', sismember),
  setSpec(
    'smismember',
    -3,
    ['readonly', 'fast'],
    'Returns the membership associated with the given elements for a set',
    smismember,
  ),
  setSpec('scard', 2, ['readonly', 'fast'], 'Get the number of members in a set', scard),
  setSpec('smembers', 2, ['readonly'], 'Get all the members in a set', smembers),
  setSpec('srandmember', -2, ['readonly'], 'Get one or multiple random members from a set', srandmember),
  setSpec('spop', -2, ['write', 'fast'], 'Remove and return one or multiple random members from a set', spop),
  ...setAlgebraCommands,
];
