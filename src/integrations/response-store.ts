import { createHash, randomUUID } from 'node:crypto';
import type { ByteCache } from './byte-cache.ts';
import { ResponseLoads, type LoadSettings, type Looked, type ResponseLoad } from './response-loads.ts';
import { areTags, TaggedCache } from './tagged-cache.ts';

/** Request headers, names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A stored response: its head, which is JSON, and its body. */
export interface StoredResponse<Head> {
  readonly head: Head;
  readonly body: Uint8Array;
}

/** A response that is to be stored, with what was asked. */
export interface Storing<Head> {
  readonly method: string;
  readonly url: string;
  readonly headers: RequestHeaders;
  /** The names of the request headers that chose the response, '*' among them for none that can be named. */
  readonly vary: readonly string[];
  readonly response: StoredResponse<Head>;
  readonly ttlMs: number;
  /** By which it is taken away in all regions (CW.INVALIDATE TAG). One that cannot have them is not stored. */
  readonly tags: readonly string[];
}

/** What lies at a request's own key: a response, or where those lie that depend on request headers. */
type Primary<Head> =
  | { readonly kind: 'response'; readonly head: Head }
  | { readonly kind: 'variants'; readonly generation: string; readonly names: readonly string[] };

/** Header names that a response may vary by. Past it, it is not stored. */
const VARY_NAMES_MAX = 32;
/** Methods whose responses may be stored (RFC 9110, 9.2.3). */
const STORED_METHODS = ['GET', 'HEAD', 'OPTIONS', 'TRACE'] as const;
const LENGTH_BYTES = 4;

/**
 * Responses by method, URL and what they vary by (RFC 9111, 4.1). One that varies lies under a key made of the request headers that count, whose names lie at the URL's own key
 * with a random *generation*: deleting that key makes all variants unreachable, those too that nobody can list, and they stay so when it is made again.
 */
export class ResponseStore<Head> {
  readonly #cache: ByteCache;
  readonly #tagged: TaggedCache;
  readonly #prefix: string;
  readonly #loads: ResponseLoads;
  /** Work on the keys of a URL that varies, one after the other: two that find no generation would make one each. */
  readonly #underWay: Map<string, Promise<void>> = new Map();

  constructor(cache: ByteCache, prefix: string, loads: LoadSettings) {
    this.#cache = cache;
    this.#tagged = new TaggedCache(cache);
    this.#prefix = prefix;
    this.#loads = new ResponseLoads(this.#tagged, loads);
  }

  async get(method: string, url: string, headers: RequestHeaders): Promise<StoredResponse<Head> | null> {
    return (await this.#look(method, url, headers)).found;
  }

  /** As `get`; where there is nothing good, one at a time of those who ask for it is given a load to make and to end. */
  async getOrLoad(
    method: string,
    url: string,
    headers: RequestHeaders,
    isGood: (head: Head) => boolean,
  ): Promise<{ readonly found: StoredResponse<Head> | null; readonly load: ResponseLoad | null }> {
    return this.#loads.begin(async () => {
      const { key, found } = await this.#look(method, url, headers);
      return { key, found: found !== null && isGood(found.head) ? found : null };
    });
  }

  async #look(method: string, url: string, headers: RequestHeaders): Promise<Looked<StoredResponse<Head>>> {
    const key = this.#primaryKey(method, url);
    const primary = await this.#read<Primary<Head> | null>(key);
    if (primary === null) return { key, found: null };
    const { head, body } = primary;
    if (head?.kind === 'response') return { key, found: { head: head.head, body } };
    if (head?.kind !== 'variants') return { key, found: null };
    const variantKey = this.#variantKey(method, url, head.generation, head.names, headers);
    return { key: variantKey, found: await this.#read<Head>(variantKey) };
  }

  /** Stores a response, and ends the load that brought it. */
  async put(storing: Storing<Head>, load: ResponseLoad | null = null): Promise<void> {
    await (load === null ? this.#put(storing, null) : load.store(async () => this.#put(storing, load)));
  }

  async #put(storing: Storing<Head>, load: ResponseLoad | null): Promise<void> {
    const { method, url, vary, response, tags, ttlMs } = storing;
    if (ttlMs < 1 || vary.includes('*') || vary.length > VARY_NAMES_MAX || !areTags(tags)) return;
    const primaryKey = this.#primaryKey(method, url);
    if (vary.length === 0) {
      const head: Primary<Head> = { kind: 'response', head: response.head };
      await this.#write(primaryKey, encoded(head, response.body), ttlMs, tags, load);
      return;
    }
    const before = this.#underWay.get(primaryKey) ?? Promise.resolve();
    const work = before.then(async () => this.#putVariant(storing, load));
    const settled = work.catch(() => undefined);
    this.#underWay.set(primaryKey, settled);
    try {
      await work;
    } finally {
      if (this.#underWay.get(primaryKey) === settled) this.#underWay.delete(primaryKey);
    }
  }

  /** Two processes that make a generation at the same time cost each other a miss. */
  async #putVariant(storing: Storing<Head>, load: ResponseLoad | null): Promise<void> {
    const { method, url, headers, vary, response, tags, ttlMs } = storing;
    const primaryKey = this.#primaryKey(method, url);
    const before = (await this.#read<Primary<Head>>(primaryKey))?.head;
    const known = before?.kind === 'variants' ? before : null;
    const names = [...new Set([...(known?.names ?? []), ...vary.map((name) => name.toLowerCase())])].sort();
    // Other names make other keys: those of before are not to be found by chance later on.
    const generation = known !== null && known.names.length === names.length ? known.generation : randomUUID();
    const variantKey = this.#variantKey(method, url, generation, names, headers);
    await this.#write(variantKey, encoded(response.head, response.body), ttlMs, tags, load);
    const pointer: Primary<Head> = { kind: 'variants', generation, names };
    await this.#cache.set(primaryKey, encoded(pointer, new Uint8Array(0)), ttlMs);
  }

  /** Under the lease of the key where there is one: what was invalidated since that was given is not stored. */
  async #write(
    key: string,
    bytes: Uint8Array,
    ttlMs: number,
    tags: readonly string[],
    load: ResponseLoad | null,
  ): Promise<void> {
    const token = load?.key === key ? load.takeToken() : null;
    await (token === null
      ? this.#tagged.set(key, bytes, ttlMs, tags)
      : this.#tagged.fill(key, token, bytes, ttlMs, tags));
  }

  /** Forgets all responses of a URL. */
  async delete(url: string): Promise<void> {
    await this.#cache.delete(STORED_METHODS.map((method) => this.#primaryKey(method, url)));
  }

  #primaryKey(method: string, url: string): string {
    return `${this.#prefix}${method} ${url}`;
  }

  #variantKey(
    method: string,
    url: string,
    generation: string,
    names: readonly string[],
    headers: RequestHeaders,
  ): string {
    const values = names.map((name) => [name, Object.hasOwn(headers, name) ? headers[name] : null]);
    const digest = createHash('sha256').update(JSON.stringify(values)).digest('base64url');
    return `${this.#primaryKey(method, url)} ${generation} ${digest}`;
  }

  async #read<T>(key: string): Promise<StoredResponse<T> | null> {
    const bytes = await this.#cache.get(key);
    return bytes === null ? null : decoded<T>(bytes);
  }
}

/** The head's length, the head as JSON, the body. */
function encoded(head: unknown, body: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, body]);
}

/** Null for bytes that are of somebody else. */
function decoded<T>(bytes: Uint8Array): StoredResponse<T> | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < LENGTH_BYTES) return null;
  const end = LENGTH_BYTES + buffer.readUInt32BE(0);
  if (end > buffer.length) return null;
  try {
    return { head: JSON.parse(buffer.toString('utf8', LENGTH_BYTES, end)) as T, body: buffer.subarray(end) };
  } catch {
    return null;
  }
}
