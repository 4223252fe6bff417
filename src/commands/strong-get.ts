import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { StrongRule } from '../classes/key-class.ts';
import { isFillStamp } from '../clock/stamp.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { lookupTypeForRead } from './lookup.ts';
import { refuse, syntaxError } from './refusals.ts';
import { carriesReads } from './session-level.ts';
import { askGroup, strongRequest } from './strong-gate.ts';
import { asksForFloor, getOptions, levelOf, type GetOptions } from './strong-get-options.ts';

const ERROR_SIGN = 0x2d;
const GET: ByteRange = latin1Range('GET');

/** Where a string's bytes are pointed at for the time of one call. */
const view = new ByteRange();

/** What this node shows, its age, and its name. */
function replyCopy(context: CommandContext, ageMs: number | null): void {
  const { args, keys, node, reply } = context;
  const slot = lookupTypeForRead(context, args.range(1), ContentType.String);
  reply.array(3);
  if (slot === NO_SLOT) reply.null();
  else {
    keys.stringInto(slot, view);
    reply.bulk(view);
  }
  if (ageMs === null) reply.null();
  else reply.integer(Math.ceil(ageMs));
  reply.bulkText(node.nodeId);
}

/** What the leader says, which is of now. */
function askLeader({ args, reply, server, session }: CommandContext, route: StrongRule): void {
  const commands = [[GET, new ByteRange(args.range(1).toBytes())]];
  const request = { ...strongRequest(server, session, route, 'read'), commands };
  askGroup(server, session, route, request, (answer) => {
    const isError = answer.reply[0] === ERROR_SIGN;
    if (!isError) reply.array(3);
    reply.raw(answer.reply, 0, answer.reply.length);
    if (isError) return;
    reply.integer(0);
    reply.bulkText(answer.by);
  });
}

/** Whether the copy on this node will do: it is not too old, and has what this connection has seen. */
function isCopyGood(
  { node, session }: CommandContext,
  options: GetOptions,
  ageMs: number | null,
  needs: boolean,
): boolean {
  const { maxStaleMs } = options;
  if (maxStaleMs !== null && (ageMs === null || ageMs > maxStaleMs)) return false;
  return !needs || session.floor === null || node.sessions.covers(session.floor);
}

/**
 * How old the copy of a key is here. Of one that has expired that is not known: strong reads hide it by the time of the log, before the
 * entry that removes it is here (RULES D9).
 */
function ageOf({ args, keys, node, nowMs }: CommandContext, group: string): number | null {
  const ageMs = node.strong.ageMs(group);
  const key = args.range(1);
  const slot = keys.find(key, keys.hashOf(key), nowMs);
  return slot !== NO_SLOT && keys.expiryOf(slot) <= nowMs ? null : ageMs;
}

/** How old what was loaded from a source is; null for what was not. */
function loadedAgoMs({ args, keys, nowMs, server }: CommandContext, { level }: GetOptions): number | null {
  // it was asked for after this request had come
  if (level === 'strong') return 0;
  const key = args.range(1);
  const slot = keys.find(key, keys.hashOf(key), nowMs);
  const version = slot === NO_SLOT ? null : keys.versions.at(slot);
  if (version === null || 'state' in version || !isFillStamp(version.stamp)) return null;
  return server.engine.loads.ageMs(version.stamp, nowMs);
}

/** CW.GET key [LEVEL level] [MAXSTALE ms]: the value, its age in milliseconds, and the node that answered. */
function get(context: CommandContext): void {
  const { args, node, server, session } = context;
  const options = getOptions(args);
  if (options === null) throw syntaxError();
  const keyClass = node.classes.policy.classOf(args.range(1));
  const level = levelOf(options, session, keyClass);
  const { strong } = keyClass;
  const isFetched = server.fetching.isSourced(args.range(1));
  if (strong === undefined && ((options.level === 'strong' && !isFetched) || options.maxStaleMs !== null))
    throw refuse('the key is not of a class of consistency strong: how old the copy is here is not known');
  const ageMs = strong === undefined ? loadedAgoMs(context, options) : ageOf(context, strong.group);
  const isLocal =
    (level !== 'strong' || isFetched) && isCopyGood(context, options, ageMs, asksForFloor(session, level));
  if (strong !== undefined && !isLocal) return askLeader(context, strong);
  server.engine.readFor(carriesReads(level) ? session.dots : null, false);
  replyCopy(context, ageMs);
}

/** Reads that say how old the answer is. */
export const strongGetCommands: readonly CommandSpec[] = [
  {
    name: 'cw.get',
    arity: -2,
    flags: ['readonly', 'noscript', 'blocking', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary:
      'Get the value of a key with its age in milliseconds and the node that answered, at a level or no staler than asked',
    run: get,
  },
];
