import { CausewayError } from '../errors.ts';

export interface LoadOptions<T> {
  /** Gives the value from where it comes from; the signal says when nobody waits for it any more. */
  readonly load: (signal: AbortSignal) => Promise<T | null> | T | null;
  /** How long it may take, and how long the load of somebody else is waited for. 30 s. */
  readonly loadMs?: number;
}

/** One load a key at a time: who asks while one is under way waits for that. */
export class LoadOnce {
  readonly #loadsMax: number;
  readonly #loads: Map<string, Promise<unknown>> = new Map();

  constructor(loadsMax: number) {
    this.#loadsMax = loadsMax;
  }

  /** What `work` gives. Rejects with what it throws, the signal's reason, or QueueFull where too many keys are being loaded. */
  async run<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T | null>): Promise<T | null> {
    let shared = this.#loads.get(key) as Promise<T | null> | undefined;
    if (shared === undefined) {
      if (this.#loads.size >= this.#loadsMax)
        throw new CausewayError('QueueFull', `${this.#loadsMax} keys are being loaded (queue.entriesMax)`, {
          retry: 'later',
        });
      shared = work().finally(() => this.#loads.delete(key));
      // those who gave up hear nothing of it
      shared.catch(() => undefined);
      this.#loads.set(key, shared);
    }
    return signal === undefined ? shared : unless(signal, shared);
  }
}

export function loadTookTooLong(key: string, loadMs: number): CausewayError {
  return new CausewayError('DeadlineExceeded', `loading ${JSON.stringify(key)} took longer than ${loadMs} ms`, {
    retry: 'now',
  });
}

/** What the load gives. Rejects with what it throws, or DeadlineExceeded. */
export async function loaded<T>(key: string, load: LoadOptions<T>['load'], loadMs: number): Promise<T | null> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = loadTookTooLong(key, loadMs);
      controller.abort(error);
      reject(error);
    }, loadMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(async () => load(controller.signal)), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}
