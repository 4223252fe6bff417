import type { IncomingHttpHeaders } from 'node:http';
import { durationText, parseDuration } from '../classes/duration.ts';
import { CLASS_TTL_MS_MAX } from '../classes/limits.ts';
import type { KeyClass } from '../classes/key-class.ts';

/** The bytes that a percent-encoded text stands for; null where a percent sign does not begin two hex digits. */
export function percentDecoded(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'latin1');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] ?? 0;
    if (byte === PERCENT) {
      const digits = text.slice(at + 1, at + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) return null;
      byte = Number.parseInt(digits, 16);
      at += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

const PERCENT = 37;
const ENTITY_TAG = /^(?:W\/)?"([\x21\x23-\x7e]*)"$/;
const STRONG_ENTITY_TAG = /^"([\x21\x23-\x7e]*)"$/;

/** The versions that If-None-Match names, between spaces, or `*`; null where there is no such field. What is no entity tag of ours names no version, and is left out as one that is not there. */
export function unwantedVersionsOf(field: string | undefined): string | null {
  return versionsIn(field, ENTITY_TAG);
}

/** As `unwantedVersionsOf`, of If-Match: a weak tag, as of a gateway that packed the value, is of no version for sure (RFC 9110, 13.1.1). */
export function wantedVersionsOf(field: string | undefined): string | null {
  return versionsIn(field, STRONG_ENTITY_TAG);
}

function versionsIn(field: string | undefined, shape: RegExp): string | null {
  if (field === undefined) return null;
  if (field.trim() === '*') return '*';
  const tags = field.split(',').map((tag) => shape.exec(tag.trim())?.[1] ?? '');
  // one that nothing has: a list without a known tag still asks
  return tags.map((tag) => (/^[\w-]+$/.test(tag) && tag !== '0' ? tag : '-')).join(' ');
}

/** A version as an entity tag. */
export function entityTag(version: string): string {
  return `"${version}"`;
}

/** Whether a list of versions has one; `*` has every version. */
export function hasVersion(versions: string, version: string): boolean {
  return versions === '*' || versions.split(' ').includes(version);
}

/** What a request prefers (RFC 7240). */
export interface Preferences {
  readonly level: string | null;
  /** How long to wait for what the session has seen. */
  readonly waitMs: number | null;
}

const WAIT_SECONDS_MAX = 60;

export function preferencesOf(headers: IncomingHttpHeaders): Preferences {
  const field = headers['prefer'];
  const text = Array.isArray(field) ? field.join(',') : (field ?? '');
  const level = /(?:^|[,;\s])level="?(causal|session|strong)"?(?=$|[,;\s])/i.exec(text)?.[1]?.toLowerCase() ?? null;
  const wait = /(?:^|[,;\s])wait=(\d{1,6})(?=$|[,;\s])/i.exec(text)?.[1];
  return { level, waitMs: wait === undefined ? null : Math.min(Number(wait), WAIT_SECONDS_MAX) * 1000 };
}

/** What a time to live looks like, for messages. */
export const TTL_SHAPE: string = `a duration with its unit, such as 90s, 5m or 12h, of 1ms to ${durationText(CLASS_TTL_MS_MAX)}`;

/** A time to live, of `Causeway-TTL` or `?ttl=`: a duration with its unit. Undefined where it is none, null where nothing is said. */
export function ttlOf(headers: IncomingHttpHeaders, url: string): number | null | undefined {
  const text = oneOf(headers['causeway-ttl']) ?? new URLSearchParams(url.split('?')[1] ?? '').get('ttl');
  return text === null || text === undefined ? null : ttlMsOf(text.trim());
}

/** Whether a query says nothing that a PUT would not heed: `ttl` once, or nothing. */
export function isPutQuery(url: string): boolean {
  const names = [...new URLSearchParams(url.split('?')[1] ?? '').keys()];
  return names.length === 0 || (names.length === 1 && names[0] === 'ttl');
}

/** Milliseconds of a time to live; undefined where it is none. */
export function ttlMsOf(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms === null || ms < 1 || ms > CLASS_TTL_MS_MAX ? undefined : ms;
}

/** A header that comes once; of several nothing is taken. */
export function oneOf(field: string | string[] | undefined): string | undefined {
  return typeof field === 'string' ? field : undefined;
}

const MEDIA_TYPE = /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}(?:[ \t]*;[ \t]*[\x20\x21\x23-\x7e\x22]{1,150})?$/;
/** Of what came without a type. */
const UNKNOWN_TYPE = 'application/octet-stream';

/** The type of a body as it is kept, '' for none; null for what is no type. */
export function typeOf(field: string | undefined): string | null {
  if (field === undefined || field === UNKNOWN_TYPE) return '';
  return MEDIA_TYPE.test(field) ? field : null;
}

/** A value with what its headers are made of. */
export interface Entry {
  readonly value: Uint8Array;
  readonly version: string;
  /** Milliseconds, −1 for ever. */
  readonly leftMs: number;
  readonly type: string | null;
  /** Milliseconds since it was written, null where that is not known. */
  readonly ageMs: number | null;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

/**
 * What caches may do with a value (RFC 9111, 5861). With an expiry they may keep it as long as it lives; `Age` says how much of that is over, where it is known when
 * it was written. Without one, and of strong keys, they ask each time, unless the class says how long it is good for.
 */
export function cachingHeaders(entry: Entry, keyClass: KeyClass): Record<string, string> {
  const { http: rule, strong } = keyClass;
  const words: string[] = [];
  const say = (name: string, ms: number | null | undefined): void => {
    if (ms !== null && ms !== undefined) words.push(`${name}=${seconds(ms)}`);
  };
  let age: number | null = null;
  if (entry.leftMs >= 0 && strong === undefined) {
    age = entry.ageMs === null ? null : seconds(entry.ageMs);
    words.push(`max-age=${seconds(entry.leftMs) + (age ?? 0)}`);
  } else say('max-age', rule?.maxAgeMs);
  if (words.length === 0) words.push('no-cache');
  if (rule?.isPrivate === true) words.push('private');
  say('stale-while-revalidate', rule?.staleWhileRevalidateMs);
  say('stale-if-error', rule?.staleIfErrorMs);
  return {
    etag: entityTag(entry.version),
    'cache-control': words.join(', '),
    vary: 'Prefer, Causeway-Session',
    ...(age === null ? {} : { age: String(age) }),
  };
}

/** The type that a value is answered with. */
export function contentTypeOf({ type }: Entry, { http: rule }: KeyClass): string {
  return type ?? rule?.type ?? UNKNOWN_TYPE;
}
