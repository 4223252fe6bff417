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
 *
 * Medians measured with entries of 256 B on two quiet cores and a disk whose fdatasync takes 90 us (130 where the file grows), from `commit`
 * to `done`, in us, with the CPU time of the whole process; encoding took 6 us an entry then and takes 0.4 since, so these are
 * upper bounds:
 *
 *     entries in the batch    on the loop     on the thread
 *                        1    255, CPU 183    318, CPU 245
 *                       16    358, CPU 360    388, CPU 405
 *                       64    522, CPU 723    509, CPU 633
 *
 * All of it is durable, in the two steps that LMDB needs: pages, then the root. `noMetaSync` would save the second and
 * lose the last commit in a power cut; lmdb's `overlappingSync` with `flushed` needs as many steps and took 325 us where 245 were
 * taken without; `eventTurnBatching: false` and a database of its own for the log made no difference.
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
