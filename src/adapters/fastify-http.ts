import type { IncomingMessage } from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { apiPath, FastifyApi, headOf, send as sendApi, type Api } from './fastify-api.ts';
import { listenError } from './listen.ts';

/** An answer of a route. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface HttpOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** What is answered to GET (and HEAD), by path. */
  readonly routes: Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>;
  /** How long a client may take to send a request; ten seconds unless said. */
  readonly requestMsMax?: number;
  /** Why a client of this address may not ask for a path, null when it may. */
  readonly refusal?: (path: string, remoteAddress: string | undefined) => string | null;
  /** What else is served, to programs. */
  readonly api?: Api;
}

/** A body of what takes none. */
const BODY_BYTES_MAX = 1024;
/** Of a line with a key, whose bytes may take three each, and a session token. */
const HEADER_BYTES_MAX = 16_384;
const REQUEST_MS_MAX = 10_000;
/** Where there are bodies. */
const API_REQUEST_MS_MAX = 30_000;
/** Whoever sends requests without taking the answers has no more than these wait for it; all further ones are refused. */
const REQUESTS_PER_CONNECTION_MAX = 100;
/** A gateway keeps its connections. Of those under way at a time there are no more than the above. */
const API_REQUESTS_PER_CONNECTION_MAX = 10_000;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS_MAX = 256;
/** Clients of the API are many, and each of its streams is one. */
const API_CONNECTIONS_MAX = 4_096;

const UNKNOWN_HOST = 'unknown Host';
const JSON_TYPE = 'application/json; charset=utf-8';

/** A plain answer in JSON. */
export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

/**
 * A small HTTP server for operators, GET only, and for programs where there is an API: no CORS, and no answer to a page that a browser
 * was tricked into taking for ours (DNS rebinding): such a page's Host header is a domain name that we do not have.
 */
export class FastifyHttp {
  readonly #app: FastifyInstance;
  readonly #options: HttpOptions;
  readonly #underWay: WeakMap<Socket, number> = new WeakMap();

  constructor(options: HttpOptions) {
    this.#options = options;
    const { api } = options;
    const headersMs = options.requestMsMax ?? REQUEST_MS_MAX;
    const requestMs = api === undefined ? headersMs : Math.max(headersMs, API_REQUEST_MS_MAX);
    this.#app = fastify({
      bodyLimit: BODY_BYTES_MAX,
      requestTimeout: requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxRequestsPerSocket: api === undefined ? REQUESTS_PER_CONNECTION_MAX : API_REQUESTS_PER_CONNECTION_MAX,
      forceCloseConnections: true,
      http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: headersMs, connectionsCheckingInterval: headersMs / 2 },
      rewriteUrl: ({ url = '/' }: IncomingMessage) => (api === undefined ? url : apiPath(api, url)),
    });
    this.#app.server.maxConnections = api === undefined ? CONNECTIONS_MAX : API_CONNECTIONS_MAX;
    this.#app.addHook('onRequest', async (request, reply) => {
      reply.headers({
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cache-control': 'no-store',
      });
      if (api !== undefined) {
        if (this.#isTooMuch(request.socket, reply)) return reply.hijack();
        if (isOfApi(api, request)) return this.#enterApi(api, request, reply);
      }
      if (!isOwnHost(request.headers.host, options.host)) return send(reply, refusal(421, UNKNOWN_HOST));
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        reply.header('allow', 'GET, HEAD');
        return send(reply, refusal(405, 'only GET and HEAD are answered here'));
      }
      const reason = options.refusal?.(request.url, request.socket.remoteAddress) ?? null;
      if (reason !== null) return send(reply, refusal(403, reason));
      return undefined;
    });
    if (api !== undefined) new FastifyApi(api).register(this.#app);
    for (const [path, answer] of Object.entries(options.routes)) {
      this.#app.get(path, async (_request, reply) => send(reply, await answer()));
    }
    this.#app.setNotFoundHandler((request, reply) => {
      if (api !== undefined && isOfApi(api, request)) sendApi(reply, api.problem(404, 'there is no such path'));
      else send(reply, refusal(404, `there are ${Object.keys(options.routes).join(', ')}`));
    });
    this.#app.setErrorHandler((error, request, reply) => {
      const status = statusOf(error);
      if (api !== undefined && isOfApi(api, request)) sendApi(reply, api.problem(status, detailOf(error, status)));
      else send(reply, refusal(status, status < 500 ? 'bad request' : 'internal error'));
    });
  }

  /** Who may ask, of what is for programs. */
  #enterApi(api: Api, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const { host, refusal: refusalOf } = this.#options;
    const head = headOf(request);
    if (!api.anyHost() && !isOwnHost(head.headers.host, host)) return sendApi(reply, api.problem(421, UNKNOWN_HOST));
    const reason = refusalOf?.(head.url, request.socket.remoteAddress) ?? null;
    if (reason !== null) return sendApi(reply, api.problem(403, reason));
    const refused = api.refusal(head);
    return refused === null ? undefined : sendApi(reply, refused);
  }

  /** Counts what a connection asks before it is answered, and ends it where that is too much: it takes no answers. */
  #isTooMuch(socket: Socket, reply: FastifyReply): boolean {
    const underWay = (this.#underWay.get(socket) ?? 0) + 1;
    this.#underWay.set(socket, underWay);
    reply.raw.once('close', () => this.#underWay.set(socket, (this.#underWay.get(socket) ?? 1) - 1));
    if (underWay <= REQUESTS_PER_CONNECTION_MAX) return false;
    socket.destroy();
    return true;
  }

  /** Returns the real port. Throws PORTBUSY or CONFIG. */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port, 'HTTP');
    }
    return (this.#app.server.address() as AddressInfo).port;
  }

  /** Answers nobody any more; open connections are cut. */
  async close(): Promise<void> {
    await this.#app.close();
  }
}

interface Answering {
  code(status: number): Answering;
  type(contentType: string): Answering;
  send(body: string): Answering;
}

function send<T extends Answering>(reply: T, answer: HttpAnswer): T {
  reply.code(answer.status).type(answer.contentType).send(answer.body);
  return reply;
}

function refusal(status: number, error: string): HttpAnswer {
  return jsonAnswer(status, { error });
}

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return 500;
  return typeof error.statusCode === 'number' ? error.statusCode : 500;
}

/** What the client may be told of an error. */
function detailOf(error: unknown, status: number): string {
  if (status >= 500 && status !== 503) return 'internal error';
  return status === 413 || status === 503 ? (error as Error).message : 'bad request';
}

function isOfApi(api: Api, { originalUrl }: FastifyRequest): boolean {
  return originalUrl.startsWith(api.prefix);
}

/**
 * Whether a Host header can be meant for us: an address, a name without dots (localhost, the name of a container or
 * service), or the configured host. No public domain name is any of these. Old clients and probes that send none are no
 * browsers.
 */
function isOwnHost(header: string | undefined, configured: string): boolean {
  if (header === undefined || header === '') return true;
  const name = header
    .replace(/:\d{1,5}$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return isIP(name) !== 0 || /^[a-z0-9_-]+$/.test(name) || name === configured.toLowerCase();
}
