import {
  Agent,
  request as plainRequest,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';

/** A connection that nobody used for so long is closed; sooner where the server says that it will close it. */
const IDLE_MS = 4_000;

/** How what is compressed is read. */
const DECODERS: ReadonlyMap<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = new Map(
  Object.entries({ gzip: promisify(gunzip), 'x-gzip': promisify(gunzip), br: promisify(brotliDecompress) }),
);
const ACCEPTED = 'gzip, br';
const EMPTY: Buffer = Buffer.alloc(0);

/** What is asked of a source's server. */
export interface SourceRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

export interface SourceResponse {
  readonly status: number;
  /** Empty but for what was got with 200. */
  readonly body: Buffer;
}

/**
 * Requests to one HTTP server, over connections that are kept. Of Node's own `http`, not `fetch`: a load by itself takes half the processor time, because no web streams,
 * abort signals and events are made for it. Redirects are answers like any other.
 */
export class SourceServer {
  readonly #send: typeof plainRequest;
  readonly #agent: Agent;
  readonly #to: RequestOptions;
  readonly #timeoutMs: number;
  readonly #bytesMax: number;

  /** An answer has to be there as a whole within the time; and may have so many bytes. */
  constructor(address: URL, timeoutMs: number, bytesMax: number) {
    const isTls = address.protocol === 'https:';
    // an agent of one's own does not do by itself what fetch and the agent of all do where Node is told so
    const proxy = process.env['NODE_USE_ENV_PROXY'] === '1' ? { proxyEnv: process.env } : {};
    const options = { keepAlive: true, timeout: IDLE_MS, ...proxy };
    this.#send = isTls ? tlsRequest : plainRequest;
    this.#agent = isTls ? new TlsAgent(options) : new Agent(options);
    const { hostname, port, auth } = urlToHttpOptions(address);
    this.#to = { hostname, port, auth, agent: this.#agent };
    this.#timeoutMs = timeoutMs;
    this.#bytesMax = bytesMax;
  }

  /** Rejects where there is no whole answer, with a reason for people. */
  async ask(asked: SourceRequest): Promise<SourceResponse> {
    const untilMs = performance.now() + this.#timeoutMs;
    const once = new Exchange(this.#begin(asked), this.#timeoutMs, this.#bytesMax);
    const first = await once.ended;
    if (first !== 'lost') return first;
    const again = new Exchange(this.#begin(asked), untilMs - performance.now(), this.#bytesMax);
    const second = await again.ended;
    if (second === 'lost') throw new Error('it closes its connections');
    return second;
  }

  #begin({ method, path, headers, body }: SourceRequest): ClientRequest {
    const length = body === null ? {} : { 'content-length': String(body.length) };
    const request = this.#send({
      ...this.#to,
      method,
      path,
      headers: { accept: '*/*', 'accept-encoding': ACCEPTED, ...headers, ...length },
    });
    request.end(body ?? undefined);
    return request;
  }

  /** What is under way fails. */
  close(): void {
    this.#agent.destroy();
  }
}

/** One request until its answer is there. */
class Exchange {
  /**
   * `lost` where a connection that had been kept was closed before the answer began: the server had closed it when the request was on its way. Each method here may be asked
   * twice.
   */
  readonly ended: Promise<SourceResponse | 'lost'>;
  readonly #request: ClientRequest;
  readonly #bytesMax: number;
  readonly #timer: NodeJS.Timeout;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #resolve: (end: SourceResponse | 'lost' | Promise<SourceResponse>) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(request: ClientRequest, timeoutMs: number, bytesMax: number) {
    this.#request = request;
    this.#bytesMax = bytesMax;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.#fail('it did not answer in time'), timeoutMs);
    request.on('response', (response) => this.#begun(response));
    request.on('error', (error) => this.#broken(error));
  }

  #broken(error: NodeJS.ErrnoException): void {
    clearTimeout(this.#timer);
    if (this.#request.reusedSocket && error.code === 'ECONNRESET') this.#resolve('lost');
    else this.#fail(`it cannot be asked: ${error.message}`);
  }

  #begun(response: IncomingMessage): void {
    const { statusCode: status = 0, headers } = response;
    const hasValue = this.#request.method === 'GET' && status === 200;
    // what else it says is only taken off the connection, in the time and length of a value
    if (!hasValue) this.#resolve({ status, body: EMPTY });
    response.on('error', (error) => this.#fail(`its answer breaks off: ${error.message}`));
    response.on('data', (part: Buffer) => {
      this.#bytes += part.length;
      if (this.#bytes > this.#bytesMax) this.#fail(tooLong(this.#bytesMax));
      else if (hasValue) this.#parts.push(part);
    });
    response.on('end', () => {
      clearTimeout(this.#timer);
      if (hasValue) this.#whole(status, headers['content-encoding']?.toLowerCase() ?? 'identity');
    });
  }

  #whole(status: number, encoding: string): void {
    const [only] = this.#parts;
    const body = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#bytes);
    if (encoding === 'identity') this.#resolve({ status, body });
    else this.#resolve(decoded(status, body, encoding, this.#bytesMax));
  }

  /** Only the first counts. */
  #fail(reason: string): void {
    clearTimeout(this.#timer);
    this.#reject(new Error(reason));
    this.#request.destroy();
  }
}

async function decoded(status: number, body: Buffer, encoding: string, bytesMax: number): Promise<SourceResponse> {
  const decode = DECODERS.get(encoding);
  if (decode === undefined) throw new Error(`its answer is encoded as ${encoding}`);
  try {
    return { status, body: await decode(body, { maxOutputLength: bytesMax }) };
  } catch (error) {
    const isTooLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new Error(isTooLong ? tooLong(bytesMax) : `its answer is no ${encoding}`, { cause: error });
  }
}

const tooLong = (bytesMax: number): string => `its answer is longer than ${bytesMax} bytes`;
