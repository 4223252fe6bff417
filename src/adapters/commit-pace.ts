/** Bigger commits are worth a thread: copying them takes as long as the thread's way there and back. */
const SYNC_BYTES_MAX = 8 * 1024;
/** A disk that is slower than this must not stop the loop. */
const SLOW_MS = 2;
/** Commits on the thread before the loop is tried again. */
const TRIES_OFF_LOOP = 256;

/**
 * Where a commit is written. On the event loop a small one is done sooner (no way to a thread and back) and for less CPU, and
 * the loop has little else to do while a client waits for it. But then it stops for as long as the disk takes, all other
 * keys with it, so a slow or big commit goes to lmdb's thread.
 */
export class CommitPace {
  readonly #syncBytesMax: number;
  #offLoop = 0;

  constructor(syncBytesMax: number = SYNC_BYTES_MAX) {
    this.#syncBytesMax = syncBytesMax;
  }

  staysOnLoop(bytes: number): boolean {
    if (bytes > this.#syncBytesMax) return false;
    if (this.#offLoop === 0) return true;
    this.#offLoop -= 1;
    return false;
  }

  tookOnLoop(milliseconds: number): void {
    if (milliseconds > SLOW_MS) this.#offLoop = TRIES_OFF_LOOP;
  }
}
