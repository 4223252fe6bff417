import { NO_VERSION_TEXT, versionText } from '../clock/key-version.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { lookupForRead } from './lookup.ts';
import { syntaxError } from './refusals.ts';
import { askGroup, strongRequest } from './strong-gate.ts';

/** CW.HOME key: home region, leader (nil where none is known) and group; nil for a key that is not strong. */
function home({ args, node, reply }: CommandContext): void {
  const { strong } = node.classes.policy.classOf(args.range(1));
  if (strong === undefined) {
    reply.null();
    return;
  }
  const leader = node.strong.leaderOf(strong.group);
  reply.array(3);
  reply.bulkText(strong.home);
  if (leader === null) reply.null();
  else reply.bulkText(leader);
  reply.bulkText(strong.group);
}

/**
 * CW.VERSION key: of a strong key the log index of the last write, linearizably; of another the version that this node shows (SPEC S5). 0
 * where the key is not there.
 */
function version(context: CommandContext): void {
  const { args, keys, node, reply, server, session } = context;
  const route = node.classes.policy.classOf(args.range(1)).strong;
  if (route === undefined) {
    const slot = lookupForRead(context, args.range(1));
    reply.bulkText(slot === NO_SLOT ? NO_VERSION_TEXT : versionText(keys.versions.at(slot)));
    return;
  }
  const request = { ...strongRequest(server, session, route, 'versions'), keys: [args.text(1)] };
  askGroup(server, session, route, request, ({ versions }) => reply.integer(Math.max(0, versions[0] ?? 0)));
}

/** CW.FORWARD [ON | OFF]: whether this connection's requests on strong keys are passed on to their leader. */
function forward({ args, reply, session }: CommandContext): void {
  if (args.count > 2) throw syntaxError();
  if (args.count === 1) {
    reply.bulkText(session.forwards ? 'on' : 'off');
    return;
  }
  const word = args.word(1);
  if (word !== 'ON' && word !== 'OFF') throw syntaxError();
  session.forwards = word === 'ON';
  reply.ok();
}

/** What is asked of strong keys beside their values. */
export const strongKeyCommands: readonly CommandSpec[] = [
  {
    name: 'cw.home',
    arity: 2,
    flags: ['readonly', 'noscript', 'loading', 'stale', 'fast', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary: 'Where a strong key lives: home region, leader node or nil, quorum group; nil for other keys',
    run: home,
  },
  {
    name: 'cw.version',
    arity: 2,
    flags: ['readonly', 'noscript', 'blocking', 'no_multi'],
    keys: [1, 1, 1],
    group: 'causeway',
    summary:
      'The version of a key: of a strong one the log index of its last write, linearizably; 0 where it is not there',
    run: version,
  },
  {
    name: 'cw.forward',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_multi'],
    group: 'causeway',
    summary: 'Whether requests on strong keys are passed on to their leader, or answered HOMEREGION elsewhere',
    run: forward,
  },
];
