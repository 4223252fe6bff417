import type { CausewayError } from '../errors.ts';
import { textOf, type Reply } from './replies.ts';

/** What a node showed anew of a key. */
export interface Change {
  /** `all`: every key may have changed (FLUSHALL, a snapshot). `lost`: changes were missed, and what is needed has to be read anew. */
  readonly kind: 'set' | 'del' | 'expired' | 'all' | 'lost';
  /** Null of `all` and `lost`. */
  readonly key: string | null;
  /** As of CW.VERSION; null where there is none. */
  readonly version: string | null;
  /** The transaction that changed it, `us-east-1/a#3:17`; null for time, snapshots and keys that never leave their node. */
  readonly dot: string | null;
  /** Where it was written. */
  readonly region: string | null;
}

export interface WatchOptions {
  readonly signal?: AbortSignal;
}

/** A feed of a node, begun. */
export interface Feed {
  /** Where it began. */
  readonly position: string;
  /** Tells nothing more for a while; the node keeps what comes, and says `lost` where that is too much. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** What a feed tells. */
export interface FeedReader {
  told(event: readonly Reply[]): void;
  /** Called once, where it was not closed by its reader. */
  ended(error: CausewayError): void;
}

/** Begins a feed at the node in use, behind a position where one is given. Rejects with UNAVAILABLE, or with the signal's reason. */
export type OpenFeed = (
  prefixes: readonly string[],
  from: string | null,
  reader: FeedReader,
  signal: AbortSignal,
) => Promise<Feed>;

/** Changes that are kept for a program that is busy, before the node is asked to keep them. */
const QUEUE_MAX = 1_024;
const AGAIN_FIRST_MS = 25;
const AGAIN_MAX_MS = 1_000;

/**
 * Changes below the prefixes as the node in use shows them, in causal order, from now on and over failures of nodes: what may have been missed by one is told as `lost`. It ends with its signal's reason,
 * with what the node refuses it for, or where the program leaves it.
 */
export async function* watchChanges(
  open: OpenFeed,
  prefixes: readonly string[],
  { signal }: WatchOptions,
): AsyncGenerator<Change, void, undefined> {
  const ending = new AbortController();
  const whole = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
  const queue = new ChangeQueue();
  const abort = (): void => queue.wake();
  whole.addEventListener('abort', abort);
  try {
    for (let againMs = AGAIN_FIRST_MS; ; againMs = Math.min(againMs * 2, AGAIN_MAX_MS)) {
      const begunAt = queue.seen;
      queue.opening();
      try {
        queue.begun(await open(prefixes, queue.position, queue, whole));
      } catch (error) {
        whole.throwIfAborted();
        if ((error as CausewayError).retry === 'never') throw error;
        queue.ended();
      }
      while (queue.isOpen || queue.length > 0) {
        const change = queue.take();
        if (change !== null) yield change;
        else await queue.more();
        whole.throwIfAborted();
      }
      if (queue.seen > begunAt) againMs = AGAIN_FIRST_MS;
      await rest(againMs, whole);
      whole.throwIfAborted();
    }
  } finally {
    whole.removeEventListener('abort', abort);
    ending.abort();
    queue.close();
  }
}

/** What came and was not taken yet. */
class ChangeQueue implements FeedReader {
  readonly #changes: Change[] = [];
  #feed: Feed | null = null;
  #isOpen = true;
  #isPaused = false;
  #wake: (() => void) | null = null;
  /** Behind which a feed of the same node goes on. */
  position: string | null = null;
  /** Changes told in all. */
  seen = 0;

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get length(): number {
    return this.#changes.length;
  }

  opening(): void {
    this.#isOpen = true;
    this.#isPaused = false;
  }

  begun(feed: Feed): void {
    this.position ??= feed.position;
    // it may have ended already
    if (this.#isOpen) this.#feed = feed;
    else feed.close();
  }

  told(event: readonly Reply[]): void {
    const [, kind, key, version, dot, region, position] = event;
    const text = (item: Reply | undefined): string | null =>
      item === null || item === undefined ? null : textOf(item);
    this.seen++;
    this.position = text(position) ?? this.position;
    this.#changes.push({
      kind: textOf(kind) as Change['kind'],
      key: text(key),
      version: text(version),
      dot: text(dot),
      region: text(region),
    });
    if (this.#changes.length >= QUEUE_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#feed?.pause();
    }
    this.wake();
  }

  ended(): void {
    this.#isOpen = false;
    this.#feed = null;
    this.wake();
  }

  take(): Change | null {
    const change = this.#changes.shift() ?? null;
    if (this.#isPaused && this.#changes.length < QUEUE_MAX / 2) {
      this.#isPaused = false;
      this.#feed?.resume();
    }
    return change;
  }

  /** Fulfilled when there may be more to take. */
  async more(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  close(): void {
    this.#feed?.close();
    this.#feed = null;
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
