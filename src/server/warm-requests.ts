/** Keys of one request, and requests at a time: a source is asked for no more than all of them at once. */
const KEYS_A_REQUEST = 20;
const REQUESTS_AT_ONCE = 4;

/**
 * Reads some keys: MGET, and TOUCH. What was used once is the first to go under a limit of memory (S3-FIFO), so that a list would push itself out again.
 * What it throws ends the reading.
 */
export type ReadKeys = (keys: readonly Uint8Array[]) => Promise<void>;

/** Reads all keys to warm a node, so many a request and so many requests at a time, each of them by a reader of its own, for as long as it may go on. */
export async function readInRequests(
  keys: readonly Uint8Array[],
  openReader: () => ReadKeys,
  mayGoOn: () => boolean = () => true,
): Promise<void> {
  let next = 0;
  const readOn = async (read: ReadKeys): Promise<void> => {
    while (next < keys.length && mayGoOn()) {
      const some = keys.slice(next, next + KEYS_A_REQUEST);
      next += some.length;
      await read(some);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, async () => readOn(openReader())));
}
