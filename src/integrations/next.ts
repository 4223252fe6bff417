import { byteCacheOf, type CacheClient } from './byte-cache.ts';
import { NextEntries } from './next-entries.ts';
import { NEXT_TTL_MS } from './next-tags.ts';

export type { CacheClient } from './byte-cache.ts';

export interface CausewayNextOptions {
  /** Connected once for all handlers of a process. */
  readonly client: CacheClient;
  /** What keys begin with; `next:` unless said. Builds whose entries differ have a prefix each. */
  readonly prefix?: string;
  /** Told of errors of the client when entries are read and stored: to Next they are misses. */
  readonly errorCallback?: (error: Error) => void;
}

type Headers = Readonly<Record<string, string | string[] | number | undefined>>;

/** What Next stores: pages, routes, redirects, fetches and images; null for a page that is not there. */
type NextValue = {
  readonly kind: string;
  readonly headers?: Headers;
  readonly tags?: readonly string[];
  readonly [other: string]: unknown;
} | null;

interface CacheControl {
  readonly revalidate: number | false;
  readonly expire: number | undefined;
}

/** What Next says beside a key: of fetches their tags. */
export interface NextGetContext {
  readonly kind?: string;
  readonly tags?: readonly string[];
  readonly softTags?: readonly string[];
}

export interface NextSetContext {
  readonly fetchCache?: boolean;
  readonly tags?: readonly string[];
  readonly cacheControl?: CacheControl;
}

/** What Next is given of an entry. */
export interface NextCacheValue {
  readonly lastModified: number;
  readonly value: NextValue;
  readonly cacheControl?: CacheControl;
}

/** A handler as Next makes one of it for each request (`cacheHandler`). */
export interface NextCacheHandler {
  get(key: string, context: NextGetContext): Promise<NextCacheValue | null>;
  set(key: string, data: NextValue, context: NextSetContext): Promise<void>;
  revalidateTag(tags: string | readonly string[], durations?: { readonly expire?: number }): Promise<void>;
  resetRequestCache(): void;
}

/** An entry of `use cache`. */
export interface NextUseCacheEntry {
  readonly value: ReadableStream<Uint8Array>;
  readonly tags: string[];
  readonly stale: number;
  readonly timestamp: number;
  readonly expire: number;
  readonly revalidate: number;
}

/** A handler of `use cache` (`cacheHandlers`). */
export interface NextUseCacheHandler {
  get(key: string, softTags: readonly string[]): Promise<NextUseCacheEntry | undefined>;
  set(key: string, pendingEntry: Promise<NextUseCacheEntry>): Promise<void>;
  refreshTags(): Promise<void>;
  getExpiration(tags: readonly string[]): Promise<number>;
  updateTags(tags: readonly string[], durations?: { readonly expire?: number }): Promise<void>;
}

const PREFIX = 'next:';
const TAGS_HEADER = 'x-next-cache-tags';
/** So old that Next finds it stale however long it may be used. */
const OLDEST_MS: number = Number.MIN_SAFE_INTEGER;

interface StoredPage {
  readonly data: NextValue;
  readonly cacheControl: CacheControl | null;
}

/**
 * Next's cache of pages, routes and fetches in Causeway: `export default causewayCacheHandler({ client })` in the file that `cacheHandler` of next.config names. What one server revalidates (`revalidateTag`,
 * `revalidatePath`), in any region, all do. Written against Next 16; see "Custom Next.js Cache Handler" in its documentation.
 */
export function causewayCacheHandler(options: CausewayNextOptions): new (context?: unknown) => NextCacheHandler {
  const entries = new NextEntries<StoredPage>(byteCacheOf(options.client), options.prefix ?? PREFIX);
  const failed = failureOf(options);
  // Next makes an object a request, and a class of what the file exports
  return class CausewayCacheHandler implements NextCacheHandler {
    async get(key: string, { kind, tags = [], softTags = [] }: NextGetContext): Promise<NextCacheValue | null> {
      try {
        const found = await entries.get(key, [...tags, ...softTags]);
        if (found === null) return null;
        const { madeMs, value } = found.entry;
        const { data, cacheControl } = value;
        const lastModified = found.verdict === 'stale' ? staleTime(kind, cacheControl, madeMs) : madeMs;
        if (lastModified === null) return null;
        if (found.verdict === 'good' && isToBeRevalidated(kind, value, madeMs)) await entries.willMake(key);
        return { lastModified, value: data, ...(cacheControl === null ? {} : { cacheControl }) };
      } catch (error) {
        failed(error);
        return null;
      }
    }

    async set(key: string, data: NextValue, { tags = [], cacheControl }: NextSetContext): Promise<void> {
      const header = data?.headers?.[TAGS_HEADER];
      const named = typeof header === 'string' ? header.split(',') : [];
      const entry = {
        value: { data, cacheControl: cacheControl ?? null },
        tags: [...new Set([...tags, ...(data?.tags ?? []), ...named])],
        madeMs: Date.now(),
      };
      const expireMs = (cacheControl?.expire ?? Infinity) * 1000;
      await entries.set(key, entry, Math.max(1, Math.min(expireMs, NEXT_TTL_MS))).catch(failed);
    }

    async revalidateTag(tags: string | readonly string[], durations?: { readonly expire?: number }): Promise<void> {
      await entries.revalidate(typeof tags === 'string' ? [tags] : tags, durations);
    }

    resetRequestCache(): void {
      // nothing is kept for a request
    }
  };
}

/** As what is served while it is made anew: a time at which Next finds it so; null where that cannot be said and it is to be made first. */
function staleTime(kind: string | undefined, cacheControl: CacheControl | null, madeMs: number): number | null {
  if (kind === 'FETCH') return OLDEST_MS;
  const revalidate = cacheControl?.revalidate;
  return typeof revalidate === 'number' ? Math.min(madeMs, Date.now() - (revalidate + 1) * 1000) : null;
}

/** Whether Next is going to make it anew because of its age. */
function isToBeRevalidated(kind: string | undefined, { data, cacheControl }: StoredPage, madeMs: number): boolean {
  const own = kind === 'FETCH' && data !== null ? data['revalidate'] : cacheControl?.revalidate;
  return typeof own === 'number' && madeMs + own * 1000 < Date.now();
}

type StoredResult = Omit<NextUseCacheEntry, 'value'> & { readonly bytes: Uint8Array };

/** What `use cache` keeps, in Causeway: `export default causewayUseCacheHandler({ client })` in a file that `cacheHandlers` of next.config names, as `default`, `remote` or otherwise. */
export function causewayUseCacheHandler(options: CausewayNextOptions): NextUseCacheHandler {
  const entries = new NextEntries<StoredResult>(byteCacheOf(options.client), `${options.prefix ?? PREFIX}use:`);
  const failed = failureOf(options);
  /** Entries that are being made: who asks for one waits for it. */
  const pending = new Map<string, Promise<void>>();

  async function store(key: string, pendingEntry: Promise<NextUseCacheEntry>): Promise<void> {
    const { value, ...rest } = await pendingEntry;
    // one that breaks off is not stored
    const bytes = new Uint8Array(await new Response(value).arrayBuffer());
    if (rest.expire <= 0) return;
    const entry = { value: { ...rest, bytes }, tags: rest.tags, madeMs: rest.timestamp };
    await entries.set(key, entry, Math.max(1, rest.timestamp + rest.expire * 1000 - Date.now()));
  }

  return {
    async get(key, softTags) {
      try {
        await pending.get(key);
        const found = await entries.get(key, softTags);
        if (found === null) return undefined;
        const { bytes, ...rest } = found.entry.value;
        const isOld = rest.timestamp + rest.revalidate * 1000 < Date.now();
        if (isOld && found.verdict === 'good') await entries.willMake(key);
        return { ...rest, ...(found.verdict === 'stale' ? { revalidate: -1 } : {}), value: streamOf(bytes) };
      } catch (error) {
        failed(error);
        return undefined;
      }
    },
    async set(key, pendingEntry) {
      const stored = store(key, pendingEntry).catch(failed);
      pending.set(key, stored);
      await stored;
      if (pending.get(key) === stored) pending.delete(key);
    },
    async refreshTags() {
      // they are read with each entry
    },
    // soft tags come with `get`
    getExpiration: async () => Promise.resolve(Infinity),
    async updateTags(tags, durations) {
      await entries.revalidate(tags, durations);
    },
  };
}

function failureOf({ errorCallback }: CausewayNextOptions): (error: unknown) => void {
  return (error) => errorCallback?.(error as Error);
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller): void {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}
