import { Packr } from 'msgpackr';
import type { ByteCache } from './byte-cache.ts';
import { NEXT_TTL_MS, NextTags, type TagVerdict } from './next-tags.ts';
import { TaggedCache, tagsOf } from './tagged-cache.ts';

/** What lies under a key. */
export interface NextEntry<Value> {
  readonly value: Value;
  readonly tags: readonly string[];
  /** When it was made, Unix milliseconds. */
  readonly madeMs: number;
}

/** How long a page may take to be made anew, for it to be kept. */
const LEASE_MS = 20_000;
/** Keys of which it is remembered under which lease they are being made. */
const LEASES_MAX = 10_000;
const LAZY_MS_MAX = 86_400_000;

/** Objects as records, so that they are told from maps. */
const packr: Packr = new Packr({ moreTypes: false, int64AsType: 'number' });

/**
 * Entries of Next with their tags. One that is missing or stale is made anew under a lease (CW.LEASE), so that what is revalidated while it is made, in any region, is not what is kept. A server without leases and tags, as
 * Redis is, keeps entries too: what is revalidated is told by marks alone there.
 */
export class NextEntries<Value> {
  readonly tags: NextTags;
  readonly #cache: ByteCache;
  readonly #tagged: TaggedCache;
  readonly #prefix: string;
  /** What was said when a lease was asked for; the token is null where another process makes the entry. */
  readonly #leases: Map<string, { readonly token: string | null; readonly untilMs: number }> = new Map();

  constructor(cache: ByteCache, prefix: string) {
    this.#cache = cache;
    this.#tagged = new TaggedCache(cache);
    this.#prefix = prefix;
    this.tags = new NextTags(cache, prefix);
  }

  /** An entry that may be served. One that is stale is going to be made anew, as one that is not there. */
  async get(
    name: string,
    softTags: readonly string[],
  ): Promise<{ readonly entry: NextEntry<Value>; readonly verdict: TagVerdict } | null> {
    const bytes = await this.#cache.get(this.#prefix + name);
    const entry = bytes === null ? null : decoded<Value>(bytes);
    const verdict =
      entry === null ? 'expired' : await this.tags.judge([...new Set([...entry.tags, ...softTags])], entry.madeMs);
    if (verdict !== 'good') await this.willMake(name);
    return entry === null || verdict === 'expired' ? null : { entry, verdict };
  }

  /** Somebody asks for what is not good any more: it is made now. */
  async willMake(name: string): Promise<void> {
    const key = this.#prefix + name;
    const nowMs = performance.now();
    const known = this.#leases.get(key);
    // several may ask for it at once, and it is made under the first lease
    if (known !== undefined && known.token !== null && known.untilMs > nowMs) return;
    try {
      const token = await this.#tagged.lease(key, LEASE_MS);
      if (token !== null || this.#leases.get(key) === known)
        this.#leases.set(key, { token, untilMs: nowMs + LEASE_MS });
    } catch {
      // a Redis has none
      this.#leases.delete(key);
    }
    const [oldest] = this.#leases.keys();
    if (this.#leases.size > LEASES_MAX && oldest !== undefined) this.#leases.delete(oldest);
  }

  async set(name: string, entry: NextEntry<Value>, ttlMs: number): Promise<void> {
    const key = this.#prefix + name;
    const bytes = packr.pack(entry);
    const tags = tagsOf(entry.tags);
    const keptMs = Math.min(ttlMs, NEXT_TTL_MS);
    const token = this.#leases.get(key)?.token;
    this.#leases.delete(key);
    // nobody asked for it: it is made for the sake of being there
    if (token === undefined) await this.#tagged.set(key, bytes, keptMs, tags);
    else if (token !== null) await this.#tagged.fill(key, token, bytes, keptMs, tags);
  }

  /** Revalidates what has one of the tags, in all regions; `expireSeconds` undefined: served while it is made anew. Null: at once. */
  async revalidate(tags: readonly string[], durations: { readonly expire?: number } | undefined): Promise<void> {
    const names = [...new Set(tags)];
    const expireMs = durations === undefined ? 0 : (durations.expire ?? Infinity) * 1000;
    const graceMs = expireMs > 0 ? expireMs : null;
    await this.tags.revalidate(names, graceMs);
    if (graceMs === null) await this.#tagged.invalidate(tagsOf(names), null);
    else if (graceMs <= LAZY_MS_MAX) await this.#tagged.invalidate(tagsOf(names), graceMs);
  }
}

/** Null for bytes that are of somebody else. */
function decoded<Value>(bytes: Uint8Array): NextEntry<Value> | null {
  try {
    const entry = packr.unpack(bytes) as Partial<NextEntry<Value>> | null;
    const isOurs = typeof entry?.madeMs === 'number' && Array.isArray(entry.tags) && 'value' in entry;
    return isOurs ? (entry as NextEntry<Value>) : null;
  } catch {
    return null;
  }
}
