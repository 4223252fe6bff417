/** Bigger writes are worth a thread: the loop has other things to do meanwhile. */
const SYNC_BYTES_MAX = 64 * 1024;
/**
 * A disk most of whose writes take longer than this must not stop the loop. A few slow ones say nothing of the disk: the process may have waited
 * for the processor, and on a thread it would wait for it three times.
 */
const SLOW_MS = 1;
/** Nor must one that stops the loop for so long on the average, if seldom. */
const MEAN_MS_MAX = 5;
/** Of the newest write in the averages. */
const WEIGHT: number = 1 / 8;
/** Writes on the thread before the loop is tried again; a quick one counts as so many. */
const TRIES_OFF_LOOP = 256;
const QUICK_COUNTS = 16;

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
  /** What writes on the loop took lately, in milliseconds, and which part of them was slow. */
  #meanMs = 0;
  #slowPart = 0;
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
    this.#slowPart += ((milliseconds > SLOW_MS ? 1 : 0) - this.#slowPart) * WEIGHT;
    if (this.#meanMs <= MEAN_MS_MAX && this.#slowPart <= 1 / 2) return;
    this.#offLoop = TRIES_OFF_LOOP;
    // one more that is slow is enough then
    this.#meanMs = 0;
    this.#slowPart = 1 / 2;
  }

  tookOnThread(milliseconds: number): void {
    if (milliseconds <= SLOW_MS) this.#offLoop = Math.max(0, this.#offLoop - QUICK_COUNTS);
  }
}
