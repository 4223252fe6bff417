import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { CausewayError, toCausewayError, type ErrorCode } from '../errors.ts';
import { formatAddress, type Address } from '../server/address.ts';
import { WAN_LIMITS } from './limits.ts';

/** One thing that can be asked for: JSON in (POST), JSON out. A thrown CausewayError becomes its code and message. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(body: unknown): unknown;
}

export interface AdminServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

export interface AdminServerOptions {
  readonly listen: Address;
  readonly routes: readonly AdminRoute[];
  /** Hosts that it is asked by besides those of the loopback, such as `wan` or `wan:6520` in containers. */
  readonly allowedHosts?: readonly string[];
}

const CONNECTIONS_MAX = 64;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = { CONFIG: 400, LIMIT: 409, PORTBUSY: 409 };

/** A refusal in HTTP's own words. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * A small JSON server for steering a local process. Pages in a browser on the same machine cannot use it: the Host must be ours
 * (against DNS rebinding), an Origin is refused, and a POST must be `application/json`, which no form can send.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const hosts = new Set(['127.0.0.1', 'localhost', '[::1]', ...(options.allowedHosts ?? [])]);
  const server = createServer((request, response) => {
    void answer(request, response, options.routes, hosts);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  const { host } = options.listen;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const where = formatAddress(options.listen);
      reject(new CausewayError('PORTBUSY', `cannot listen on ${where}: ${cause.message}`, { cause }));
    });
    server.listen(options.listen, resolve);
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : options.listen.port;
  return {
    url: `http://${formatAddress({ host, port })}`,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: readonly AdminRoute[],
  hosts: ReadonlySet<string>,
): Promise<void> {
  try {
    const route = routeOf(request, routes, hosts);
    const body = route.method === 'POST' ? await readJson(request) : undefined;
    send(response, 200, await route.handle(body));
  } catch (thrown) {
    if (thrown instanceof Refusal) send(response, thrown.status, { error: { code: 'ERR', message: thrown.message } });
    else {
      const error = toCausewayError(thrown);
      const body = { error: { code: error.code, message: error.message } };
      send(response, STATUS_BY_CODE[error.code] ?? 500, body);
    }
    // What is left of a refused request is not read.
    request.resume().on('error', () => undefined);
  }
}

function routeOf(request: IncomingMessage, routes: readonly AdminRoute[], hosts: ReadonlySet<string>): AdminRoute {
  // The port may be another here than where a container publishes it.
  const host = request.headers.host ?? '';
  if (!hosts.has(host) && !hosts.has(host.replace(/:\d+$/, ''))) throw new Refusal(403, 'this Host is not served');
  if (request.headers.origin !== undefined) throw new Refusal(403, 'not for browsers');
  const onPath = routes.filter((route) => route.path === request.url);
  if (onPath.length === 0) {
    throw new Refusal(
      404,
      `unknown path; there are ${routes.map((route) => `${route.method} ${route.path}`).join(', ')}`,
    );
  }
  const route = onPath.find((candidate) => candidate.method === request.method);
  if (route === undefined) throw new Refusal(405, `use ${onPath.map((candidate) => candidate.method).join(' or ')}`);
  return route;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim();
  if (type !== 'application/json') throw new Refusal(415, 'send application/json');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > WAN_LIMITS.adminBodyBytesMax) {
      throw new Refusal(413, `a body has at most ${WAN_LIMITS.adminBodyBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 413 ? { connection: 'close' } : {}),
  });
  response.end(text);
}
