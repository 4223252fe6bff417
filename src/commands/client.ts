import { clientKill, clientTypeOf } from './client-kill.ts';
import { clientLine } from './client-line.ts';
import { isPlainName, setClientName } from './client-name.ts';
import { clientTrackingCommands } from './client-tracking.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { integerArgument } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';
import { subcommandSyntax } from './request-errors.ts';

function onOrOff({ args }: CommandContext, index: number): boolean {
  const word = args.word(index);
  if (word !== 'ON' && word !== 'OFF') throw syntaxError();
  return word === 'ON';
}

function clientList({ args, reply, server }: CommandContext): void {
  const nowMs = server.time.wallMs();
  let sessions = [...server.clients];
  const option = args.count > 2 ? args.word(2) : '';
  if (args.count === 4 && option === 'TYPE') {
    const type = clientTypeOf(args.text(3));
    sessions = sessions.filter((session) => session.type === type);
  } else if (args.count > 3 && option === 'ID') {
    const ids = Array.from({ length: args.count - 3 }, (_, i) => integerArgument(args, i + 3, 'Invalid client ID'));
    sessions = ids.flatMap((id) => server.clients.get(Number(id)) ?? []);
  } else if (args.count !== 2) throw syntaxError();
  reply.verbatim(sessions.map((session) => `${clientLine(session, nowMs)}\n`).join(''));
}

function clientReply({ args, reply, session }: CommandContext): void {
  switch (args.word(2)) {
    case 'ON':
      session.replyMode = 'on';
      reply.ok();
      break;
    case 'OFF':
      session.replyMode = 'off';
      break;
    case 'SKIP':
      if (session.replyMode !== 'off') session.replyMode = 'skip-next';
      break;
    default:
      throw syntaxError();
  }
}

function clientPause({ args, reply, server }: CommandContext): void {
  if (args.count > 4) throw subcommandSyntax(args);
  const mode = args.count === 4 ? args.word(3) : 'ALL';
  if (mode !== 'WRITE' && mode !== 'ALL') throw refuse('CLIENT PAUSE mode must be WRITE or ALL');
  const durationMs = Number(integerArgument(args, 2, 'timeout is not an integer or out of range'));
  if (durationMs < 0) throw refuse('timeout is negative');
  const untilMs = server.time.monotonicMs() + durationMs;
  const present = server.pause;
  // As in Redis a pause is never made shorter or milder by another.
  server.setPause({
    mode: mode === 'ALL' || present?.mode === 'all' ? 'all' : 'write',
    untilMs: Math.max(untilMs, present?.untilMs ?? 0),
  });
  reply.ok();
}

function clientUnblock({ args, reply, server }: CommandContext): void {
  if (args.count > 4) throw subcommandSyntax(args);
  const how = args.count === 4 ? args.word(3) : 'TIMEOUT';
  if (how !== 'TIMEOUT' && how !== 'ERROR') throw refuse('CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  const session = server.clients.get(Number(integerArgument(args, 2)));
  const unblocked =
    session !== undefined &&
    (how === 'TIMEOUT'
      ? server.waiting.expire(session)
      : server.waiting.fail(session, 'UNBLOCKED', 'client unblocked via CLIENT UNBLOCK'));
  reply.integer(unblocked ? 1 : 0);
}

function clientSetInfo({ args, reply, session }: CommandContext): void {
  const attribute = args.word(2);
  const value = args.text(3);
  if (attribute !== 'LIB-NAME' && attribute !== 'LIB-VER') throw refuse(`Unrecognized option '${args.text(2)}'`);
  if (!isPlainName(value)) {
    throw refuse(`${attribute.toLowerCase()} cannot contain spaces, newlines or special characters.`);
  }
  if (attribute === 'LIB-NAME') session.libraryName = value;
  else session.libraryVersion = value;
  reply.ok();
}

const open: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];
const admin: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

function row(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  summary: string,
  run: CommandSpec['run'],
): CommandSpec {
  return { name: `client|${name}`, arity, flags, group: 'connection', summary, run };
}

const subcommands: readonly CommandSpec[] = [
  row('id', 2, open, 'Get the id of the current connection', ({ reply, session }) => reply.integer(session.id)),
  row('info', 2, open, 'Information about the current connection', ({ reply, server, session }) =>
    reply.verbatim(`${clientLine(session, server.time.wallMs())}\n`),
  ),
  row('list', -2, admin, 'The list of client connections', clientList),
  row('kill', -3, admin, 'Kill the connection of a client', clientKill),
  row('getname', 2, open, 'Get the name of the current connection', ({ reply, session }) => {
    if (session.name === '') reply.null();
    else reply.bulkText(session.name);
  }),
  row('setname', 3, open, 'Set the name of the current connection', ({ args, reply, session }) => {
    setClientName(session, args.text(2));
    reply.ok();
  }),
  row('setinfo', 4, open, 'Say which library the client uses', clientSetInfo),
  row('no-evict', 3, admin, 'Protect the connection from eviction; nothing is evicted', (context) => {
    context.session.noEvict = onOrOff(context, 2);
    context.reply.ok();
  }),
  row('pause', -3, admin, 'Let requests wait for some time', clientPause),
  row('unpause', 2, admin, 'Let no requests wait any more', ({ reply, server }) => {
    server.setPause(null);
    reply.ok();
  }),
  row('reply', 3, open, 'Say whether requests are answered', clientReply),
  row('unblock', -3, admin, 'End the wait of another connection', clientUnblock),
  ...clientTrackingCommands,
  helpOf(
    'client',
    'connection',
    [
      'CACHING (YES|NO)',
      '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
      'GETREDIR',
      '    Return the client ID we are redirecting to when tracking is enabled.',
      'GETNAME',
      '    Return the name of the current connection.',
      'ID',
      '    Return the ID of the current connection.',
      'INFO',
      '    Return information about the current client connection.',
      'KILL <ip:port>',
      '    Kill connection made from <ip:port>.',
      'KILL <option> <value> [<option> <value> [...]]',
      '    Kill connections. Options are:',
      '    * ADDR <ip:port>, LADDR <ip:port>, ID <client-id>, USER <username>',
      '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
      '    * SKIPME (YES|NO): skip killing current connection (default: yes).',
      'LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [...]]',
      '    Return information about client connections.',
      'NO-EVICT (ON|OFF)',
      '    Protect current client connection from eviction.',
      'PAUSE <timeout> [WRITE|ALL]',
      '    Suspend all, or just write, clients for <timeout> milliseconds.',
      'REPLY (ON|OFF|SKIP)',
      '    Control the replies sent to the current connection.',
      'SETINFO (LIB-NAME|LIB-VER) <value>',
      '    Say which library the client uses.',
      'SETNAME <name>',
      '    Assign the name <name> to the current connection.',
      'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
      '         [OPTIN] [OPTOUT] [NOLOOP]',
      '    Control server assisted client side caching.',
      'TRACKINGINFO',
      '    Report tracking status for the current connection.',
      'UNBLOCK <clientid> [TIMEOUT|ERROR]',
      '    Unblock the specified blocked client.',
      'UNPAUSE',
      '    Stop the current client pause, resuming traffic.',
    ],
    open,
  ),
];

/** CLIENT. */
export const clientCommands: readonly CommandSpec[] = [
  container('client', 'connection', 'A container for client connection commands', subcommands),
];
