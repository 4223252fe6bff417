import { CausewayError, type ErrorCode } from '../errors.ts';
import type { ClientRegistry } from './client-registry.ts';
import type { Blocked, Session } from './session.ts';

/** Connections that wait until the node has heard or applied something. Only they wait; the node goes on. */
export class WaitingClients {
  readonly #clients: ClientRegistry;

  constructor(clients: ClientRegistry) {
    this.#clients = clients;
  }

  block(session: Session, blocked: Blocked): void {
    session.blocked = blocked;
    this.#clients.blocked.add(session);
  }

  /** Transactions or acknowledgements have come in: ends the waits that are over. */
  progress(): void {
    for (const session of [...this.#clients.blocked]) {
      if (session.blocked?.isOver() === true) this.expire(session);
    }
  }

  /** Ends a wait that is over, at its time limit, or before by CLIENT UNBLOCK; says whether there was one. */
  expire(session: Session): boolean {
    return this.#release(session, (blocked) => blocked.end());
  }

  /** Ends a wait with an error. */
  fail(session: Session, code: ErrorCode, message: string): boolean {
    return this.#release(session, (blocked) => blocked.fail(new CausewayError(code, message)));
  }

  #release(session: Session, end: (blocked: Blocked) => void): boolean {
    const { blocked } = session;
    if (blocked === null) return false;
    session.blocked = null;
    this.#clients.blocked.delete(session);
    end(blocked);
    session.connection.resume();
    return true;
  }
}
