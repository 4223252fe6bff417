import type { IncomingHttpHeaders } from 'node:http';
import { KEY_TAGS_MAX, TAG_BYTES_MAX } from '../base/link-limits.ts';
import type { ReplyValue } from '../wire/resp/reply-values.ts';
import { oneOf, percentDecoded } from './http-fields.ts';

/** What gateways take of one header, about. */
const FIELD_CHARS_MAX = 8_192;

/**
 * The tags that a request gives its key, of `Surrogate-Key` (between spaces) and `Cache-Tag` (between commas), percent-encoded where they must be; undefined where it says
 * nothing of tags, null where what it says cannot be.
 */
export function tagsIn(headers: IncomingHttpHeaders): Uint8Array[] | null | undefined {
  const [spaced, listed] = [oneOf(headers['surrogate-key']), oneOf(headers['cache-tag'])];
  if (spaced === undefined && listed === undefined) return undefined;
  const texts = [...(spaced ?? '').split(/[ \t]+/), ...(listed ?? '').split(/[ \t]*,[ \t]*/)].filter(
    (text) => text !== '',
  );
  const tags: Uint8Array[] = [];
  for (const text of new Set(texts)) {
    const tag = percentDecoded(text);
    if (tag === null || tag.length > TAG_BYTES_MAX) return null;
    tags.push(tag);
  }
  return tags.length > KEY_TAGS_MAX ? null : tags;
}

/** What an answer says of its key's tags, as CW.TAGS replied them. More than a header holds is kept by no cache: nobody could purge it. */
export function tagHeaders(reply: ReplyValue): Record<string, string> {
  const tags = Array.isArray(reply) ? (reply as readonly ReplyValue[]) : [];
  if (tags.length === 0) return {};
  const texts = tags.map((tag) => (tag instanceof Uint8Array ? fieldText(tag) : ''));
  const spaced = texts.join(' ');
  return spaced.length > FIELD_CHARS_MAX
    ? { 'cache-control': 'no-store' }
    : { 'surrogate-key': spaced, 'cache-tag': texts.join(',') };
}

function fieldText(tag: Uint8Array): string {
  return Buffer.from(tag)
    .toString('latin1')
    .replace(/[^!#-$&-+\--~]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);
}
