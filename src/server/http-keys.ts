import type { ApiAnswer, ApiHandler, ApiRequest, ApiRoute } from '../adapters/fastify-api.ts';
import { ByteRange } from '../base/bytes.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { graceMsOf, type KeyClass } from '../classes/key-class.ts';
import { parseVersion } from '../clock/key-version.ts';
import { isFillStamp } from '../clock/stamp.ts';
import type { ReplyValue } from '../wire/resp/reply-values.ts';
import {
  cachingHeaders,
  contentTypeOf,
  entityTag,
  hasVersion,
  isPutQuery,
  oneOf,
  TTL_SHAPE,
  ttlOf,
  typeOf,
  unwantedVersionsOf,
  wantedVersionsOf,
  type Entry,
} from './http-fields.ts';
import type { HttpFigures } from './http-figures.ts';
import { problem } from './http-problem.ts';
import { tagHeaders, tagsIn } from './http-tags.ts';
import { onKey, type HttpVisit } from './http-visit.ts';
import type { LocalArgument, LocalSessionOptions } from './in-process-session.ts';
import type { LocalSession } from './local-session.ts';

/** What the API asks of its node. */
export interface HttpNode {
  openSession(options: LocalSessionOptions): LocalSession;
  readonly policy: ClassPolicy;
}

const KEYS_PATH = '/v1/keys/';

/** `GET`, `HEAD`, `PUT` and `DELETE` of one key, whose bytes are what comes behind the path, percent-encoded. */
export function keysRoute(node: HttpNode, figures: HttpFigures): ApiRoute {
  const handler = (work: Parameters<typeof onKey>[2]): ApiHandler =>
    onKey(KEYS_PATH, (options) => node.openSession(options), work);
  return {
    path: KEYS_PATH,
    methods: {
      GET: handler(async (visit, { headers }, key) => {
        const keyClass = classOf(node, key);
        const entry = entryOf(await visit.call('CW.HTTPGET', key));
        const session = await visit.headers(false, keyClass);
        const ifMatch = wantedVersionsOf(oneOf(headers['if-match']));
        if (ifMatch !== null && (entry === null || !hasVersion(ifMatch, entry.version))) return unmet(entry?.version);
        if (entry === null) {
          figures.reads.miss++;
          return problem(404, 'the key is not there', session);
        }
        const tags = keyClass.strong === undefined ? tagHeaders(await visit.call('CW.TAGS', key)) : {};
        const own = { ...cachingHeaders(entry, keyClass), ...tags, ...session };
        const ifNoneMatch = unwantedVersionsOf(oneOf(headers['if-none-match']));
        if (ifNoneMatch !== null && hasVersion(ifNoneMatch, entry.version)) {
          figures.reads['not-modified']++;
          return { status: 304, headers: own, body: null };
        }
        figures.reads[isStale(entry, keyClass) ? 'stale' : 'hit']++;
        return { status: 200, headers: { ...own, 'content-type': contentTypeOf(entry, keyClass) }, body: entry.value };
      }),
      PUT: handler(async (visit, { headers, url, body }, key) => {
        const type = typeOf(headers['content-type']);
        if (type === null) return problem(400, 'Content-Type is no media type');
        if (headers['content-range'] !== undefined) return problem(400, 'a part of a value is not to be set');
        // a name that nobody heeds would be a value without the expiry that was meant
        if (!isPutQuery(url)) return problem(400, 'the query of a PUT has ttl, once, and nothing else');
        const ttlMs = ttlOf(headers, url);
        if (ttlMs === undefined) return problem(400, `a time to live is ${TTL_SHAPE}`);
        const tags = tagsIn(headers);
        if (tags === null) return problem(400, 'Surrogate-Key or Cache-Tag has tags that cannot be, or too many');
        if (tags !== undefined && classOf(node, key).strong !== undefined)
          return problem(409, 'strong keys have no tags', {}, 'CROSSCLASS');
        const options: LocalArgument[] = type === '' ? [] : ['TYPE', type];
        if (ttlMs !== null) options.push('PX', ttlMs);
        const [isDone, version, isNew] = await written(visit, [
          'CW.HTTPPUT',
          key,
          body,
          ...options,
          ...conditionsOf(headers),
        ]);
        if (isDone === 0) return unmet(textOf(version));
        if (tags !== undefined) await visit.call('CW.UNTAG', key);
        if (tags !== undefined && tags.length > 0) await visit.call('CW.TAG', key, ...tags);
        const session = await visit.headers(true);
        return {
          status: isNew === 1 ? 201 : 204,
          headers: { etag: entityTag(textOf(version)), ...session },
          body: null,
        };
      }),
      DELETE: handler(async (visit, { headers }, key) => {
        const [isDone, found] = await written(visit, ['CW.HTTPDEL', key, ...conditionsOf(headers)]);
        if (isDone === 0) return unmet(textOf(found));
        const session = await visit.headers(true);
        return found === 1
          ? { status: 204, headers: session, body: null }
          : problem(404, 'the key is not there', session);
      }),
    },
  };
}

function classOf(node: HttpNode, key: Uint8Array): KeyClass {
  return node.policy.classOf(new ByteRange(key, 0, key.length));
}

function conditionsOf(headers: ApiRequest['headers']): LocalArgument[] {
  const ifMatch = wantedVersionsOf(oneOf(headers['if-match']));
  const ifNoneMatch = unwantedVersionsOf(oneOf(headers['if-none-match']));
  return [
    ...(ifMatch === null ? [] : ['IFMATCH', ifMatch]),
    ...(ifNoneMatch === null ? [] : ['IFNONEMATCH', ifNoneMatch]),
  ];
}

async function written(visit: HttpVisit, args: readonly LocalArgument[]): Promise<readonly ReplyValue[]> {
  return (await visit.call(...args)) as readonly ReplyValue[];
}

/** Whether what is shown was loaded and is past its freshness, in the grace of its class's source (SPEC F2). */
function isStale({ version, leftMs }: Entry, { source }: KeyClass): boolean {
  if (source === undefined || leftMs < 0 || leftMs > graceMsOf(source)) return false;
  const loaded = parseVersion(version);
  return loaded !== null && 'stamp' in loaded && isFillStamp(loaded.stamp);
}

/** A precondition does not hold of the version that is there. */
function unmet(version: string | undefined): ApiAnswer {
  const isThere = version !== undefined && version !== '0';
  const detail = isThere ? 'the key has another version' : 'the key is not there';
  return problem(412, detail, isThere ? { etag: entityTag(version) } : {});
}

/** A bulk string of the node's own, as text. */
export function textOf(value: ReplyValue | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : '';
}

/** What CW.HTTPGET replied; null for a key that is not there. */
export function entryOf(reply: ReplyValue): Entry | null {
  const [value, version, leftMs, type, ageMs] = reply as readonly ReplyValue[];
  if (!(value instanceof Uint8Array)) return null;
  return {
    value,
    version: textOf(version),
    leftMs: Number(leftMs),
    type: type instanceof Uint8Array ? textOf(type) : null,
    ageMs: typeof ageMs === 'number' ? ageMs : null,
  };
}
