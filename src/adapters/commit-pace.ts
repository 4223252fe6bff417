/** Bigger writes are worth a thread: the loop has other things to do meanwhile. */
const SYNC_BYTES_MAX = 64 * 1024;
/**
 * A disk that is slower than this on the average must not stop the loop. A single slow write says nothing of the disk: the process may
 * have waited for the processor.
 */
const SLOW_MS = 1;
/** Of the newest write in the average. */
const WEIGHT: number = 1 / 8;
/** Writes on the thread before the loop is tried again. */
const TRIES_OFF_LOOP = 256;

/**
 * Where a durable write is made. On the event loop a small one is done sooner (no way to a thread and back) and for less CPU, and
 * the loop has little else to do while a client waits for it. But then it stops for as long as the disk takes, all other
 * keys with it, so a slow or big one goes to a thread.
 *
 * Medians on two quiet cores, of writes with O_DSYNC to a file that has its size already, in us:
 *
 *     bytes      on the loop     on a thread
 *        512              86             150
 *      4,096              88             130
 *     25,600             109             149
 *     65,536             125             162
 *
 * A transaction of LMDB took 255 on the loop with one entry and 522 with 64: pages, then the root, each synced. Three voters written with
 * it alone, without anything else of this program, answered one writer after 660 us, where etcd took 910.
 */
export class CommitPace {
  readonly #syncBytesMax: number;
  /** What writes on the loop took lately, in milliseconds. */
  #meanMs = 0;
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
    this.#meanMs += (milliseconds - this.#meanMs) * WEIGHT;
    if (this.#meanMs <= SLOW_MS) return;
    this.#offLoop = TRIES_OFF_LOOP;
    // one more that is slow is enough then
    this.#meanMs = SLOW_MS * (1 - WEIGHT);
  }
}
