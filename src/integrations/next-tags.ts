import type { ByteCache } from './byte-cache.ts';

/** When a tag was revalidated, Unix milliseconds; 0 for never. */
interface TagMark {
  /** What is older is not served. */
  readonly expired: number;
  /** What is older is served while it is made anew, */
  readonly stale: number;
  /** until then; Infinity (null in JSON) for as long as that takes. */
  readonly until: number | null;
}

/** What the tags of an entry say of it. */
export type TagVerdict = 'good' | 'stale' | 'expired';

/** How long entries that say nothing are kept, and so the marks by which they are judged. */
export const NEXT_TTL_MS: number = 30 * 86_400_000;

const NO_MARK: TagMark = { expired: 0, stale: 0, until: null };

/**
 * When tags were revalidated, a key each. Next's soft tags (of paths) are no tags of entries, so nothing can be taken away by them: they are judged when an entry is read. Times are of the
 * clocks of those who write, as Next's own.
 */
export class NextTags {
  readonly #cache: ByteCache;
  readonly #prefix: string;

  constructor(cache: ByteCache, prefix: string) {
    this.#cache = cache;
    this.#prefix = `${prefix}tag:`;
  }

  /** Revalidates tags: at once, or so that what is there is served for `graceMs` more (Infinity for any time). */
  async revalidate(tags: readonly string[], graceMs: number | null): Promise<void> {
    const nowMs = Date.now();
    const known = await this.#marks(tags);
    await Promise.all(
      tags.map(async (tag, at) => {
        const { expired, stale, until } = known[at] ?? NO_MARK;
        // what was over before stays over
        const before = Math.max(expired, until !== null && until <= nowMs ? stale : 0);
        const mark: TagMark =
          graceMs === null
            ? { expired: nowMs, stale: nowMs, until: null }
            : { expired: before, stale: nowMs, until: Number.isFinite(graceMs) ? nowMs + graceMs : null };
        await this.#cache.set(this.#prefix + tag, Buffer.from(JSON.stringify(mark)), 2 * NEXT_TTL_MS);
      }),
    );
  }

  /** Of what was made at a time. */
  async judge(tags: readonly string[], madeMs: number): Promise<TagVerdict> {
    const nowMs = Date.now();
    const marks = await this.#marks(tags);
    const isExpired = ({ expired, stale, until }: TagMark): boolean =>
      expired >= madeMs || (until !== null && until <= nowMs && stale >= madeMs);
    if (marks.some(isExpired)) return 'expired';
    return marks.some(({ stale }) => stale >= madeMs) ? 'stale' : 'good';
  }

  async #marks(tags: readonly string[]): Promise<TagMark[]> {
    const found = await this.#cache.getMany(tags.map((tag) => this.#prefix + tag));
    return found.map((bytes) => (bytes === null ? NO_MARK : markOf(bytes)));
  }
}

/** Bytes of somebody else are no mark. */
function markOf(bytes: Uint8Array): TagMark {
  try {
    const { expired, stale, until } = JSON.parse(Buffer.from(bytes).toString()) as Partial<TagMark>;
    return {
      expired: Number(expired) || 0,
      stale: Number(stale) || 0,
      until: typeof until === 'number' ? until : null,
    };
  } catch {
    return NO_MARK;
  }
}
