import type { IncomingHttpHeaders } from 'node:http';

/** Headers of an answer in the making. */
type AnswerHeaders = Readonly<Record<string, string | number | string[] | undefined>>;

/** Final answers that a cache understands whole. */
const STORED_STATUS: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
/** Of one connection, or of one client. */
const NOT_STORED: ReadonlySet<string> = new Set([
  'age',
  'cache-status',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Directives by their names in lower case; of one that comes twice the first (RFC 9111, 4.2.1). */
function directivesOf(field: string): ReadonlyMap<string, string> {
  const directives = new Map<string, string>();
  for (const [, name = '', quoted, plain] of field.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,"]*)))?/g)) {
    const key = name.toLowerCase();
    if (!directives.has(key)) directives.set(key, quoted ?? plain ?? '');
  }
  return directives;
}

/** Whether a request's answer is likely to be for others too, so that they may wait for it. */
export function mayShare(request: Readonly<Record<string, string | string[] | undefined>>): boolean {
  if (request['authorization'] !== undefined || request['range'] !== undefined) return false;
  const directives = directivesOf(String(request['cache-control'] ?? ''));
  return !['no-store', 'no-cache', 'only-if-cached'].some((name) => directives.has(name));
}

/**
 * How long a shared cache may serve an answer without asking, 0 for one that it may not store (RFC 9111, 3 and 4.2.1). `ttlMs` is for those that say nothing of it.
 */
export function lifetimeMs(
  request: IncomingHttpHeaders,
  status: number,
  response: AnswerHeaders,
  ttlMs: number | undefined,
): number {
  const directives = directivesOf(String(response['cache-control'] ?? ''));
  if (!STORED_STATUS.has(status) || directivesOf(request['cache-control'] ?? '').has('no-store')) return 0;
  if (directives.has('no-store') || directives.has('private') || directives.has('no-cache')) return 0;
  if (response['set-cookie'] !== undefined || request.range !== undefined) return 0;
  if (String(response['vary'] ?? '').includes('*')) return 0;
  const isForAll = ['public', 's-maxage', 'must-revalidate'].some((name) => directives.has(name));
  if (request.authorization !== undefined && !isForAll) return 0;
  const ageMs = Math.max(0, Number(response['age'] ?? 0) * 1000 || 0);
  for (const name of ['s-maxage', 'max-age']) {
    const seconds = directives.get(name);
    // what cannot be read is stale (4.2.1)
    if (seconds !== undefined) return /^\d{1,10}$/.test(seconds) ? Math.max(0, Number(seconds) * 1000 - ageMs) : 0;
  }
  if (response['expires'] !== undefined) {
    const from = Date.parse(String(response['date'] ?? new Date().toUTCString()));
    return Math.max(0, Date.parse(String(response['expires'])) - from - ageMs) || 0;
  }
  return ttlMs ?? 0;
}

/** The tags of an answer: `Surrogate-Key` between spaces and `Cache-Tag` between commas, percent-encoded where they must be. */
export function surrogateTags(headers: AnswerHeaders): string[] {
  const texts = [
    ...fieldOf(headers['surrogate-key']).split(/[ \t]+/),
    ...fieldOf(headers['cache-tag']).split(/[ \t]*,[ \t]*/),
  ];
  return [...new Set(texts.filter((text) => text !== '').map(percentDecoded))];
}

function fieldOf(value: string | number | readonly string[] | undefined): string {
  return typeof value === 'object' ? value.join(',') : String(value ?? '');
}

/** As it is, where it is not percent-encoded text. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The headers that are stored with an answer. */
export function storedHeaders(headers: AnswerHeaders): Record<string, string | string[]> {
  const named = String(headers['connection'] ?? '')
    .toLowerCase()
    .split(/\s*,\s*/);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NOT_STORED.has(name) || named.includes(name)) continue;
    kept[name] = Array.isArray(value) ? value : String(value);
  }
  return kept;
}

/** Whether the asker has the stored answer already: If-None-Match, weakly compared. */
export function isMatch(request: IncomingHttpHeaders, stored: Readonly<Record<string, string | string[]>>): boolean {
  const field = request['if-none-match'];
  const etag = stored['etag'];
  if (field === undefined || typeof etag !== 'string') return false;
  const strong = etag.replace(/^W\//, '');
  return field.trim() === '*' || field.split(',').some((tag) => tag.trim().replace(/^W\//, '') === strong);
}
