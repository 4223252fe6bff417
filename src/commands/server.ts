import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { refuse, syntaxError } from './refusals.ts';
import { subcommandSyntax } from './request-errors.ts';

function time({ reply, server }: CommandContext): void {
  const nowMs = server.time.wallMs();
  const seconds = Math.floor(nowMs / 1000);
  reply.array(2);
  reply.bulkText(String(seconds));
  reply.bulkText(String(Math.floor((nowMs - seconds * 1000) * 1000)));
}

/** ASYNC and SYNC are the same here: the record that empties the keyspace is one, and applied at once. */
function checkFlushMode({ args }: CommandContext): void {
  if (args.count === 1) return;
  const mode = args.word(1);
  if (args.count > 2 || (mode !== 'ASYNC' && mode !== 'SYNC')) throw syntaxError();
}

function flush(context: CommandContext): void {
  checkFlushMode(context);
  context.tx.flushAll();
  context.reply.ok();
}

/** There are no functions, so that all of them are gone. */
function flushFunctions({ args, reply }: CommandContext): void {
  const mode = args.count > 2 ? args.word(2) : 'SYNC';
  if (args.count > 3) throw subcommandSyntax(args);
  if (mode !== 'ASYNC' && mode !== 'SYNC') {
    throw refuse('FUNCTION FLUSH only supports SYNC|ASYNC option');
  }
  reply.ok();
}

function role({ reply }: CommandContext): void {
  reply.array(3);
  reply.bulkText('master');
  reply.integer(0);
  reply.array(0);
}

function shutdown({ args, server, session }: CommandContext): void {
  const options = new Set(Array.from({ length: args.count - 1 }, (_, i) => args.word(i + 1)));
  for (const option of options) {
    if (!['NOSAVE', 'SAVE', 'NOW', 'FORCE', 'ABORT'].includes(option)) throw syntaxError();
  }
  if (options.has('ABORT') && options.size > 1) throw syntaxError();
  if (options.has('SAVE') && options.has('NOSAVE')) throw syntaxError();
  if (options.has('ABORT')) throw refuse('No shutdown in progress.');
  // As in Redis the answer is that the connection closes.
  session.connection.closeAfterReply();
  server.facts.shutdown();
}

function monitor({ reply, server, session }: CommandContext): void {
  if (session.inExec) throw refuse("MONITOR isn't allowed for DENY BLOCKING client");
  if (session.monitoring) return;
  session.monitoring = true;
  server.clients.monitors.add(session);
  reply.ok();
}

const openFlags: readonly CommandFlag[] = ['loading', 'stale', 'fast'];

/** The server as a whole. */
export const serverCommands: readonly CommandSpec[] = [
  { name: 'time', arity: 1, flags: openFlags, group: 'server', summary: 'Return the current server time', run: time },
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    group: 'server',
    summary: 'Return the number of keys',
    run: ({ keys, reply }) => reply.integer(keys.count),
  },
  {
    name: 'flushall',
    arity: -1,
    flags: ['write'],
    group: 'server',
    summary: 'Remove all keys, in every region, that this node has seen',
    run: flush,
  },
  {
    name: 'flushdb',
    arity: -1,
    flags: ['write'],
    group: 'server',
    summary: 'The same as FLUSHALL: there is one database',
    run: flush,
  },
  container('function', 'scripting', 'A container for function commands; there are no functions', [
    {
      name: 'function|flush',
      arity: -2,
      flags: ['noscript', 'write'],
      group: 'scripting',
      summary: 'Deleting all functions; there are none',
      run: flushFunctions,
    },
  ]),
  {
    name: 'role',
    arity: 1,
    flags: ['noscript', ...openFlags],
    group: 'server',
    summary: 'Return the role of the instance: every node takes writes',
    run: role,
  },
  {
    name: 'monitor',
    arity: 1,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    group: 'server',
    summary: 'Listen for all requests received by the server in real time',
    run: monitor,
  },
  {
    name: 'shutdown',
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'no_multi', 'allow_busy'],
    group: 'server',
    summary: 'Stop the node in good order',
    run: shutdown,
  },
];
