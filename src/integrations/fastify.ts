import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { byteCacheOf, type CacheClient } from './byte-cache.ts';
import { isMatch, lifetimeMs, mayShare, storedHeaders, surrogateTags } from './response-rules.ts';
import type { LoadSettings, ResponseLoad } from './response-loads.ts';
import { ResponseStore, type StoredResponse } from './response-store.ts';
import { areTags } from './tagged-cache.ts';

export type { CacheClient } from './byte-cache.ts';

export interface CausewayFastifyOptions extends LoadSettings {
  readonly client: CacheClient;
  /** What keys begin with; `fastify:` unless said. */
  readonly prefix?: string;
  /** Bytes of a body that is stored at most; 5 MiB unless said. */
  readonly bodyBytesMax?: number;
  /** Told of errors of the client: such requests are answered by their route. */
  readonly errorCallback?: (error: Error) => void;
}

/** `config.cache` of a route: its answers are stored as their own headers say, or for `ttlMs` where those say nothing. */
export type RouteCache =
  | boolean
  | {
      readonly ttlMs?: number;
      /** More tags, beside those that an answer's `Surrogate-Key` and `Cache-Tag` name: `CW.INVALIDATE TAG` takes it away in all regions. */
      readonly tags?: readonly string[];
    };

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly storedAtMs: number;
  readonly freshUntilMs: number;
}

const PREFIX = 'fastify:';
const BODY_BYTES_MAX: number = 5 * 1024 * 1024;
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * A shared cache (RFC 9111) before the routes that ask for it by `config: { cache: true }`: `app.register(causewayFastify, { client })`. Answers are told apart by host, URL and
 * what they vary by; an unsafe method that succeeded makes its URL forgotten, in all regions. `Cache-Status` (RFC 9211) says what happened.
 */
export async function causewayFastify(app: FastifyInstance, options: CausewayFastifyOptions): Promise<void> {
  const responses = new ResponseStore<Head>(byteCacheOf(options.client), options.prefix ?? PREFIX, options);
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  const failed = (error: unknown): void => options.errorCallback?.(error as Error);
  const answered = new WeakSet<FastifyRequest>();
  /** What others wait for. */
  const loads = new WeakMap<FastifyRequest, ResponseLoad>();
  const isGood = ({ freshUntilMs }: Head): boolean => freshUntilMs > Date.now();
  const lookUp = async (request: FastifyRequest): Promise<StoredResponse<Head> | null> => {
    const url = urlOf(request);
    if (request.method === 'GET' && mayShare(request.headers)) {
      const { found, load } = await responses.getOrLoad('GET', url, request.headers, isGood);
      if (load !== null) loads.set(request, load);
      return found;
    }
    const found = await responses.get('GET', url, request.headers);
    return found !== null && isGood(found.head) ? found : null;
  };

  app.addHook('onRequest', async (request, reply) => {
    if (cacheOf(request) === null || !mayLookUp(request)) return undefined;
    const found = await lookUp(request).catch((error: unknown) => {
      failed(error);
      return null;
    });
    // also of a client that left, or a route that failed
    const load = loads.get(request);
    if (load !== undefined) reply.raw.once('close', () => load.giveUp());
    if (found === null) return undefined;
    answered.add(request);
    return replay(request, reply, found.head, found.body);
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const cache = cacheOf(request);
    if (cache === null || answered.has(request)) return payload;
    const body = bytesOf(payload);
    const headers = reply.getHeaders();
    const ttlMs = request.method === 'GET' ? lifetimeMs(request.headers, reply.statusCode, headers, cache.ttlMs) : 0;
    const tags = [...surrogateTags(headers), ...(cache.tags ?? [])];
    const isStored = body !== null && body.length <= bodyBytesMax && ttlMs > 0 && areTags(tags);
    reply.header('cache-status', isStored ? 'causeway; fwd=miss; stored' : 'causeway; fwd=miss');
    const load = loads.get(request) ?? null;
    if (!isStored) {
      load?.giveUp();
      return payload;
    }
    const now = Date.now();
    const head = {
      status: reply.statusCode,
      headers: storedHeaders(headers),
      storedAtMs: now - ageMs(headers['age']),
      freshUntilMs: now + ttlMs,
    };
    const vary = String(headers['vary'] ?? '')
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '');
    // the answer does not wait for it
    const storing = {
      method: 'GET',
      url: urlOf(request),
      headers: request.headers,
      vary,
      response: { head, body },
      tags,
      ttlMs,
    };
    void responses.put(storing, load).catch(failed);
    return payload;
  });

  app.addHook('onResponse', async (request, reply) => {
    if (SAFE_METHODS.has(request.method) || reply.statusCode >= 400) return;
    await responses.delete(urlOf(request)).catch(failed);
  });
}

// Its hooks are for the routes beside it, not for its own: what `fastify-plugin` says for those that use it.
Object.assign(causewayFastify, { [Symbol.for('skip-override')]: true });

function cacheOf(request: FastifyRequest): Exclude<RouteCache, boolean> | null {
  if (request.method !== 'GET' && request.method !== 'HEAD') return null;
  const { cache } = request.routeOptions.config as { readonly cache?: RouteCache };
  if (cache === undefined || cache === false) return null;
  return cache === true ? {} : cache;
}

/** What asks for no stored answer gets none. */
function mayLookUp({ headers }: FastifyRequest): boolean {
  return !/\b(no-store|no-cache|max-age=0)\b/i.test(`${headers['cache-control'] ?? ''} ${headers['pragma'] ?? ''}`);
}

function urlOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.originalUrl}`;
}

function ageMs(field: unknown): number {
  const seconds = Number(field ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function bytesOf(payload: unknown): Uint8Array | null {
  if (payload instanceof Uint8Array) return payload;
  if (payload === null || payload === undefined) return new Uint8Array(0);
  return typeof payload === 'string' ? Buffer.from(payload) : null;
}

function replay(request: FastifyRequest, reply: FastifyReply, head: Head, body: Uint8Array): FastifyReply {
  const age = Math.max(0, Math.floor((Date.now() - head.storedAtMs) / 1000));
  reply.headers({ ...head.headers, age: String(age), 'cache-status': 'causeway; hit' });
  if (head.status === 200 && isMatch(request.headers, head.headers)) return reply.code(304).send();
  return reply.code(head.status).send(Buffer.from(body.buffer, body.byteOffset, body.length));
}
