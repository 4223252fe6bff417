import { FEED_OUTPUT_BYTES_MAX } from '../base/client-limits.ts';
import type { FeedEvent } from './change-feed.ts';
import { checkPrefixes, prefixOf } from './client-tracking.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { CommandContext, Reply } from './context.ts';
import { refuse, syntaxError } from './refusals.ts';
import type { Session } from './session.ts';

/** The channel of the feed for clients of RESP2: they subscribe to it once they have asked for the feed. */
const CHANNEL = '__cw__:feed';

const isListening = ({ respVersion, channels }: Session): boolean => respVersion === 3 || channels.has(CHANNEL);

function writeEvent(push: Reply, { kind, key, version, dot, region, position }: FeedEvent): void {
  push.bulkText(kind);
  for (const text of [key, version, dot, region]) {
    if (text === null) push.null();
    else push.bulkText(text);
  }
  push.bulkText(position);
}

function tell(session: Session, events: readonly FeedEvent[]): void {
  for (const event of events) {
    if (session.closing) return;
    const push = session.connection.beginPush();
    if (session.respVersion === 3) {
      push.push(7);
      push.bulkText('cw.feed');
    } else {
      push.push(3);
      push.bulkText('message');
      push.bulkText(CHANNEL);
      push.array(6);
    }
    writeEvent(push, event);
    session.connection.endPush();
  }
}

/** CW.FEED [PREFIX prefix …] [FROM position]: each change below the prefixes from now on, or from behind a position; replies the position. */
function feed({ args, reply, server, session }: CommandContext): void {
  const prefixes: string[] = [];
  let from: string | undefined;
  if (args.count % 2 === 0) throw syntaxError();
  for (let at = 1; at < args.count; at += 2) {
    const word = args.word(at);
    if (word === 'PREFIX') prefixes.push(prefixOf(args, at + 1));
    else if (word === 'FROM' && from === undefined) from = args.text(at + 1);
    else throw syntaxError();
  }
  if (session.feed !== null) throw refuse('the connection reads the feed already: CW.UNFEED ends that');
  checkPrefixes(prefixes, new Set());
  session.takesPushes = true;
  session.feed = server.feed.subscribe({
    prefixes,
    from,
    isReady: () => isListening(session) && session.connection.outputBytes <= FEED_OUTPUT_BYTES_MAX,
    told: (events) => tell(session, events),
  });
  reply.bulkText(session.feed.position);
}

function unfeed({ reply, session }: CommandContext): void {
  session.feed?.close();
  session.feed = null;
  reply.ok();
}

const flags: readonly CommandFlag[] = ['pubsub', 'noscript', 'loading', 'stale', 'no_multi'];

/** The change feed by RESP (SPEC S7). */
export const feedCommands: readonly CommandSpec[] = [
  {
    name: 'cw.feed',
    arity: -1,
    flags,
    group: 'causeway',
    summary: 'Be told each change below prefixes, in the order in which this node shows them',
    run: feed,
  },
  { name: 'cw.unfeed', arity: 1, flags, group: 'causeway', summary: 'End the feed of changes', run: unfeed },
];
