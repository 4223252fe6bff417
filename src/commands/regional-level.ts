import type { ByteRange } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import type { Session } from './session.ts';
import type { ServerState } from './server-state.ts';

/** The regional Redis, as commands know it: of some classes what a request changed is to be there too before it is answered. */
export interface RegionalLevel {
  /** Whether there are such classes at all. */
  readonly isActive: boolean;
  /** A key was removed that showed nothing here. */
  removed(key: ByteRange): void;
  /** What INFO says of it. */
  info(): readonly (readonly [name: string, value: string | number])[];
  /** A request begins: forgets what was changed before. */
  begin(): void;
  /** Whether all of what was changed since is there, as a question to be asked again; null where there is nothing to wait for. */
  whenMirrored(): (() => boolean) | null;
}

/** The longest that an answer waits. Past it the write is answered all the same: it is done, and follows as if its class said `behind`. */
const MIRRORED_WITHIN_MS = 100;

/**
 * Keeps the answer of the request that has just run until what it changed is where its class says: in the regional Redis, which is not waited for longer than a moment,
 * and in the source, whose refusal takes the answer's place. `mark` is where the answer begins.
 */
export function answerWhenElsewhere(server: ServerState, session: Session, mark: number): void {
  const isMirrored = server.regional?.whenMirrored() ?? null;
  const stored = server.sourceWrites?.whenStored() ?? null;
  if ((isMirrored === null && stored === null) || session.blocked !== null) return;
  const beganMs = server.time.monotonicMs();
  const { reply } = session.connection;
  const end = reply.mark();
  const answer = (error: CausewayError | null): void => {
    session.holdsReplies = false;
    if (error === null || session.closing) return;
    // pushes that came meanwhile stay
    reply.retract(mark, end);
    server.stats.countError(error.code);
    reply.error(error.code, error.message);
  };
  const isMirroredByNow = (): boolean =>
    isMirrored === null || isMirrored() || server.time.monotonicMs() - beganMs >= MIRRORED_WITHIN_MS;
  session.holdsReplies = true;
  server.waiting.block(session, {
    deadlineMs: beganMs + (stored === null ? MIRRORED_WITHIN_MS : stored.withinMs),
    isOver: () => (stored === null || stored.isOver()) && isMirroredByNow(),
    end: () => answer(stored === null ? null : stored.isOver() ? stored.error() : notInTime(stored.withinMs)),
    fail: (error) => answer(stored === null ? null : error),
  });
}

function notInTime(withinMs: number): CausewayError {
  return new CausewayError('UNCERTAIN', `the source did not take it within ${withinMs} ms; it goes on being tried`);
}
