import { KEY_TAGS_MAX, TAG_BYTES_MAX } from '../base/link-limits.ts';
import { isUnknownCommand } from '../errors.ts';
import { textOf, type Argument, type ByteCache } from './byte-cache.ts';

/** Whether a key can have all of these tags. */
export function areTags(tags: readonly string[]): boolean {
  return tags.length <= KEY_TAGS_MAX && tags.every(isTag);
}

/** Those of the tags that a key can have. */
export function tagsOf(tags: readonly string[]): readonly string[] {
  return [...new Set(tags)].filter(isTag).slice(0, KEY_TAGS_MAX);
}

function isTag(tag: string): boolean {
  return tag !== '' && Buffer.byteLength(tag) <= TAG_BYTES_MAX;
}

/** Stores values with tags, by which CW.INVALIDATE takes them away in all regions. A server that knows none, as Redis, keeps the values alone. */
export class TaggedCache {
  readonly #cache: ByteCache;

  constructor(cache: ByteCache) {
    this.#cache = cache;
  }

  /** The key has these tags and no others, of before. */
  async set(key: string, value: Uint8Array, ttlMs: number | null, tags: readonly string[]): Promise<void> {
    const cache = this.#cache;
    // they leave together, so that hardly anything comes between value and tags
    const asked = [cache.set(key, value, ttlMs)];
    if (tags.length > 0) asked.push(this.#ask(key, 'CW.UNTAG', key), this.#ask(key, 'CW.TAG', key, ...tags));
    await Promise.all(asked);
  }

  /** A token with which a value that is made now may be stored; null where another one makes it. */
  async lease(key: string, ms: number): Promise<string | null> {
    const reply = await this.#cache.ask(key, 'CW.LEASE', key, ms, 'REFRESH');
    return typeof reply === 'number' ? null : textOf(reply);
  }

  /** As `lease`, where it matters why there is no token: `others` load, or the server knows no leases of such a key. */
  async turn(key: string, ms: number, isOfRegion: boolean): Promise<{ readonly token: string } | 'others' | 'unknown'> {
    try {
      const among = isOfRegion ? ['REGION'] : [];
      const reply = await this.#cache.ask(key, 'CW.LEASE', key, Math.ceil(ms), ...among, 'REFRESH');
      if (typeof reply === 'number') return reply < 0 ? 'unknown' : 'others';
      return { token: textOf(reply) };
    } catch (error) {
      if (isUnknownCommand(error)) return 'unknown';
      throw error;
    }
  }

  /** Ends a lease that brought nothing. */
  async giveBack(key: string, token: string): Promise<void> {
    await this.#ask(key, 'CW.FILL', key, token);
  }

  /** Stores what was made since the token was given, unless the key or a tag was invalidated since. */
  async fill(key: string, token: string, value: Uint8Array, ttlMs: number, tags: readonly string[]): Promise<void> {
    const tagging = tags.length === 0 ? [] : ['TAGS', ...tags];
    await this.#ask(key, 'CW.FILL', key, token, value, 'PX', Math.ceil(ttlMs), ...tagging);
  }

  /** Takes away all that has one of the tags, or leaves it there for so long at most. */
  async invalidate(tags: readonly string[], lazyMs: number | null): Promise<void> {
    if (tags.length === 0) return;
    const lazy = lazyMs === null ? [] : ['LAZY', Math.ceil(lazyMs)];
    await this.#ask(null, 'CW.INVALIDATE', ...lazy, 'TAG', ...tags);
  }

  async #ask(key: string | null, ...args: readonly Argument[]): Promise<void> {
    try {
      await this.#cache.ask(key, ...args);
    } catch (error) {
      if (!isUnknownCommand(error)) throw error;
    }
  }
}
