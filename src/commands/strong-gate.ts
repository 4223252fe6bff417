import type { ByteRange } from '../base/bytes.ts';
import { WATCHED_KEYS_MAX } from '../base/client-limits.ts';
import type { KeyClass, StrongRule } from '../classes/key-class.ts';
import { nodeOf } from '../clock/origin.ts';
import { CausewayError } from '../errors.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { CommandGroup } from './command-spec.ts';
import type { Args } from './context.ts';
import { ArgumentCopies, HeldArgs } from './copied-args.ts';
import { checkKeptNames } from './kept-names.ts';
import type { ServerState } from './server-state.ts';
import type { QueuedCommand, Session } from './session.ts';
import { raiseFloor } from './session-floor.ts';
import type { StrongAnswer, StrongRequest } from './strong-view.ts';

/** Families whose commands work on strong keys; all others, as SCAN or CW.EXPLAIN, look at the copy on the node. */
const FAMILIES: ReadonlySet<CommandGroup> = new Set(['string', 'hash', 'set', 'generic', 'json']);
/** Of these families, what tells of the copy on the node. */
const OF_THE_COPY: ReadonlySet<string> = new Set([
  'cw.resolve',
  'cw.siblings',
  'object|encoding',
  'object|freq',
  'object|idletime',
  'object|refcount',
]);

/** How long a local request waits for what its connection has read or written on strong keys (RULES T2). */
const STRONG_FLOOR_MS = 1_000;

const crossclass = (why: string): CausewayError =>
  new CausewayError('CROSSCLASS', `${why}: what is done together must be of one quorum group, or of none`);

/** Where a request goes: null for the copy on this node. */
export type StrongRoute = StrongRule | null;

/** Commands that find the group of what they run themselves. */
const OF_THEIR_OWN: ReadonlySet<string> = new Set(['cw.ifversion', 'cw.once']);

/** Whether a request is of a kind that a quorum group runs. */
export function isForGroups(entry: CommandEntry): boolean {
  return (entry.writes || entry.readonly) && FAMILIES.has(entry.spec.group) && !OF_THE_COPY.has(entry.fullName);
}

/**
 * The group whose keys a request names, null where it names none or asks for less than `strong`. Throws CROSSCLASS for keys of a group
 * beside others.
 */
export function strongRoute(server: ServerState, session: Session, entry: CommandEntry, args: Args): StrongRoute {
  const { policy } = server.engine.node.classes;
  if (!policy.hasStrong) return null;
  if (!isForGroups(entry)) {
    if (entry.writes && !OF_THEIR_OWN.has(entry.fullName)) refuseOnStrong(server, entry, args);
    return null;
  }
  const positions = keyPositions(entry, args, 0) ?? [];
  const route = sameRoute(positions.map((position) => policy.classOf(args.range(position))));
  if (route === null || entry.writes) return route;
  return (session.level ?? route.reads) === 'strong' ? route : null;
}

/** What writes and is no command of a group would leave the log. */
function refuseOnStrong(server: ServerState, entry: CommandEntry, args: Args): void {
  const { policy } = server.engine.node.classes;
  for (const position of keyPositions(entry, args, 0) ?? []) {
    if (policy.classOf(args.range(position)).strong === undefined) continue;
    throw new CausewayError('CROSSCLASS', `${entry.fullName} is not for strong keys`);
  }
}

function sameRoute(classes: readonly KeyClass[]): StrongRoute {
  const [first, ...rest] = classes;
  const route = first?.strong ?? null;
  for (const other of rest) {
    if ((other.strong?.group ?? null) === (route?.group ?? null)) continue;
    throw crossclass(`${first?.name ?? ''} and ${other.name} are kept apart`);
  }
  return route;
}

/** The group that an EXEC runs in, null for this node. Throws CROSSCLASS where its requests or watches are of several. */
export function strongRouteOfExec(server: ServerState, session: Session): StrongRoute {
  const { policy } = server.engine.node.classes;
  if (!policy.hasStrong) return null;
  const queue = session.queue ?? [];
  const routes = queue.flatMap(({ entry, args }) =>
    (keyPositions(entry, args, 0) ?? []).length === 0 || !isForGroups(entry)
      ? []
      : [strongRouteOf(server, entry, args)],
  );
  const watchesCopies = [...session.watched.keys()].length > 0;
  const [watched] = session.strongWatches.values();
  const route = routes.find((each) => each !== null) ?? null;
  if (route === null && session.execOnce !== null) throw crossclass('CW.ONCE is for strong keys and EXEC is not');
  if (route === null && watched === undefined) return null;
  if (route === null) throw crossclass('WATCH is on strong keys and EXEC is not');
  if (watchesCopies) throw crossclass('EXEC is on strong keys and WATCH is on others too');
  if (watched !== undefined && watched.group !== route.group) throw crossclass('WATCH and EXEC are of two groups');
  const isMixed = routes.length < queue.length || routes.some((each) => each?.group !== route.group);
  if (isMixed) throw crossclass('EXEC is on strong keys and on something else');
  return route;
}

/** As `strongRoute`, whatever the level: in an EXEC on strong keys reads are strong too. Null for what no group runs. */
export function strongRouteOf(server: ServerState, entry: CommandEntry, args: Args): StrongRoute {
  const { policy } = server.engine.node.classes;
  if (!isForGroups(entry)) return null;
  return sameRoute((keyPositions(entry, args, 0) ?? []).map((position) => policy.classOf(args.range(position))));
}

/** The strong keys of a WATCH; null where it watches keys of this node. Throws CROSSCLASS, and ERR for more than may be watched. */
export function strongWatch(
  server: ServerState,
  session: Session,
  args: Args,
): { readonly route: StrongRule; readonly keys: string[] } | null {
  const { policy } = server.engine.node.classes;
  if (!policy.hasStrong) return null;
  const positions = Array.from({ length: args.count - 1 }, (_, at) => at + 1);
  const route = sameRoute(positions.map((position) => policy.classOf(args.range(position))));
  if (route === null) return null;
  checkKeptNames(args, [session.strongWatches], 'watched keys', ['watched-keys-max', WATCHED_KEYS_MAX]);
  return { route, keys: positions.map((position) => args.text(position)) };
}

const copies = new ArgumentCopies();

/** The bytes of a request's arguments, as copies. */
export function copiedArguments(args: Args): ByteRange[] {
  return copies.of(args);
}

/** Who asks, for the audit. */
export function requesterOf(server: ServerState, session: Session): StrongRequest['requester'] {
  return { user: 'default', address: session.connection.address, region: server.engine.node.region };
}

/** A request on strong keys as far as it does not differ. */
export function strongRequest(
  server: ServerState,
  session: Session,
  route: StrongRule,
  kind: StrongRequest['kind'],
): StrongRequest {
  return {
    group: route.group,
    kind,
    commands: [],
    keys: [],
    isExec: false,
    watches: [],
    respVersion: session.respVersion,
    deps: kind === 'write' ? depsOf(server, session, route.group) : [],
    once: null,
    requester: requesterOf(server, session),
    timeoutMs: server.settings.strongTimeoutMs,
  };
}

/** What a write is not to show before. The group's own writes come before it anyway. */
function depsOf({ engine: { node } }: ServerState, session: Session, group: string): StrongRequest['deps'] {
  const stream = node.strong.originOf(group);
  const needed = node.sessions.needed(session.dots);
  return stream === null ? needed : needed.filter(([origin]) => nodeOf(origin) !== nodeOf(stream));
}

/** A single command on strong keys. */
export function strongCommand(
  server: ServerState,
  session: Session,
  route: StrongRule,
  entry: CommandEntry,
  args: Args,
): StrongRequest {
  const request = strongRequest(server, session, route, entry.writes ? 'write' : 'read');
  return { ...request, commands: [copiedArguments(args)] };
}

/** All of an EXEC. */
export function strongExec(
  server: ServerState,
  session: Session,
  route: StrongRule,
  queue: readonly QueuedCommand[],
  watches: StrongRequest['watches'],
  once: StrongRequest['once'],
): StrongRequest {
  const writes = once !== null || watches.length > 0 || queue.some(({ entry }) => entry.writes);
  const request = strongRequest(server, session, route, writes ? 'write' : 'read');
  return { ...request, commands: queue.map(({ args }) => copiedArguments(args)), isExec: true, watches, once };
}

/**
 * Sends a request to its group and lets the session wait for the answer, which `write` puts into the reply. Where the class says that
 * nothing is passed on, a node that does not lead answers HOMEREGION at once.
 */
export function askGroup(
  server: ServerState,
  session: Session,
  route: StrongRule,
  request: StrongRequest,
  write: (answer: Done) => void,
): void {
  const { node } = server.engine;
  const leader = node.strong.leaderOf(request.group);
  if (!(route.forward && session.forwards) && leader !== node.nodeId) {
    const text = `${route.home} is the home of ${request.group}, its leader is ${leader ?? 'not known'}`;
    answerError(server, session, new CausewayError('HOMEREGION', text));
    return;
  }
  const ask = (answered: (answer: StrongAnswer) => void): number => node.strong.submit(request, answered);
  const tracked = session.tracking === null ? null : server.tracking.asks(session, namedCommands(server, request));
  waitForGroup(
    server,
    session,
    ask,
    (answer) => {
      session.noteStrong(answer.dot, request.kind === 'write');
      const { dot } = answer;
      const dots = [[dot.origin, dot.seq]] as const;
      if (!node.sessions.has(dots)) raiseFloor(session, { dots, epoch: 0 }, STRONG_FLOOR_MS, true);
      write(answer);
      tracked?.(dot);
    },
    request.kind !== 'write',
  );
}

/** The rows of a request's commands, with their arguments. */
function namedCommands({ commands }: ServerState, request: StrongRequest): [CommandEntry, Args][] {
  return request.commands.flatMap((words): [CommandEntry, Args][] => {
    const args = new HeldArgs(words);
    const entry = commands.findRequest(args);
    return entry === undefined ? [] : [[entry, args]];
  });
}

/** An answer that is no error. */
type Done = Extract<StrongAnswer, { readonly dot: unknown }>;

/**
 * Lets the session wait for the answer to what `ask` asks, which `done` puts into the reply; an error is answered. Whether it is to be
 * replied (CLIENT REPLY) is as it was when it was asked. A connection that is closed meanwhile gets nothing.
 */
export function waitForGroup(
  server: ServerState,
  session: Session,
  ask: (answered: (answer: StrongAnswer) => void) => number,
  done: (answer: Done) => void,
  isRead = false,
): void {
  let answer: StrongAnswer | null = null;
  let isWaiting = false;
  const isSilent = session.replyMode === 'off' || session.replyMode === 'skip';
  const ticket = ask((given) => {
    answer = given;
    if (isWaiting && !session.closing) server.waiting.expire(session);
  });
  const reply = (given: StrongAnswer): void => {
    isWaiting = false;
    const mark = session.connection.reply.mark();
    if ('error' in given) answerError(server, session, given.error);
    else done(given);
    if (isSilent) session.connection.reply.truncate(mark);
  };
  if (answer !== null) return reply(answer);
  isWaiting = true;
  const giveUp = (): void => {
    server.engine.node.strong.cancel(ticket);
    reply({ error: unblocked(isRead) });
  };
  server.waiting.block(session, {
    deadlineMs: Infinity,
    isOver: () => answer !== null,
    end: () => (answer === null ? giveUp() : reply(answer)),
    fail: giveUp,
  });
}

/** CLIENT UNBLOCK does not take back what was asked. */
function unblocked(isRead: boolean): CausewayError {
  return isRead
    ? new CausewayError('UNBLOCKED', 'client unblocked via CLIENT UNBLOCK')
    : new CausewayError('UNCERTAIN', 'client unblocked via CLIENT UNBLOCK; what it asked for may still happen');
}

function answerError(server: ServerState, session: Session, { code, message }: CausewayError): void {
  server.stats.countError(code);
  session.connection.reply.error(code, message);
}
