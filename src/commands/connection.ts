import { parseInteger } from '../base/decimal.ts';
import type { ByteRange } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import { DEFAULT_USER } from './authentication.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { REDIS_VERSION } from './redis-version.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, wrongArity } from './refusals.ts';
import { setClientName } from './client-name.ts';

function ping({ args, reply, session }: CommandContext): void {
  if (args.count > 2) throw wrongArity('ping');
  if (session.subscribed && session.respVersion === 2) {
    reply.array(2);
    reply.bulkText('pong');
    if (args.count === 1) reply.bulkText('');
    else reply.bulk(args.range(1));
  } else if (args.count === 1) reply.simple('PONG');
  else reply.bulk(args.range(1));
}

function select({ args, reply }: CommandContext): void {
  const index = integerArgumentWithin(args, 1, -(2n ** 31n), 2n ** 31n - 1n);
  if (index !== 0n) throw refuse('DB index is out of range');
  reply.ok();
}

function authenticate({ server, session }: CommandContext, user: string, password: ByteRange): void {
  if (server.authentication.admit(session, user, password, server.time.monotonicMs())) return;
  throw new CausewayError('WRONGPASS', 'invalid username-password pair or user is disabled.');
}

function auth(context: CommandContext): void {
  const { args, reply, server } = context;
  if (args.count > 3) throw refuse('syntax error');
  if (args.count === 2 && !server.authentication.isRequired) {
    throw refuse(
      'AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    );
  }
  authenticate(context, args.count === 3 ? args.text(1) : DEFAULT_USER, args.range(args.count - 1));
  reply.ok();
}

interface HelloOptions {
  readonly respVersion: 2 | 3 | null;
  readonly name: string | null;
}

function helloOptions(context: CommandContext): HelloOptions {
  const { args } = context;
  let respVersion: 2 | 3 | null = null;
  let name: string | null = null;
  if (args.count >= 2) {
    const version = parseInteger(args.range(1));
    if (version === null) throw refuse('Protocol version is not an integer or out of range');
    if (version !== 2n && version !== 3n) throw new CausewayError('NOPROTO', 'unsupported protocol version');
    respVersion = version === 2n ? 2 : 3;
  }
  for (let i = 2; i < args.count; i++) {
    const option = args.word(i);
    const following = args.count - 1 - i;
    if (option === 'AUTH' && following >= 2) {
      authenticate(context, args.text(i + 1), args.range(i + 2));
      i += 2;
    } else if (option === 'SETNAME' && following >= 1) {
      name = args.text(i + 1);
      i++;
    } else throw refuse(`Syntax error in HELLO option '${args.text(i)}'`);
  }
  return { respVersion, name };
}

function hello(context: CommandContext): void {
  const { reply, session } = context;
  const options = helloOptions(context);
  if (!session.authenticated) {
    throw new CausewayError(
      'NOAUTH',
      'HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
  }
  if (options.name !== null) setClientName(session, options.name);
  if (options.respVersion !== null) {
    session.respVersion = options.respVersion;
    session.connection.setRespVersion(options.respVersion);
  }
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(session.respVersion);
  reply.bulkText('id');
  reply.integer(session.id);
  reply.bulkText('mode');
  reply.bulkText('standalone');
  reply.bulkText('role');
  reply.bulkText('master');
  reply.bulkText('modules');
  reply.array(0);
}

function reset({ reply, server, session }: CommandContext): void {
  server.leave(session);
  server.authentication.enter(session, server.time.monotonicMs());
  session.name = '';
  session.replyMode = 'on';
  session.respVersion = 2;
  session.connection.setRespVersion(2);
  reply.simple('RESET');
}

function quit({ reply, session }: CommandContext): void {
  reply.ok();
  session.connection.closeAfterReply();
}

/** What a client says about the connection itself. */
export const connectionCommands: readonly CommandSpec[] = [
  { name: 'ping', arity: -1, flags: ['fast'], group: 'connection', summary: 'Ping the server', run: ping },
  {
    name: 'echo',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    group: 'connection',
    summary: 'Echo the given string',
    run: ({ args, reply }) => reply.bulk(args.range(1)),
  },
  {
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    group: 'connection',
    summary: 'Change the selected database for the current connection; there is database 0 only',
    run: select,
  },
  {
    name: 'auth',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    group: 'connection',
    summary: 'Authenticate to the server',
    run: auth,
  },
  {
    name: 'hello',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    group: 'connection',
    summary: 'Handshake: choose RESP2 or RESP3',
    run: hello,
  },
  {
    name: 'reset',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    group: 'connection',
    summary: 'Reset the connection',
    run: reset,
  },
  {
    name: 'quit',
    arity: -1,
    flags: ['allow_busy', 'noscript', 'loading', 'stale', 'fast', 'no_auth'],
    group: 'connection',
    summary: 'Close the connection',
    run: quit,
  },
];
