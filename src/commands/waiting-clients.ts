import type { ClientRegistry } from './client-registry.ts';
import type { NodeView } from './node-view.ts';
import type { Blocked, Session } from './session.ts';

/** Connections that wait until enough regions have their last write. Only they wait; the node goes on. */
export class WaitingClients {
  readonly #clients: ClientRegistry;
  readonly #node: NodeView;

  constructor(clients: ClientRegistry, node: NodeView) {
    this.#clients = clients;
    this.#node = node;
  }

  block(session: Session, blocked: Blocked): void {
    session.blocked = blocked;
    this.#clients.blocked.add(session);
  }

  /** Other regions that have what a blocked session waits for. */
  #covered(blocked: Blocked): number {
    return this.#node.regionsCovering({ origin: blocked.origin, seq: blocked.seq });
  }

  /** Acknowledgements have come in: answers those whose wait is over. */
  progress(): void {
    for (const session of [...this.#clients.blocked]) {
      const { blocked } = session;
      if (blocked === null) continue;
      const covered = this.#covered(blocked);
      if (covered >= blocked.regionsWanted) this.#answer(session, covered);
    }
  }

  /** Ends a wait at its time limit (or before, by CLIENT UNBLOCK): answers with how many regions there are by now. */
  expire(session: Session): boolean {
    if (session.blocked === null) return false;
    this.#answer(session, this.#covered(session.blocked));
    return true;
  }

  /** Ends a wait with an error. */
  fail(session: Session, code: string, message: string): boolean {
    if (session.blocked === null) return false;
    this.#release(session);
    session.connection.reply.error(code, message);
    session.connection.resume();
    return true;
  }

  #answer(session: Session, covered: number): void {
    this.#release(session);
    session.connection.reply.integer(covered);
    session.connection.resume();
  }

  #release(session: Session): void {
    session.blocked = null;
    this.#clients.blocked.delete(session);
  }
}
