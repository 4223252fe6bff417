import { join } from 'node:path';
import { readKeyList, writeKeyList } from '../adapters/key-list-file.ts';
import type { Log } from '../adapters/pino-log.ts';
import { ByteRange } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import type { Engine } from '../commands/engine.ts';
import type { Clock } from '../ports.ts';
import { HotKeys } from './hot-keys.ts';
import type { InProcessSession, LocalSessionOptions } from './in-process-session.ts';
import type { WarmConfig } from './warm-config.ts';
import { readInRequests, type ReadKeys } from './warm-requests.ts';

export interface WarmUpOptions {
  readonly config: WarmConfig;
  readonly dataDir: string | null;
  readonly engine: Pick<Engine, 'keys' | 'nowMs' | 'refusal' | 'node'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly openSession: (options: LocalSessionOptions) => Pick<InProcessSession, 'call' | 'close'>;
}

/** In the data folder: the keys that were used most, one a line. */
const HOT_KEYS_FILE = 'hot-keys';
const TOLD_EVERY_MS = 1_000;
/** Between two steps of a round over the keyspace. */
const STEP_EVERY_MS = 250;

/**
 * Reads, once at the start, the keys of a list and those that were used most before the stop, by the same commands as clients: evicted values come
 * into memory, and what is not here is asked for where its class says so. And records which are used most, while the node runs.
 */
export class WarmUp {
  readonly #options: WarmUpOptions;
  readonly #hotFile: string | null;
  readonly #hot: HotKeys;
  readonly #sessions: Pick<InProcessSession, 'call' | 'close'>[] = [];
  #keys: Uint8Array[] | null = null;
  #read = 0;
  #isOver = false;
  #startedMs = 0;
  #toldAtMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: WarmUpOptions) {
    this.#options = options;
    const { config, dataDir, engine } = options;
    this.#hotFile = config.hot && dataDir !== null ? join(dataDir, HOT_KEYS_FILE) : null;
    this.#hot = new HotKeys(engine.keys);
  }

  /** Begins as soon as the node answers clients; to be called until it is ready. */
  look(): void {
    const { engine, clock, openSession } = this.#options;
    if (this.#keys !== null || this.#isClosed || engine.refusal(false, false) !== null) return;
    this.#keys = this.#listed();
    this.#startedMs = clock.monotonicMs();
    const openReader = (): ReadKeys => {
      const session = openSession({ address: 'local:warm', name: 'warm', libraryName: 'warm' });
      this.#sessions.push(session);
      return async (keys) => this.#readSome(session, keys);
    };
    void readInRequests(this.#keys, openReader, () => !this.#isClosed).then(() => this.#end());
    this.#recordLater();
  }

  /** The keys to read, each once: those of the list first. */
  #listed(): Uint8Array[] {
    const { config, engine, log } = this.#options;
    const byName = new Map<string, Uint8Array>();
    for (const path of [config.keysFile, this.#hotFile]) {
      if (path === null) continue;
      try {
        const keys = readKeyList(path);
        if (path === this.#hotFile) this.#hot.began(keys);
        for (const key of keys) byName.set(new ByteRange(key).toLatin1(), key);
      } catch (error) {
        // there is none before the first was recorded
        if (path === config.keysFile) log.warn('the list of keys to warm cannot be read', { path, error });
      }
    }
    const { policy } = engine.node.classes;
    return [...byName.values()].filter((bytes) => {
      const key = new ByteRange(bytes);
      return !isSystemKey(key) && policy.classOf(key).strong === undefined;
    });
  }

  async #readSome(session: Pick<InProcessSession, 'call'>, keys: readonly Uint8Array[]): Promise<void> {
    try {
      await session.call(['MGET', ...keys]);
      await session.call(['TOUCH', ...keys]);
    } catch (error) {
      this.#options.log.debug('a request of the warm start failed', { error });
    }
    this.#read += keys.length;
    this.#tell('warming');
  }

  #tell(what: string): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#isOver && nowMs - this.#toldAtMs < TOLD_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#options.log.info(what, { read: this.#read, of: this.#keys?.length ?? 0 });
  }

  #end(): void {
    this.#isOver = true;
    if (this.#read > 0) this.#tell('warmed');
    this.#closeSessions();
  }

  #closeSessions(): void {
    for (const session of this.#sessions.splice(0)) session.close('warmed');
  }

  /** Why the node is not ready: while it reads, for as long as the configuration says. */
  unreadyReasons(): string[] {
    const { config, clock } = this.#options;
    if (config.waitMs === 0 || this.#isOver) return [];
    if (this.#keys === null) return ['warming: not begun'];
    if (clock.monotonicMs() - this.#startedMs >= config.waitMs) return [];
    return [`warming: ${this.#read} of ${this.#keys.length} keys read`];
  }

  /** Goes on with the round over the keyspace after a while, and records what it found when it is over. */
  #recordLater(): void {
    if (this.#hotFile === null || this.#isClosed) return;
    this.#arm(this.#options.config.recordEveryMs);
  }

  #arm(inMs: number): void {
    this.#timer = setTimeout(() => this.#record(), inMs);
    this.#timer.unref();
  }

  #record(): void {
    const { clock, engine, log } = this.#options;
    const found = this.#hot.step(engine.nowMs(clock.wallMs()));
    if (found === null || this.#hotFile === null) return this.#arm(STEP_EVERY_MS);
    writeKeyList(this.#hotFile, found)
      .catch((error: unknown) => log.warn('the keys that are used most cannot be recorded', { error }))
      .finally(() => this.#recordLater());
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#closeSessions();
  }
}
