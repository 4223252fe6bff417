import type { Session } from '../commands/session.ts';
import type { RespServices } from './resp-services.ts';

/** The longest time that one timer can be set for. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Ends a session's wait (WAIT, CW.ATTACH, what its requests were deferred for) when its time is over. */
export class WaitTimer {
  readonly #services: RespServices;
  readonly #session: Session;
  #timer: NodeJS.Timeout | null = null;

  constructor(services: RespServices, session: Session) {
    this.#services = services;
    this.#session = session;
  }

  arm(): void {
    const { blocked } = this.#session;
    if (blocked === null || blocked.deadlineMs === Infinity) return;
    const leftMs = blocked.deadlineMs - this.#services.state.time.monotonicMs();
    this.#timer = setTimeout(
      () => this.#services.turns.guarded(() => this.#waited()),
      Math.min(Math.max(0, leftMs), TIMER_MS_MAX),
    );
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** A timer may be early, and cannot be set for longer than 24 days. */
  #waited(): void {
    this.#timer = null;
    const { state } = this.#services;
    const { blocked } = this.#session;
    if (blocked === null) return;
    if (blocked.deadlineMs > state.time.monotonicMs()) this.arm();
    else state.waiting.expire(this.#session);
  }
}
