import { INT64_MAX, INT64_MIN } from '../base/decimal.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { lookupUnused } from './lookup.ts';
import { integerArgument } from './numbers.ts';
import { invalidExpireTime, refuse } from './refusals.ts';

interface ExpireConditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

function parseConditions(args: Args): ExpireConditions {
  const conditions: ExpireConditions = { nx: false, xx: false, gt: false, lt: false };
  for (let index = 3; index < args.count; index++) {
    switch (args.word(index)) {
      case 'NX':
        conditions.nx = true;
        break;
      case 'XX':
        conditions.xx = true;
        break;
      case 'GT':
        conditions.gt = true;
        break;
      case 'LT':
        conditions.lt = true;
        break;
      default:
        // As in Redis, what is quoted ends at a zero byte.
        throw refuse(`Unsupported option ${args.text(index).split('\0', 1)[0]}`);
    }
  }
  const { nx, xx, gt, lt } = conditions;
  if (nx && (xx || gt || lt)) throw refuse('NX and XX, GT or LT options at the same time are not compatible');
  if (gt && lt) throw refuse('GT and LT options at the same time are not compatible');
  return conditions;
}

/** Whether an expiry `atMs` may replace `currentMs`, Infinity for none. */
function allows(conditions: ExpireConditions, atMs: number, currentMs: number): boolean {
  if (conditions.nx && currentMs !== Infinity) return false;
  if (conditions.xx && currentMs === Infinity) return false;
  if (conditions.gt && atMs <= currentMs) return false;
  return !(conditions.lt && atMs >= currentMs);
}

/** A time from an argument in Unix milliseconds; may be negative, which is long past. Beyond 2^53 it is rounded. */
function expiryArgumentMs(context: CommandContext, commandName: string, seconds: boolean, relative: boolean): number {
  let ms = integerArgument(context.args, 2);
  if (seconds) ms *= 1000n;
  if (ms < INT64_MIN || ms > INT64_MAX) throw invalidExpireTime(commandName);
  if (relative) ms += BigInt(context.nowMs);
  if (ms > INT64_MAX) throw invalidExpireTime(commandName);
  return Number(ms);
}

function expireBy(commandName: string, seconds: boolean, relative: boolean): (context: CommandContext) => void {
  return (context) => {
    const { args, keys, reply, tx } = context;
    const key = args.range(1);
    const conditions = parseConditions(args);
    const atMs = expiryArgumentMs(context, commandName, seconds, relative);
    const hash = keys.hashOf(key);
    const slot = keys.find(key, hash, context.nowMs);
    if (slot === NO_SLOT || !allows(conditions, atMs, keys.expiryOf(slot))) {
      reply.integer(0);
      return;
    }
    if (atMs <= context.nowMs) {
      tx.delete(key, hash);
      context.notify('g', 'del', key);
    } else {
      tx.expire(key, hash, atMs);
      context.notify('g', 'expire', key);
    }
    reply.integer(1);
  };
}

/** -2 without a key, -1 without an expiry, else the time left or (`absolute`) the time itself; seconds are rounded. */
function timeLeft(seconds: boolean, absolute: boolean): (context: CommandContext) => void {
  return (context) => {
    const { args, keys, nowMs, reply } = context;
    const slot = lookupUnused(context, args.range(1));
    if (slot === NO_SLOT) {
      reply.integer(-2);
      return;
    }
    const expiryMs = keys.expiryOf(slot);
    if (expiryMs === Infinity) {
      reply.integer(-1);
      return;
    }
    const ms = absolute ? expiryMs : Math.max(0, expiryMs - nowMs);
    reply.integer(wholeNumber(seconds ? Math.floor((ms + 500) / 1000) : ms));
  };
}

function wholeNumber(value: number): number | bigint {
  if (Number.isSafeInteger(value)) return value;
  const exact = BigInt(value);
  return exact > INT64_MAX ? INT64_MAX : exact;
}

function persist(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  const slot = keys.find(key, hash, context.nowMs);
  if (slot === NO_SLOT) {
    reply.integer(0);
    return;
  }
  const hadExpiry = keys.expiryOf(slot) !== Infinity;
  // also of a key without an expiry: it wins over an EXPIRE made elsewhere at the same time (RULES V3)
  tx.expire(key, hash, Infinity);
  if (hadExpiry) context.notify('g', 'persist', key);
  reply.integer(hadExpiry ? 1 : 0);
}

function expireSpec(name: string, seconds: boolean, relative: boolean, summary: string): CommandSpec {
  return {
    name,
    arity: -3,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    summary,
    run: expireBy(name, seconds, relative),
  };
}

function timeLeftSpec(name: string, seconds: boolean, absolute: boolean, summary: string): CommandSpec {
  return {
    name,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    summary,
    run: timeLeft(seconds, absolute),
  };
}

/** Expiry: an absolute time that hides the key everywhere; setting it to the past deletes. */
export const expireCommands: readonly CommandSpec[] = [
  expireSpec('expire', true, true, "Set a key's time to live in seconds"),
  expireSpec('pexpire', false, true, "Set a key's time to live in milliseconds"),
  expireSpec('expireat', true, false, 'Set the expiration for a key as a UNIX timestamp'),
  expireSpec('pexpireat', false, false, 'Set the expiration for a key as a UNIX timestamp specified in milliseconds'),
  timeLeftSpec('ttl', true, false, 'Get the time to live for a key in seconds'),
  timeLeftSpec('pttl', false, false, 'Get the time to live for a key in milliseconds'),
  timeLeftSpec('expiretime', true, true, 'Get the expiration Unix timestamp for a key'),
  timeLeftSpec('pexpiretime', false, true, 'Get the expiration Unix timestamp for a key in milliseconds'),
  {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    summary: 'Remove the expiration from a key',
    run: persist,
  },
];
