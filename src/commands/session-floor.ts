import { SessionDots } from '../causal/session-dots.ts';
import type { SessionPoint } from '../causal/session-token.ts';
import type { CausewayError } from '../errors.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import { getNeedsFloor } from './strong-get-options.ts';
import type { Verdict } from './verdict.ts';

/** What a session has seen elsewhere and this node does not have yet: nothing is answered before at level `session`. */
export interface SessionFloor extends SessionPoint {
  readonly dots: SessionDots;
  /** How long each request waits for it. */
  readonly timeoutMs: number;
  /** Whether every request that shows keys waits, whatever its level: the connection has seen these dots itself (RULES T2). */
  readonly isOwn: boolean;
  /** Why the request that comes next is not run: its wait is over and was in vain. */
  refusal: CausewayError | null;
}

type KeysOf = (entry: CommandEntry, args: Args) => boolean;

/** Whether a request is at level `session`, as it is run now: inside MULTI it is only kept. */
function needsFloor(server: ServerState, session: Session, entry: CommandEntry, args: Args): boolean {
  const { policy } = server.engine.node.classes;
  // of a strong key the leader says it
  if (entry.fullName === 'cw.version' && policy.classOf(args.range(1)).strong !== undefined) return false;
  if (entry.fullName === 'cw.get') return getNeedsFloor(session, args, (key) => policy.classOf(key));
  const isOwn = session.floor?.isOwn === true;
  const needs: KeysOf =
    session.level === null && !isOwn ? (each, of) => hasSessionKey(server, each, of) : (each) => showsKeys(each);
  if (entry.fullName === 'exec') return session.queue?.some((queued) => needs(queued.entry, queued.args)) ?? false;
  return (session.queue === null || entry.fullName === 'watch') && needs(entry, args);
}

/** Whether a request shows or changes keys. */
function showsKeys(entry: CommandEntry): boolean {
  return (
    entry.writes ||
    entry.fullName === 'watch' ||
    (entry.readonly && (entry.spec.group !== 'causeway' || entry.fullName === 'cw.version'))
  );
}

/** Whether a request names a key of a class of level `session`. */
function hasSessionKey(server: ServerState, entry: CommandEntry, args: Args): boolean {
  if (!showsKeys(entry)) return false;
  const { policy } = server.engine.node.classes;
  const positions = keyPositions(entry, args, 0) ?? [];
  return positions.some((position) => policy.classOf(args.range(position)).consistency === 'session');
}

/** Whether a session may have a floor: some of what it asks for is at level `session`. */
export function mayHaveFloor(server: ServerState, session: Session): boolean {
  if (session.level !== null) return session.level === 'session' || session.level === 'strong';
  return server.engine.node.classes.policy.classes.some((keyClass) => keyClass.consistency === 'session');
}

/** Whether a request of a session with a floor can run; a wait for it has begun where it cannot yet. */
export function judgeByFloor(server: ServerState, session: Session, entry: CommandEntry, args: Args): Verdict {
  const { floor } = session;
  if (floor === null || !needsFloor(server, session, entry, args)) return 'run';
  const { refusal } = floor;
  floor.refusal = null;
  const { sessions } = server.engine.node;
  if (sessions.covers(floor)) {
    reachFloor(session, floor);
    return 'run';
  }
  if (refusal !== null) return refusal;
  server.waiting.block(session, {
    deadlineMs: server.time.monotonicMs() + floor.timeoutMs,
    isOver: () => sessions.covers(floor),
    end: () => {
      if (!sessions.covers(floor)) floor.refusal = sessions.behind(floor, floor.timeoutMs);
    },
    fail: (error) => {
      floor.refusal = error;
    },
  });
  return 'wait';
}

/** What was a floor is now part of what the session has seen. */
function reachFloor(session: Session, floor: SessionFloor): void {
  session.dots.raiseAll(floor.dots);
  session.floor = null;
}

/** Raises a session's floor by what this node does not have; `isOwn` where the connection has seen it by this node. */
export function raiseFloor(session: Session, { dots, epoch }: SessionPoint, timeoutMs: number, isOwn = false): void {
  const raised = new SessionDots();
  raised.raiseAll(session.floor?.dots ?? []);
  raised.raiseAll(dots);
  session.floor = {
    dots: raised,
    epoch: Math.max(epoch, session.floor?.epoch ?? 0),
    timeoutMs,
    isOwn: isOwn || session.floor?.isOwn === true,
    refusal: null,
  };
}
