import { Writable } from 'node:stream';
import type { cacheStores, Dispatcher } from 'undici';
import { byteCacheOf, type CacheClient } from './byte-cache.ts';
import { mayShare, surrogateTags } from './response-rules.ts';
import type { LoadSettings, ResponseLoad } from './response-loads.ts';
import { ResponseStore, type StoredResponse } from './response-store.ts';

export type { CacheClient } from './byte-cache.ts';

type UndiciStore = Pick<InstanceType<typeof cacheStores.MemoryCacheStore>, 'get' | 'createWriteStream' | 'delete'>;
type CacheKey = Parameters<UndiciStore['get']>[0];
type CacheValue = Parameters<UndiciStore['createWriteStream']>[1];
type GetResult = Awaited<ReturnType<UndiciStore['get']>>;

export interface CausewayCacheStoreOptions extends LoadSettings {
  /** What keys begin with; `http:` unless said. */
  readonly prefix?: string;
  /** Bytes of a body that is stored at most; 5 MiB unless said, as of Undici's own stores. */
  readonly maxEntrySize?: number;
  /** More tags of a response, beside those that its `Surrogate-Key` and `Cache-Tag` name: `CW.INVALIDATE TAG` takes it away in all regions. */
  readonly tags?: (key: CacheKey, value: CacheValue) => readonly string[];
  /** Told of errors of the client: to Undici they are misses. */
  readonly errorCallback?: (error: Error) => void;
}

const PREFIX = 'http:';
const ENTRY_BYTES_MAX: number = 5 * 1024 * 1024;

/**
 * Causeway (or any Redis) as a store of Undici's cache: `interceptors.cache({ store: new CausewayCacheStore(client) })`. Whatever Undici stores by RFC 9111 is then
 * in every region, and an unsafe method through one process makes all others forget as well. A client that fails makes requests go to their origin.
 */
export class CausewayCacheStore implements UndiciStore {
  readonly #responses: ResponseStore<CacheValue>;
  readonly #entryBytesMax: number;
  readonly #tags: (key: CacheKey, value: CacheValue) => readonly string[];
  readonly #failed: (error: Error) => void;
  /** What others wait for, by the headers of the request, which Undici's cache hands on as they are. */
  readonly #loads: WeakMap<object, ResponseLoad> = new WeakMap();
  #isCollapsing = false;

  constructor(client: CacheClient, options: CausewayCacheStoreOptions = {}) {
    this.#responses = new ResponseStore(byteCacheOf(client), options.prefix ?? PREFIX, options);
    this.#entryBytesMax = options.maxEntrySize ?? ENTRY_BYTES_MAX;
    this.#tags = options.tags ?? ((): readonly string[] => []);
    this.#failed = options.errorCallback ?? ((): void => undefined);
  }

  async get(key: CacheKey): Promise<GetResult> {
    try {
      const found = await this.#lookUp(key);
      if (found === null) return undefined;
      const { cacheControlDirectives = {}, ...head } = found.head;
      return { ...head, cacheControlDirectives, body: [Buffer.from(found.body)] };
    } catch (error) {
      this.#failed(error as Error);
      return undefined;
    }
  }

  async #lookUp({ method, headers = {}, ...key }: CacheKey): Promise<StoredResponse<CacheValue> | null> {
    const url = urlOf({ method, headers, ...key });
    const isGood = ({ deleteAt }: CacheValue): boolean => deleteAt > Date.now();
    if (!this.#isCollapsing || method !== 'GET' || this.#loads.has(headers) || !mayShare(headers)) {
      const found = await this.#responses.get(method, url, headers);
      return found !== null && isGood(found.head) ? found : null;
    }
    const { found, load } = await this.#responses.getOrLoad(method, url, headers, isGood);
    if (load !== null) this.#loads.set(headers, load);
    return found;
  }

  /**
   * An interceptor for behind the cache's, `compose(store.collapse, interceptors.cache({ store }))`: with it, of requests that miss the same at once one goes to its origin, and
   * the others are answered by what that stored. Undici tells a store of no answer that is not stored, so it is seen here that nobody need wait longer.
   */
  readonly collapse: Dispatcher.DispatcherComposeInterceptor = (dispatch) => {
    this.#isCollapsing = true;
    return (options, handler) => {
      const { headers } = options;
      const load = typeof headers === 'object' && headers !== null ? this.#loads.get(headers) : undefined;
      return dispatch(options, load === undefined ? handler : new LoadHandler(handler, load));
    };
  };

  createWriteStream(key: CacheKey, value: CacheValue): Writable | undefined {
    const chunks: Buffer[] = [];
    let length = 0;
    const load = this.#loads.get(key.headers ?? {}) ?? null;
    load?.willStore();
    const put = async (): Promise<void> => {
      const vary = Object.keys(value.vary ?? {});
      const response = { head: value, body: Buffer.concat(chunks) };
      const ttlMs = value.deleteAt - Date.now();
      const { method, headers = {} } = key;
      const tags = [...surrogateTags(value.headers), ...this.#tags(key, value)];
      await this.#responses.put({ method, url: urlOf(key), headers, vary, response, tags, ttlMs }, load);
    };
    const entryBytesMax = this.#entryBytesMax;
    return new Writable({
      write(chunk: Buffer | string, encoding, done): void {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
        length += bytes.length;
        // what is too large is not stored, which is no error of the response
        if (length > entryBytesMax) this.destroy();
        else chunks.push(bytes);
        done();
      },
      final: (done): void => {
        // an answer that is not stored is an answer
        void this.#tried(put).finally(done);
      },
      destroy(error, done): void {
        load?.giveUp();
        done(error);
      },
    });
  }

  async delete(key: CacheKey): Promise<void> {
    await this.#tried(async () => this.#responses.delete(urlOf(key)));
  }

  async #tried(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failed(error as Error);
    }
  }
}

function urlOf({ origin, path }: CacheKey): string {
  return `${origin}${path}`;
}

/** Hands on what comes of a request, and sees whether it is for others too. */
class LoadHandler implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #load: ResponseLoad;
  onResponseStarted: () => void;
  onBodySent: (chunk: Buffer) => void;
  onRequestSent: () => void;

  constructor(handler: Dispatcher.DispatchHandler, load: ResponseLoad) {
    this.#handler = handler;
    this.#load = load;
    this.onResponseStarted = () => handler.onResponseStarted?.();
    this.onBodySent = (chunk) => handler.onBodySent?.(chunk);
    this.onRequestSent = () => handler.onRequestSent?.();
  }

  onRequestStart(...start: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestStart']>>): void {
    this.#handler.onRequestStart?.(...start);
  }

  onRequestUpgrade(...upgrade: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>): void {
    this.#load.giveUp();
    this.#handler.onRequestUpgrade?.(...upgrade);
  }

  onResponseStart(...start: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#handler.onResponseStart?.(...start);
    const [, status] = start;
    // what is stored has its stream by now
    if (status >= 200 && !this.#load.willBeStored) this.#load.giveUp();
  }

  onResponseData(...data: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseData']>>): void {
    this.#handler.onResponseData?.(...data);
  }

  onResponseEnd(...end: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#handler.onResponseEnd?.(...end);
  }

  onResponseError(...failure: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseError']>>): void {
    this.#load.giveUp();
    this.#handler.onResponseError?.(...failure);
  }
}
