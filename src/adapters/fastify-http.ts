import { isIP, type AddressInfo } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
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
}

/** A request's body. Nothing here takes one. */
const BODY_BYTES_MAX = 1024;
const HEADER_BYTES_MAX = 8192;
const REQUEST_MS_MAX = 10_000;
/** Whoever sends requests without taking the answers has no more than these wait for it; all further ones are refused. */
const REQUESTS_PER_CONNECTION_MAX = 100;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS_MAX = 256;

const JSON_TYPE = 'application/json; charset=utf-8';

/** A plain answer in JSON. */
export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

/**
 * A small HTTP server for operators: GET only, no CORS, and no answer to a page that a browser was tricked into taking for
 * ours (DNS rebinding): such a page's Host header is a domain name that we do not have.
 */
export class FastifyHttp {
  readonly #app: FastifyInstance;
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
    const requestMs = options.requestMsMax ?? REQUEST_MS_MAX;
    this.#app = fastify({
      bodyLimit: BODY_BYTES_MAX,
      requestTimeout: requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxRequestsPerSocket: REQUESTS_PER_CONNECTION_MAX,
      forceCloseConnections: true,
      http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: requestMs, connectionsCheckingInterval: requestMs / 2 },
    });
    this.#app.server.maxConnections = CONNECTIONS_MAX;
    this.#app.addHook('onRequest', async (request, reply) => {
      reply.headers({
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cache-control': 'no-store',
      });
      if (!isOwnHost(request.headers.host, options.host)) return send(reply, refusal(421, 'unknown Host'));
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        reply.header('allow', 'GET, HEAD');
        return send(reply, refusal(405, 'only GET and HEAD are answered here'));
      }
      const reason = options.refusal?.(request.url, request.socket.remoteAddress) ?? null;
      if (reason !== null) return send(reply, refusal(403, reason));
      return undefined;
    });
    for (const [path, answer] of Object.entries(options.routes)) {
      this.#app.get(path, async (_request, reply) => send(reply, await answer()));
    }
    this.#app.setNotFoundHandler((_request, reply) => {
      send(reply, refusal(404, `there are ${Object.keys(options.routes).join(', ')}`));
    });
    this.#app.setErrorHandler((error, _request, reply) => {
      const status = statusOf(error);
      send(reply, refusal(status, status < 500 ? 'bad request' : 'internal error'));
    });
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
