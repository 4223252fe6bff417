import type { Socket } from 'node:net';

/** What a connection brings in a turn, about: a peer that has been away sends megabytes, and reading them all is milliseconds for which requests wait. */
const TURN_BYTES = 128 * 1024;
/** A piece below this is all that was there: no turn is long by it, and most of what is read is not counted. */
const COUNTED_FROM_BYTES = 32 * 1024;

/** Stops reading from a socket for the rest of a turn that has brought much, so that what others sent is read before more of it. */
export class ReadShare {
  readonly #socket: Socket;
  /** The part of `TURN_BYTES` that a turn may bring now, 1 at most: what is read faster than it is applied would only lie here. */
  readonly #share: () => number;
  #bytes = 0;
  #isPaused = false;

  constructor(socket: Socket, share: () => number) {
    this.#socket = socket;
    this.#share = share;
  }

  /** So many bytes were read in one piece. */
  took(bytes: number): void {
    if (bytes < COUNTED_FROM_BYTES) return;
    if (this.#bytes === 0) setImmediate(() => this.#endTurn());
    this.#bytes += bytes;
    if (this.#isPaused || this.#bytes < TURN_BYTES * this.#share()) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #endTurn(): void {
    this.#bytes = 0;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }
}
