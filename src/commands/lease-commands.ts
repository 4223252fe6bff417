import { latin1Range } from '../base/bytes.ts';
import { LEASE_MS_MAX, LEASE_WAIT_MS_MAX } from '../base/client-limits.ts';
import { isWeak } from '../classes/key-class.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext, Reply } from './context.ts';
import { addLink, checkRoom } from './key-links.ts';
import type { LeaseWait } from './leases.ts';
import { checkKey } from './lookup.ts';
import { integerArgumentWithin } from './numbers.ts';
import { syntaxError } from './refusals.ts';
import { expiryOptionMs } from './string-options.ts';
import { tagArgument, tagEnds } from './tags.ts';

/** There is something: it is to be read. */
const LOOK = 1;
/** Another one loads: to be asked again. */
const AGAIN = 0;
/** The key takes no fills: whoever loads it writes it. */
const TAKES_NONE = -1;

/** Whether what is loaded for a key can come in as a fill (SPEC V8). */
function takesFills({ keys, node, nowMs }: CommandContext, key: ReturnType<Args['range']>): boolean {
  const keyClass = node.classes.policy.classOf(key);
  if (keyClass.strong !== undefined || isWeak(keyClass) || keyClass.conflict.kind !== 'lww') return false;
  const slot = keys.find(key, keys.hashOf(key), nowMs);
  return slot === NO_SLOT || keys.typeOf(slot) === ContentType.String;
}

/** CW.LEASE key ms [REGION] [REFRESH]: a token, or one of the numbers above; with REFRESH also for what is there and to be loaded anew. */
function lease(context: CommandContext): void {
  const { args, keys, nowMs, reply, server, session } = context;
  const key = args.range(1);
  checkKey(key);
  const ms = millisecondsOf(args, LEASE_MS_MAX);
  const { isOfRegion, isRefresh } = leaseOptions(args);
  if (!takesFills(context, key)) return reply.integer(TAKES_NONE);
  if (!isRefresh && keys.find(key, keys.hashOf(key), nowMs) !== NO_SLOT) return reply.integer(LOOK);
  const taken = server.leases.take(session, { key: key.toLatin1(), ms, isOfRegion });
  if (taken === null) reply.integer(AGAIN);
  else reply.bulkText(taken.token);
}

function leaseOptions(args: Args): { readonly isOfRegion: boolean; readonly isRefresh: boolean } {
  const words = Array.from({ length: args.count - 3 }, (_, at) => args.word(at + 3));
  const isOfRegion = words[0] === 'REGION';
  if (isOfRegion) words.shift();
  const isRefresh = words[0] === 'REFRESH';
  if (isRefresh) words.shift();
  if (words.length > 0) throw syntaxError();
  return { isOfRegion, isRefresh };
}

/** CW.LEASEWAIT key ms: one of the numbers above, or [value] that the other one brought and that is not kept. */
function leaseWait(context: CommandContext): void {
  const { args, keys, nowMs, reply, server, session } = context;
  const key = args.range(1);
  const waitMs = millisecondsOf(args, LEASE_WAIT_MS_MAX);
  if (keys.find(key, keys.hashOf(key), nowMs) !== NO_SLOT) return reply.integer(LOOK);
  const wait = server.leases.wait(key.toLatin1());
  if (wait === null) return reply.integer(AGAIN);
  server.waiting.block(session, {
    deadlineMs: server.time.monotonicMs() + waitMs,
    isOver: () => wait.end !== null,
    end: () => {
      server.leases.stopWaiting(wait);
      replyEnd(session.connection.reply, wait);
    },
    fail: ({ code, message }) => {
      server.leases.stopWaiting(wait);
      session.connection.reply.error(code, message);
    },
  });
}

function millisecondsOf(args: Args, most: number): number {
  return Number(integerArgumentWithin(args, 2, 1n, BigInt(most), `expected 1 to ${most} milliseconds`));
}

function replyEnd(reply: Reply, { end }: LeaseWait): void {
  if (end === 'look') return reply.integer(LOOK);
  if (end === null || end === 'again') return reply.integer(AGAIN);
  reply.array(1);
  reply.bulk(latin1Range('').set(end, 0, end.length));
}

interface FillOptions {
  readonly expireAtMs: number;
  readonly tags: readonly string[];
}

function fillOptions({ args, node, nowMs }: CommandContext): FillOptions {
  const { ttlMs } = node.classes.policy.classOf(args.range(1));
  let expireAtMs = ttlMs === null ? Infinity : nowMs + ttlMs;
  let at = 4;
  if (at < args.count && args.word(at) === 'PX') {
    if (at + 1 >= args.count) throw syntaxError();
    expireAtMs = expiryOptionMs(args.range(at + 1), 'PX', nowMs, 'cw.fill');
    at += 2;
  }
  if (at === args.count) return { expireAtMs, tags: [] };
  if (args.word(at) !== 'TAGS' || at + 1 >= args.count) throw syntaxError();
  const from = at + 1;
  return { expireAtMs, tags: Array.from({ length: args.count - from }, (_, index) => tagArgument(args, from + index)) };
}

/** CW.FILL key token [value [PX ms] [TAGS tag …]]: 1 where it is kept, 0 where not, nil where the lease was over. Without a value the lease is given back. */
function fill(context: CommandContext): void {
  const { args, nowMs, reply, server, tx } = context;
  const key = args.range(1);
  const name = key.toLatin1();
  const { loads } = server.engine;
  if (args.count === 3) {
    const returned = server.leases.claim(name, args.text(2));
    if (returned === null) return reply.null();
    loads.end(returned.load, null, 0, nowMs);
    server.leases.broughtNothing(returned, null);
    return reply.integer(0);
  }
  const { expireAtMs, tags } = fillOptions(context);
  const links = tags.map((tag) => tagEnds(name, tag));
  checkRoom(context, links.flat());
  const claimed = server.leases.claim(name, args.text(2));
  if (claimed === null) return reply.null();
  const value = args.range(3);
  const end = loads.end(claimed.load, value, expireAtMs, nowMs, { tx, tags });
  if (end !== 'kept') {
    // what is refused was not changed meanwhile: those who have waited as long may have it
    server.leases.broughtNothing(claimed, end === 'refused' ? value.toBytes() : null);
    return reply.integer(0);
  }
  for (const both of links) for (const link of both) addLink(context, link);
  context.notify('$', 'set', key);
  if (expireAtMs !== Infinity) context.notify('g', 'expire', key);
  reply.integer(1);
}

/** Loads that clients make themselves (SPEC F4). */
export const leaseCommands: readonly CommandSpec[] = [
  {
    name: 'cw.lease',
    arity: -3,
    flags: ['noscript', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary: 'Ask to load a key that is not there',
    run: lease,
  },
  {
    name: 'cw.leasewait',
    arity: 3,
    flags: ['noscript', 'blocking', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary: 'Wait for who loads a key',
    run: leaseWait,
  },
  {
    name: 'cw.fill',
    arity: -3,
    flags: ['write', 'denyoom', 'noscript', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary: 'Give what was loaded under a lease, or the lease back',
    run: fill,
  },
];
