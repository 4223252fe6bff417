import { SessionDots } from '../causal/session-dots.ts';
import type { Origin } from '../clock/origin.ts';
import type { CausewayError } from '../errors.ts';
import type { CommandEntry } from './command-index.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';

/** What a session at level `session` has seen elsewhere and this node does not have yet: nothing is answered before. */
export interface SessionFloor {
  readonly dots: SessionDots;
  /** How long each request waits for it. */
  readonly timeoutMs: number;
  /** Why the request that comes next is not run: its wait is over and was in vain. */
  refusal: CausewayError | null;
}

/** What becomes of a request of a session with a floor. */
export type FloorVerdict = 'run' | 'wait' | CausewayError;

/** Whether a request shows or changes keys, as it is run now: inside MULTI it is only kept. */
function touchesKeys(session: Session, entry: CommandEntry): boolean {
  if (entry.fullName === 'exec') return session.queue?.some((queued) => showsKeys(queued.entry)) ?? false;
  if (entry.fullName === 'watch') return true;
  return session.queue === null && showsKeys(entry);
}

const showsKeys = (entry: CommandEntry): boolean => entry.writes || (entry.readonly && entry.spec.group !== 'causeway');

/** Whether a request of a session with a floor can run; a wait for it has begun where it cannot yet. */
export function judgeByFloor(server: ServerState, session: Session, entry: CommandEntry): FloorVerdict {
  const { floor } = session;
  if (floor === null || !touchesKeys(session, entry)) return 'run';
  const { refusal } = floor;
  floor.refusal = null;
  const { sessions } = server.engine.node;
  if (sessions.covers(floor.dots)) {
    reachFloor(session, floor);
    return 'run';
  }
  if (refusal !== null) return refusal;
  server.waiting.block(session, {
    deadlineMs: server.time.monotonicMs() + floor.timeoutMs,
    isOver: () => sessions.covers(floor.dots),
    end: () => {
      if (!sessions.covers(floor.dots)) floor.refusal = sessions.behind(floor.dots, floor.timeoutMs);
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

/** Raises a session's floor by dots that this node does not have. */
export function raiseFloor(session: Session, dots: Iterable<readonly [Origin, number]>, timeoutMs: number): void {
  const raised = new SessionDots();
  raised.raiseAll(session.floor?.dots ?? []);
  raised.raiseAll(dots);
  session.floor = { dots: raised, timeoutMs, refusal: null };
}
