import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** What a request begins with. */
export interface ApiHead {
  readonly method: string;
  /** As it was sent, with its query and percent signs. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** `address:port` of who asks. */
  readonly address: string;
}

export interface ApiRequest extends ApiHead {
  readonly body: Uint8Array;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
}

/** A stream of answers: called when its head is sent. Bytes that the client has not taken are the stream's own to look at. */
export interface ApiStream {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly start: (sink: ApiSink) => void;
}

export interface ApiSink {
  write(text: string): void;
  /** Bytes that were written and not taken. */
  readonly waitingBytes: number;
  end(): void;
  /** Ends it without what was not taken. */
  cut(): void;
}

export type ApiHandler = (request: ApiRequest) => Promise<ApiAnswer | ApiStream>;

export interface ApiRoute {
  /** Ends with `/` where all paths below it are meant. */
  readonly path: string;
  /** By method; HEAD goes with GET. */
  readonly methods: Readonly<Partial<Record<'GET' | 'PUT' | 'POST' | 'DELETE', ApiHandler>>>;
}

export interface Api {
  /** All paths of the API begin with it. */
  readonly prefix: string;
  readonly routes: readonly ApiRoute[];
  /** Bytes of one body. */
  readonly bodyBytesMax: () => number;
  /** Whether a Host that is no name of ours is a way to reach us: whoever comes by it proves by a password that no page tricked a browser. */
  readonly anyHost: () => boolean;
  /** What is answered before a body is read: null to go on. */
  readonly refusal: (head: ApiHead) => ApiAnswer | null;
  /** How errors are told. */
  readonly problem: (status: number, detail: string, headers?: Readonly<Record<string, string>>) => ApiAnswer;
}

/** Bodies that come and answers that are not taken yet, of all connections together. */
const BYTES_UNDER_WAY_MAX: number = 256 * 1024 * 1024;
/** An answer that is longer than what lies in a socket anyway has so long to be taken, and as long again for each so many bytes. */
const WATCHED_BYTES: number = 64 * 1024;
const TAKEN_WITHIN_MS = 30_000;
const TAKEN_BYTES_PER_SECOND: number = 16 * 1024;

/** Where requests for a path of the API are sent to: keys are any bytes, which a router would decode as text. */
export function apiPath({ prefix, routes }: Api, url: string): string {
  if (!url.startsWith(prefix)) return url;
  const below = routes.find(({ path }) => path.endsWith('/') && url.startsWith(path));
  return below?.path ?? url;
}

/** Serves an API on a Fastify instance: bodies as bytes, answers as they are, and limits on what lies here for others. */
export class FastifyApi {
  readonly #api: Api;
  #bytesUnderWay = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  register(app: FastifyInstance): void {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) =>
      this.#read(request, payload),
    );
    for (const { path, methods } of this.#api.routes) this.#route(app, path, methods);
  }

  #route(app: FastifyInstance, url: string, methods: ApiRoute['methods']): void {
    const allow = ['OPTIONS', ...Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))];
    for (const [method, handler] of Object.entries(methods)) {
      app.route({ method, url, handler: async (request, reply) => this.#serve(handler, request, reply) });
    }
    const others = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'].filter((method) => !Object.hasOwn(methods, method));
    const headers = { allow: allow.join(', ') };
    app.route({
      method: 'OPTIONS',
      url,
      handler: async (_request, reply) => send(reply, { status: 204, headers, body: null }),
    });
    app.route({
      method: others,
      url,
      // a HEAD beside GET is made by Fastify; where there is no GET it is one of the others
      handler: async (request, reply) => {
        return send(reply, this.#api.problem(405, `${request.method} is not for this path`, headers));
      },
    });
  }

  async #serve(handler: ApiHandler, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const over = new AbortController();
    reply.raw.once('close', () => over.abort(new Error('the client is gone')));
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
    const answer = await handler({ ...headOf(request), body, signal: over.signal });
    if ('start' in answer) return stream(reply, answer);
    const length = answer.body?.length ?? 0;
    if (length > WATCHED_BYTES) {
      if (this.#bytesUnderWay + length > BYTES_UNDER_WAY_MAX) return send(reply, this.#tooMuch());
      this.#watch(reply.raw, length);
    }
    return send(reply, answer);
  }

  #tooMuch(): ApiAnswer {
    const text = `answers and bodies under way are over ${BYTES_UNDER_WAY_MAX} bytes`;
    return this.#api.problem(503, text, { 'retry-after': '1' });
  }

  /** Counts a long answer until it is taken, and ends who takes it too slowly. */
  #watch(raw: ServerResponse, length: number): void {
    this.#bytesUnderWay += length;
    const withinMs = TAKEN_WITHIN_MS + (length / TAKEN_BYTES_PER_SECOND) * 1000;
    const timer = setTimeout(() => raw.destroy(), withinMs);
    raw.once('close', () => {
      clearTimeout(timer);
      this.#bytesUnderWay -= length;
    });
  }

  async #read(request: FastifyRequest, payload: IncomingMessage): Promise<Uint8Array> {
    const bytesMax = this.#api.bodyBytesMax();
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of payload as AsyncIterable<Buffer>) {
        length += chunk.length;
        this.#bytesUnderWay += chunk.length;
        if (length > bytesMax) throw tooLarge(bytesMax);
        if (this.#bytesUnderWay > BYTES_UNDER_WAY_MAX) throw new BodyError(503, 'too many bodies are on their way');
        chunks.push(chunk);
      }
    } finally {
      this.#bytesUnderWay -= length;
    }
    return chunks.length === 1 ? (chunks[0] ?? new Uint8Array(0)) : Buffer.concat(chunks);
  }
}

/** Why a body is not taken. */
class BodyError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

function tooLarge(bytesMax: number): BodyError {
  return new BodyError(413, `a body is longer than ${bytesMax} bytes (proto-max-bulk-len)`);
}

export function headOf(request: FastifyRequest): ApiHead {
  const { method, originalUrl, headers, socket } = request;
  const host = socket.remoteAddress ?? '?';
  const address = `${host.includes(':') ? `[${host}]` : host}:${socket.remotePort ?? 0}`;
  return { method, url: originalUrl, headers, address };
}

/** Sends an answer as it is. */
export function send(reply: FastifyReply, { status, headers, body }: ApiAnswer): FastifyReply {
  reply.code(status).headers(headers);
  if (body === null) return reply.send();
  // as bytes, of whose type Fastify takes no view
  return reply.send(
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length),
  );
}

function stream(reply: FastifyReply, { status, headers, start }: ApiStream): FastifyReply {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers });
  raw.flushHeaders();
  start({
    write: (text) => void raw.write(text),
    get waitingBytes() {
      return raw.writableLength;
    },
    end: () => void raw.end(),
    cut: () => void raw.destroy(),
  });
  return reply;
}
