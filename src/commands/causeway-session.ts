import { CONSISTENCIES } from '../classes/key-class.ts';
import type { Origin } from '../clock/origin.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';
import type { Session } from './session.ts';
import { mayHaveFloor, raiseFloor } from './session-floor.ts';
import { LEVEL_BY_CLASS, LEVEL_WORDS } from './session-level.ts';

/** How long CW.ATTACH waits where it is not told. */
const ATTACH_MS_DEFAULT = 1000;
const ATTACH_MS_MAX = 24n * 3600n * 1000n;

/** What it has seen, and what it asked to see and has not yet. */
function* dotsOf(session: Session): Generator<[Origin, number]> {
  yield* session.dots;
  if (session.floor !== null) yield* session.floor.dots;
}

function token({ node, reply, session }: CommandContext): void {
  reply.bulkText(node.sessions.tokenOf({ dots: dotsOf(session), epoch: session.floor?.epoch ?? 0 }));
}

/**
 * CW.ATTACH token [TIMEOUT ms]: waits until this node has all that the token names and makes it part of the session. When the
 * time is over: BEHIND, and the session is as it was; but where anything is read at level `session`, what is missing is its floor.
 */
function attach({ args, node, reply, server, session }: CommandContext): void {
  const timeoutMs = attachTimeoutMs(args);
  const seen = node.sessions.read(args.text(1));
  if (node.sessions.covers(seen)) {
    session.dots.raiseAll(seen.dots);
    reply.ok();
    return;
  }
  server.waiting.block(session, {
    deadlineMs: server.time.monotonicMs() + timeoutMs,
    isOver: () => node.sessions.covers(seen),
    end: () => {
      if (node.sessions.covers(seen)) {
        session.dots.raiseAll(seen.dots);
        session.connection.reply.ok();
        return;
      }
      if (mayHaveFloor(server, session)) raiseFloor(session, seen, timeoutMs);
      const { code, message } = node.sessions.behind(seen, timeoutMs);
      server.stats.countError(code);
      session.connection.reply.error(code, message);
    },
    fail: ({ code, message }) => session.connection.reply.error(code, message),
  });
}

function attachTimeoutMs(args: CommandContext['args']): number {
  if (args.count === 2) return ATTACH_MS_DEFAULT;
  if (args.count !== 4 || args.word(2) !== 'TIMEOUT') throw syntaxError();
  return Number(integerArgumentWithin(args, 3, 0n, ATTACH_MS_MAX, 'timeout is not an integer or out of range'));
}

function level({ args, reply, server, session }: CommandContext): void {
  if (args.count > 2) throw syntaxError();
  if (args.count === 1) {
    reply.bulkText(session.level ?? LEVEL_BY_CLASS);
    return;
  }
  const word = args.text(1).toLowerCase();
  const chosen = word === LEVEL_BY_CLASS ? null : CONSISTENCIES.find((known) => known === word);
  if (chosen === undefined) throw refuse(`unknown level '${args.text(1)}', one of ${LEVEL_WORDS.join(', ')}`);
  session.level = chosen;
  // what it has seen of strong keys itself holds at every level (RULES T2)
  if (session.floor?.isOwn !== true && !mayHaveFloor(server, session)) session.floor = null;
  reply.ok();
}

/** What carries a session from one node to another. */
export const sessionCommands: readonly CommandSpec[] = [
  {
    name: 'cw.token',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_multi'],
    group: 'causeway',
    summary: 'What this connection has read and written, to be attached at another node',
    run: token,
  },
  {
    name: 'cw.attach',
    arity: -2,
    flags: ['noscript', 'blocking', 'no_multi'],
    group: 'causeway',
    summary: 'Wait until this node has what a token names, and go on from there',
    run: attach,
  },
  {
    name: 'cw.level',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_multi'],
    group: 'causeway',
    summary:
      'What this connection asks of its reads: weak, eventual, causal, session, strong, or what the class of each key says',
    run: level,
  },
];
