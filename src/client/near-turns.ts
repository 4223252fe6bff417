/** So many answers from the process, about a millisecond of them, come without a turn of the event loop between. */
const HITS_A_TURN = 1_000;

/**
 * Lets others have their turn: what lies in the process is answered in microtasks, so that a loop over it would hold up timers, sockets and the invalidations that it ought to hear of.
 */
export class NearTurns {
  #hits = 0;

  /** A value that needs no waiting; behind a turn of the event loop now and then. */
  hit<T>(value: T): T | Promise<T> {
    if (++this.#hits % HITS_A_TURN !== 0) return value;
    return new Promise((resolve) => setImmediate(resolve, value));
  }
}
