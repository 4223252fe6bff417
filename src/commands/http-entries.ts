import { ByteRange, latin1Range } from '../base/bytes.ts';
import { HTTP_TYPE_CHARS_MAX, HTTP_VERSIONS_CHARS_MAX } from '../base/limits.ts';
import { systemKey } from '../base/system-keys.ts';
import { isWeak } from '../classes/key-class.ts';
import { NO_VERSION_TEXT, versionText, type KeyVersion } from '../clock/key-version.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import { CONTENT_TYPE_KIND } from '../keyspace/key-links.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { checkKey, lookupTypeForRead } from './lookup.ts';
import { overLimit, syntaxError } from './refusals.ts';
import { expiryOptionMs } from './string-options.ts';

/** Where a string's bytes are pointed at for the time of one call. */
const view = new ByteRange();

/** As PTTL says it. */
const NO_EXPIRY = -1;
const NOT_THERE = -2;

/** Where the type of a value is kept that came by HTTP. */
function typeKey(key: ByteRange): ByteRange {
  return latin1Range(systemKey(CONTENT_TYPE_KIND, key.toLatin1()));
}

/**
 * The type that a value came with, null where none is known. It is a key beside the value's that was written in the same transaction, so it
 * belongs to the value as long as both are of one write: whatever writes the value alone leaves a type that is of no use (SPEC H3).
 */
function typeOf({ keys, nowMs }: CommandContext, key: ByteRange, version: KeyVersion): string | null {
  if ('state' in version) return null;
  const beside = typeKey(key);
  const slot = keys.find(beside, keys.hashOf(beside), nowMs);
  if (slot === NO_SLOT || versionText(keys.versions.at(slot)) !== versionText(version)) return null;
  keys.stringInto(slot, view);
  return view.toLatin1();
}

/** CW.HTTPGET key: [value or nil, version, milliseconds left, type or nil, age in milliseconds or nil]. */
function get(context: CommandContext): void {
  const { args, keys, nowMs, reply } = context;
  const key = args.range(1);
  const slot = lookupTypeForRead(context, key, ContentType.String);
  reply.array(5);
  if (slot === NO_SLOT) {
    reply.null();
    reply.bulkText(NO_VERSION_TEXT);
    reply.integer(NOT_THERE);
    reply.null();
    reply.null();
    return;
  }
  const version = keys.versions.at(slot);
  const expiryMs = keys.expiryOf(slot);
  const type = typeOf(context, key, version);
  keys.stringInto(slot, view);
  reply.bulk(view);
  reply.bulkText(versionText(version));
  reply.integer(expiryMs === Infinity ? NO_EXPIRY : Math.max(0, Math.ceil(expiryMs - nowMs)));
  if (type === null) reply.null();
  else reply.bulkText(type);
  // when it was written; of what is of several writes nobody says
  if ('state' in version) reply.null();
  else reply.integer(Math.max(0, Math.floor(nowMs - msOfStamp(version.stamp as Stamp))));
}

/** What a write asks for beside itself. */
interface WriteOptions {
  type: string;
  expireAtMs: number;
  /** Versions between spaces, or `*`; null where nothing is asked. */
  ifMatch: string | null;
  ifNoneMatch: string | null;
}

function optionsOf(args: Args, from: number, nowMs: number, command: string): WriteOptions {
  const options: WriteOptions = { type: '', expireAtMs: Infinity, ifMatch: null, ifNoneMatch: null };
  for (let at = from; at < args.count; at += 2) {
    if (at + 1 >= args.count) throw syntaxError();
    const word = args.word(at);
    const isOfPut = word === 'TYPE' || word === 'PX';
    if (isOfPut && command !== 'cw.httpput') throw syntaxError();
    if (word === 'PX') options.expireAtMs = expiryOptionMs(args.range(at + 1), 'PX', nowMs, command);
    else if (word === 'TYPE') options.type = textUpTo(args, at + 1, HTTP_TYPE_CHARS_MAX, 'http-type-chars-max');
    else if (word === 'IFMATCH') options.ifMatch = versionsOf(args, at + 1);
    else if (word === 'IFNONEMATCH') options.ifNoneMatch = versionsOf(args, at + 1);
    else throw syntaxError();
  }
  return options;
}

function versionsOf(args: Args, index: number): string {
  return textUpTo(args, index, HTTP_VERSIONS_CHARS_MAX, 'http-versions-chars-max');
}

function textUpTo(args: Args, index: number, charsMax: number, limitName: string): string {
  if (args.range(index).length > charsMax) throw overLimit('an argument is too long', limitName, charsMax);
  return args.text(index);
}

/** Whether one of the versions is the present one; `*` stands for any that is there. */
function isAmong(versions: string, slot: Slot, version: string): boolean {
  if (versions === '*') return slot !== NO_SLOT;
  return versions.split(' ').includes(version);
}

/** The version that a key shows, where its conditions do not hold; null where they do. */
function unmet({ keys }: CommandContext, slot: Slot, { ifMatch, ifNoneMatch }: WriteOptions): string | null {
  if (ifMatch === null && ifNoneMatch === null) return null;
  const version = slot === NO_SLOT ? NO_VERSION_TEXT : versionText(keys.versions.at(slot));
  const holds =
    (ifMatch === null || isAmong(ifMatch, slot, version)) &&
    (ifNoneMatch === null || !isAmong(ifNoneMatch, slot, version));
  return holds ? null : version;
}

function replyUnmet({ reply }: CommandContext, version: string): void {
  reply.array(2);
  reply.integer(0);
  reply.bulkText(version);
}

/** CW.HTTPPUT key value [TYPE type] [PX ms] [IFMATCH versions] [IFNONEMATCH versions]: [1, version, whether it is new], or [0, present version]. */
function put(context: CommandContext): void {
  const { args, keys, nowMs, reply, tx } = context;
  const key = args.range(1);
  checkKey(key);
  const options = optionsOf(args, 3, nowMs, 'cw.httpput');
  const hash = keys.hashOf(key);
  const before = keys.find(key, hash, nowMs);
  const present = unmet(context, before, options);
  if (present !== null) return replyUnmet(context, present);
  tx.set(key, hash, args.range(2), options.expireAtMs);
  context.notify('$', 'set', key);
  if (options.expireAtMs !== Infinity) context.notify('g', 'expire', key);
  const slot = keys.find(key, hash, nowMs);
  const version = slot === NO_SLOT ? NO_VERSION_TEXT : versionText(keys.versions.at(slot));
  const expireAtMs = slot === NO_SLOT ? Infinity : keys.expiryOf(slot);
  // A type is a causal key: it cannot be part of a group's log, where there is no node to ask, nor stay where weak keys stay.
  if (!context.isInLog && !isWeak(context.node.classes.policy.classOf(key)))
    keepType(context, key, options.type, expireAtMs);
  reply.array(3);
  reply.integer(1);
  reply.bulkText(version);
  reply.integer(before === NO_SLOT ? 1 : 0);
}

function keepType({ keys, nowMs, tx }: CommandContext, key: ByteRange, type: string, expireAtMs: number): void {
  const beside = typeKey(key);
  const hash = keys.hashOf(beside);
  if (type !== '') tx.set(beside, hash, latin1Range(type), expireAtMs);
  else if (keys.find(beside, hash, nowMs) !== NO_SLOT) tx.delete(beside, hash);
}

/** CW.HTTPDEL key [IFMATCH versions] [IFNONEMATCH versions]: [1, whether it was there], or [0, present version]. */
function del(context: CommandContext): void {
  const { args, keys, nowMs, reply, tx } = context;
  const key = args.range(1);
  const options = optionsOf(args, 2, nowMs, 'cw.httpdel');
  const hash = keys.hashOf(key);
  const slot = keys.find(key, hash, nowMs);
  const present = unmet(context, slot, options);
  if (present !== null) return replyUnmet(context, present);
  if (slot !== NO_SLOT) {
    tx.delete(key, hash);
    context.notify('g', 'del', key);
  }
  if (!context.isInLog) keepType(context, key, '', Infinity);
  reply.array(2);
  reply.integer(1);
  reply.integer(slot === NO_SLOT ? 0 : 1);
}

/** What the HTTP port asks, in one step each: a value with all that its headers say, and writes under conditions. */
export const httpEntryCommands: readonly CommandSpec[] = [
  {
    name: 'cw.httpget',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'A value with its version, the time that is left, its content type and its age',
    run: get,
  },
  {
    name: 'cw.httpput',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Set a value with its content type where its version is one of those given, or none of them',
    run: put,
  },
  {
    name: 'cw.httpdel',
    arity: -2,
    flags: ['write'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'Delete a key where its version is one of those given, or none of them',
    run: del,
  },
];
