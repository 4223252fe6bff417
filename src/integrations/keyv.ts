import { EventEmitter } from 'node:events';
import type { KeyvStoreAdapter, StoredData } from 'keyv';
import { byteCacheOf, type ByteCache, type CacheClient } from './byte-cache.ts';

export type { CacheClient } from './byte-cache.ts';

/** Keys that are deleted at once by `clear`. */
const CLEARED_TOGETHER = 500;

/**
 * Causeway (or any Redis) as a store of Keyv 5: `new Keyv({ store: new CausewayKeyv(client) })`. Keyv's namespace is a prefix of the keys; `clear` and iteration
 * look at all keys of the node to find those of it. The client is the caller's, `disconnect` leaves it alone.
 */
export class CausewayKeyv extends EventEmitter implements KeyvStoreAdapter {
  /** By `dialect` Keyv knows that it can iterate. */
  readonly opts: { readonly dialect: 'redis' } = { dialect: 'redis' };
  namespace?: string | undefined;
  readonly #cache: ByteCache;

  constructor(client: CacheClient) {
    super();
    this.#cache = byteCacheOf(client);
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    return stored<Value>(await this.#cache.get(key));
  }

  async getMany<Value>(keys: string[]): Promise<StoredData<Value | undefined>[]> {
    return (await this.#cache.getMany(keys)).map((value) => stored<Value>(value));
  }

  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const ttlMs = ttl === undefined || ttl === null || ttl <= 0 ? null : ttl;
    await this.#cache.set(key, value instanceof Uint8Array ? value : Buffer.from(String(value)), ttlMs);
    return true;
  }

  async setMany(values: { key: string; value: unknown; ttl?: number }[]): Promise<void> {
    await Promise.all(values.map(async ({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#cache.delete([key])) > 0;
  }

  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.#cache.delete(keys)) > 0;
  }

  async has(key: string): Promise<boolean> {
    return (await this.#cache.get(key)) !== null;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return (await this.#cache.getMany(keys)).map((value) => value !== null);
  }

  /** Deletes the keys of the namespace. Without one it would be all keys of everybody, and throws. */
  async clear(): Promise<void> {
    if (this.#prefix === '') throw new Error('clear is for a namespace: without one it would delete all keys');
    let found: string[] = [];
    for await (const keys of this.#cache.keys(this.#prefix)) {
      found.push(...keys);
      if (found.length < CLEARED_TOGETHER) continue;
      await this.#cache.delete(found);
      found = [];
    }
    await this.#cache.delete(found);
  }

  async *iterator<Value>(): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
    for await (const keys of this.#cache.keys(this.#prefix)) {
      const values = await this.#cache.getMany(keys);
      for (const [at, key] of keys.entries()) {
        const value = values[at] ?? null;
        if (value !== null) yield [key, stored<Value>(value) as Awaited<Value>];
      }
    }
  }

  async disconnect(): Promise<void> {
    // the client is the caller's
  }

  get #prefix(): string {
    return this.namespace === undefined || this.namespace === '' ? '' : `${this.namespace}:`;
  }
}

/** What Keyv's serializer made; text, as it is with all of its stores. */
function stored<Value>(value: Uint8Array | null): StoredData<Value> | undefined {
  return value === null ? undefined : (Buffer.from(value).toString() as unknown as StoredData<Value>);
}
