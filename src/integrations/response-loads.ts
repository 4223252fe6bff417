import type { TaggedCache } from './tagged-cache.ts';

/** Among whom one load of a response at a time is enough: the processes of all regions, those of the node's region, or this one. */
export type LoadedOnce = 'cluster' | 'region' | 'process';

export interface LoadSettings {
  readonly once?: LoadedOnce;
  /** How long others wait for an answer that is on its way; past it they ask for themselves. 10 s unless said. */
  readonly loadMs?: number;
}

const LOAD_MS = 10_000;
/** How soon a process asks again whether another one's load is over. */
const AGAIN_FIRST_MS = 10;
const AGAIN_MAX_MS = 250;
/** So long everybody asks for what turned out to be for nobody else. */
const APART_MS = 1_000;
const APART_MAX = 1_000;

/** A load that others wait for, in this process or under a lease. It is to be ended. */
export class ResponseLoad {
  readonly key: string;
  readonly #ended: (isForAll: boolean, token: string | null) => void;
  #token: string | null;
  #isStoring = false;
  willBeStored = false;
  #isOver = false;

  /** `token`: of a lease; null where only this process waits. */
  constructor(key: string, token: string | null, ended: (isForAll: boolean, token: string | null) => void) {
    this.key = key;
    this.#token = token;
    this.#ended = ended;
  }

  /** The lease's token, for what is stored under its key; null where there is none, or it was taken or given back. */
  takeToken(): string | null {
    const token = this.#token;
    this.#token = null;
    return token;
  }

  /** What it brings is for others, and will be stored once all of it is here. */
  willStore(): void {
    this.willBeStored = true;
  }

  /** What it brought is stored now: it is over when that is done. */
  async store(put: () => Promise<void>): Promise<void> {
    this.#isStoring = true;
    try {
      await put();
    } finally {
      this.end(true);
    }
  }

  /** It brought nothing for others, or failed, or the client left; of one that is being stored that is no matter. */
  giveUp(): void {
    if (!this.#isStoring) this.end(false);
  }

  /** `isForAll`: what is there is to be looked at; else those who wait ask for themselves. */
  end(isForAll: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended(isForAll, this.takeToken());
  }
}

/** What a cache knows of a request: what it has for it, and under which key a load of it is looked for. */
export interface Looked<Found> {
  readonly key: string;
  readonly found: Found | null;
}

/**
 * One load at a time of what many ask for at once (RFC 9111, 4: requests may be collapsed): one of a process asks for a lease (CW.LEASE), the others of the process wait for it; without leases, as
 * on a Redis, it is one a process. What is for one client alone, or fails, is for the others no longer waited for.
 */
export class ResponseLoads {
  readonly #tagged: TaggedCache;
  readonly #once: LoadedOnce;
  readonly #loadMs: number;
  /** Loads of this process, and those that it waits for, by key. */
  readonly #running: Map<string, Promise<void>> = new Map();
  /** Until when everybody asks for himself, by key; the oldest first. */
  readonly #apart: Map<string, number> = new Map();

  constructor(tagged: TaggedCache, { once = 'cluster', loadMs = LOAD_MS }: LoadSettings) {
    this.#tagged = tagged;
    this.#once = once;
    this.#loadMs = loadMs;
  }

  /** What is there, or a load that is to be made and ended; both null for a request that is on its own. */
  async begin<Found>(
    look: () => Promise<Looked<Found>>,
  ): Promise<{ readonly found: Found | null; readonly load: ResponseLoad | null }> {
    const endsMs = performance.now() + this.#loadMs;
    for (;;) {
      const { key, found } = await look();
      const leftMs = endsMs - performance.now();
      if (found !== null || leftMs <= 0 || this.#isApart(key)) return { found, load: null };
      const running = this.#running.get(key);
      if (running !== undefined) {
        await within(leftMs, running);
        continue;
      }
      const load = await this.#lead(key, look, endsMs);
      if (load === null) continue;
      try {
        // it may have come since it was looked for; and what varies has a key of its own by now
        const again = await look();
        if (again.found === null && again.key === key) return { found: null, load };
      } catch (error) {
        load.end(true);
        throw error;
      }
      load.end(true);
    }
  }

  /** The turn of this process; null where there is something to be looked at, or it is waited for too long. */
  async #lead(key: string, look: () => Promise<Looked<unknown>>, endsMs: number): Promise<ResponseLoad | null> {
    let resolve = (): void => undefined;
    this.#running.set(key, new Promise((over) => (resolve = over)));
    let timer: NodeJS.Timeout | undefined;
    const ended = (isForAll: boolean, token: string | null): void => {
      clearTimeout(timer);
      this.#running.delete(key);
      if (!isForAll) this.#setApart(key);
      resolve();
      // where this does not come through its time, or the end of the connection, ends the lease
      if (token !== null) void this.#tagged.giveBack(key, token).catch(() => undefined);
    };
    try {
      const token = this.#once === 'process' ? null : await this.#lease(key, look, endsMs);
      if (token !== undefined) {
        const load = new ResponseLoad(key, token, ended);
        timer = setTimeout(() => load.giveUp(), this.#loadMs);
        timer.unref();
        return load;
      }
    } catch (error) {
      ended(true, null);
      throw error;
    }
    ended(true, null);
    return null;
  }

  /** A token; null where the server knows no leases of such a key; undefined where another one's load is over, or takes too long. */
  async #lease(key: string, look: () => Promise<Looked<unknown>>, endsMs: number): Promise<string | null | undefined> {
    for (let againMs = AGAIN_FIRST_MS; performance.now() < endsMs; againMs = Math.min(againMs * 2, AGAIN_MAX_MS)) {
      const turn = await this.#tagged.turn(key, this.#loadMs, this.#once === 'region');
      if (turn !== 'others') return turn === 'unknown' ? null : turn.token;
      await within(againMs);
      const now = await look();
      if (now.found !== null || now.key !== key) return undefined;
    }
    return undefined;
  }

  #isApart(key: string): boolean {
    const untilMs = this.#apart.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > performance.now()) return true;
    this.#apart.delete(key);
    return false;
  }

  #setApart(key: string): void {
    this.#apart.delete(key);
    this.#apart.set(key, performance.now() + APART_MS);
    const [oldest] = this.#apart.keys();
    if (this.#apart.size > APART_MAX && oldest !== undefined) this.#apart.delete(oldest);
  }
}

/** Fulfilled after so many milliseconds, or with the promise. */
async function within(ms: number, promise?: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  try {
    await (promise === undefined ? late : Promise.race([late, promise]));
  } finally {
    clearTimeout(timer);
  }
}
