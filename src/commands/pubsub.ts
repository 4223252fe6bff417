import { isSystemKey, SYSTEM_CHANNEL_PREFIX } from '../base/system-keys.ts';
import { SUBSCRIPTIONS_MAX } from '../base/client-limits.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { checkKeptNames } from './kept-names.ts';
import { patternOf } from './patterns.ts';
import { refuse } from './refusals.ts';
import { subcommandSyntax } from './request-errors.ts';

/** What a change of subscriptions is answered with, one for each channel. CLIENT REPLY OFF does not keep it back. */
function confirm({ reply, session }: CommandContext, kind: string, channel: string | null): void {
  const isPush = session.replyMode !== 'on';
  const into = isPush ? session.connection.beginPush() : reply;
  into.push(3);
  into.bulkText(kind);
  if (channel === null) into.null();
  else into.bulkText(channel);
  into.integer(session.subscriptionCount);
  if (isPush) session.connection.endPush();
}

function checkNames({ args, session }: CommandContext): void {
  const { channels, patterns } = session;
  checkKeptNames(args, [channels, patterns], 'subscriptions', ['subscriptions-max', SUBSCRIPTIONS_MAX]);
}

function subscribe(context: CommandContext): void {
  const { args, server, session } = context;
  checkNames(context);
  for (let i = 1; i < args.count; i++) {
    const channel = args.text(i);
    server.hub.subscribe(session, channel);
    confirm(context, 'subscribe', channel);
  }
}

function psubscribe(context: CommandContext): void {
  const { args, server, session } = context;
  checkNames(context);
  for (let i = 1; i < args.count; i++) patternOf(args.range(i));
  for (let i = 1; i < args.count; i++) {
    const pattern = args.text(i);
    server.hub.subscribePattern(session, pattern);
    confirm(context, 'psubscribe', pattern);
  }
}

/** The channels named, or all that the session has. */
function namedOr({ args }: CommandContext, all: ReadonlyMap<string, true>): string[] {
  if (args.count === 1) return [...all.keys()];
  return Array.from({ length: args.count - 1 }, (_, i) => args.text(i + 1));
}

function unsubscribe(context: CommandContext): void {
  const { server, session } = context;
  const channels = namedOr(context, session.channels);
  for (const channel of channels) {
    server.hub.unsubscribe(session, channel);
    confirm(context, 'unsubscribe', channel);
  }
  if (channels.length === 0) confirm(context, 'unsubscribe', null);
}

function punsubscribe(context: CommandContext): void {
  const { server, session } = context;
  const patterns = namedOr(context, session.patterns);
  for (const pattern of patterns) {
    server.hub.unsubscribePattern(session, pattern);
    confirm(context, 'punsubscribe', pattern);
  }
  if (patterns.length === 0) confirm(context, 'punsubscribe', null);
}

/** The message travels with the stream of transactions; subscribers get it where it is applied, here at once. */
function publish({ args, reply, server, tx }: CommandContext): void {
  const channel = args.range(1);
  if (channel.toLatin1().startsWith(SYSTEM_CHANNEL_PREFIX))
    throw refuse(`channels that begin with '${SYSTEM_CHANNEL_PREFIX}' are Causeway's own`);
  if (isSystemKey(channel)) throw refuse("channels that begin with the bytes '\\0cw:' are Causeway's own");
  const receivers = server.hub.receivers(channel);
  tx.publish(channel, args.range(2));
  reply.integer(receivers);
}

function listChannels({ args, reply, server }: CommandContext): void {
  if (args.count > 3) throw subcommandSyntax(args);
  const glob = args.count === 3 ? patternOf(args.range(2)) : null;
  const names = [...server.hub.channels()].filter((name) => glob === null || glob.matchesText(name));
  reply.array(names.length);
  for (const name of names) reply.bulkText(name);
}

function numsub({ args, reply, server }: CommandContext): void {
  reply.array((args.count - 2) * 2);
  for (let i = 2; i < args.count; i++) {
    const channel = args.text(i);
    reply.bulkText(channel);
    reply.integer(server.hub.subscribersOf(channel));
  }
}

const listenFlags: readonly CommandFlag[] = ['pubsub', 'noscript', 'loading', 'stale'];
const askFlags: readonly CommandFlag[] = ['pubsub', 'loading', 'stale'];

function row(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  summary: string,
  run: CommandSpec['run'],
): CommandSpec {
  return { name, arity, flags, group: 'pubsub', summary, run };
}

/** PUBLISH and SUBSCRIBE in all their forms. */
export const pubsubCommands: readonly CommandSpec[] = [
  row(
    'publish',
    3,
    // unlike Redis's not while loading: it is a transaction, and would come before what this node has not seen yet (SPEC D5)
    ['pubsub', 'stale', 'fast', 'may_replicate'],
    'Post a message to a channel, in every region',
    publish,
  ),
  row('subscribe', -2, listenFlags, 'Listen for messages published to the given channels', subscribe),
  row('unsubscribe', -1, listenFlags, 'Stop listening for messages posted to the given channels', unsubscribe),
  row(
    'psubscribe',
    -2,
    listenFlags,
    'Listen for messages published to channels matching the given patterns',
    psubscribe,
  ),
  row(
    'punsubscribe',
    -1,
    listenFlags,
    'Stop listening to messages of channels matching the given patterns',
    punsubscribe,
  ),
  container('pubsub', 'pubsub', 'A container for Pub/Sub commands', [
    row('pubsub|channels', -2, askFlags, 'List active channels of this node', listChannels),
    row('pubsub|numsub', -2, askFlags, 'Count the subscribers of channels on this node', numsub),
    row('pubsub|numpat', 2, askFlags, 'Count the patterns subscribed to on this node', ({ reply, server }) =>
      reply.integer(server.hub.patternCount),
    ),
    helpOf('pubsub', 'pubsub', [
      'CHANNELS [<pattern>]',
      "    Return the currently active channels matching a <pattern> (default: '*').",
      'NUMPAT',
      '    Return number of subscriptions to patterns.',
      'NUMSUB [<channel> ...]',
      '    Return the number of subscribers for the specified channels, excluding',
      '    pattern subscriptions(default: no channels).',
    ]),
  ]),
];
