import type { ClientConnection } from './session.ts';
import { Session } from './session.ts';

/** The clients that are connected, by id in the order in which they came. */
export class ClientRegistry {
  readonly #sessions: Map<number, Session> = new Map();
  /** Those that asked for MONITOR. */
  readonly monitors: Set<Session> = new Set();
  /** Those that wait for something: they run no requests meanwhile. */
  readonly blocked: Set<Session> = new Set();
  /** Those whose next request waits for the end of a CLIENT PAUSE. */
  readonly paused: Set<Session> = new Set();
  #nextId = 1;

  get count(): number {
    return this.#sessions.size;
  }

  open(connection: ClientConnection, nowMs: number): Session {
    const session = new Session(this.#nextId++, connection, nowMs);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Forgets a client whose connection is closed. */
  close(session: Session): void {
    session.closing = true;
    this.#sessions.delete(session.id);
    this.monitors.delete(session);
    this.blocked.delete(session);
    this.paused.delete(session);
  }

  get(id: number): Session | undefined {
    return this.#sessions.get(id);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }
}
