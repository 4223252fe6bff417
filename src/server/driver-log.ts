import type { Log } from '../adapters/pino-log.ts';
import type { Clock, PeerConnection } from '../ports.ts';

const WINDOW_MS = 10_000;
/** Lines about strangers in one window; whoever knocks all day must not fill the disk with it. */
const LINES_MAX = 20;

/** Tells what becomes of peer links: of members always, of strangers so much and no more. */
export class DriverLog {
  readonly #log: Log;
  readonly #clock: Clock;
  #windowEndsMs = -Infinity;
  #lines = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `link` 0 stands for what did not become one. */
  refused(link: Pick<PeerConnection, 'id' | 'kind'>, reason: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndsMs) {
      if (this.#lines > LINES_MAX) {
        this.#log.warn('more peer links were refused than are told one by one', { count: this.#lines - LINES_MAX });
      }
      this.#windowEndsMs = nowMs + WINDOW_MS;
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines <= LINES_MAX) this.#log.warn('peer link refused', { link: link.id, kind: link.kind, reason });
  }

  closed(link: PeerConnection, reason: string, isStranger: boolean): void {
    const fields = { link: link.id, kind: link.kind, reason };
    if (isStranger) this.#log.debug('peer link closed', fields);
    else this.#log.info('peer link closed', fields);
  }
}
