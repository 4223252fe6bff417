import type { IncomingHttpHeaders } from 'node:http';
import type { ApiAnswer, ApiHandler, ApiRequest } from '../adapters/fastify-api.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';
import type { KeyClass } from '../classes/key-class.ts';
import { CausewayError } from '../errors.ts';
import { ReplyError, type ReplyValue } from '../wire/resp/reply-values.ts';
import { oneOf, percentDecoded, preferencesOf } from './http-fields.ts';
import { problem } from './http-problem.ts';
import type { LocalArgument, LocalSessionOptions } from './in-process-session.ts';
import type { LocalSession } from './local-session.ts';

/** How long a request waits for what its token names, where it does not say. */
const ATTACH_MS_DEFAULT = 1_000;
/** As of tokens themselves. */
const TOKEN_CHARS_MAX = 2_048;

/** An error reply of the node, thrown to whoever answers the request. */
export class RepliedError extends Error {
  readonly reply: ReplyError;

  constructor(reply: ReplyError) {
    super(reply.message);
    this.reply = reply;
  }
}

/** One HTTP request as a client of the node: it lasts as long as the request. */
export class HttpVisit {
  readonly #request: ApiRequest;
  readonly #session: LocalSession;
  readonly #token: string | undefined;
  readonly #level: string | null;

  private constructor(request: ApiRequest, session: LocalSession) {
    this.#request = request;
    this.#session = session;
    this.#token = oneOf(request.headers['causeway-session']);
    this.#level = preferencesOf(request.headers).level;
  }

  /** Runs `work` as a client that has seen what the request's token names, and reads at the level that it prefers. */
  static async run<T>(
    request: ApiRequest,
    open: (options: LocalSessionOptions) => LocalSession,
    work: (visit: HttpVisit) => Promise<T>,
  ): Promise<T> {
    const session = open({ address: request.address, libraryName: 'http' });
    try {
      const visit = new HttpVisit(request, session);
      await visit.#begin(request.headers);
      return await work(visit);
    } finally {
      session.close('answered');
    }
  }

  async #begin(headers: IncomingHttpHeaders): Promise<void> {
    const token = this.#token;
    // what was seen elsewhere is waited for by reads of every class
    const level = this.#level ?? (token === undefined ? null : 'session');
    if (level !== null) await this.call('CW.LEVEL', level);
    if (token === undefined || token === '') return;
    if (token.length > TOKEN_CHARS_MAX)
      throw new RepliedError(new ReplyError('ERR', `Causeway-Session is too long (limit ${TOKEN_CHARS_MAX})`));
    await this.call('CW.ATTACH', token, 'TIMEOUT', preferencesOf(headers).waitMs ?? ATTACH_MS_DEFAULT);
  }

  /** The value that is replied. Throws RepliedError for an error reply. */
  async call(...args: readonly LocalArgument[]): Promise<ReplyValue> {
    const value = await this.ask(args);
    if (value instanceof ReplyError) throw new RepliedError(value);
    return value;
  }

  /** As `call`, with an error reply as a value. */
  async ask(args: readonly LocalArgument[]): Promise<ReplyValue> {
    return await this.#session.call(args, { signal: this.#request.signal });
  }

  /** Headers that say what was preferred and done, and where the session goes on: after a write, and for whoever has a session. */
  async headers(hasWritten: boolean, keyClass?: KeyClass): Promise<Record<string, string>> {
    const headers: Record<string, string> = {};
    // of other keys nobody could say it
    const isApplied = this.#level !== 'strong' || keyClass?.strong !== undefined || keyClass?.source !== undefined;
    if (this.#level !== null && isApplied && !hasWritten) headers['preference-applied'] = `level=${this.#level}`;
    if (!hasWritten && this.#token === undefined) return headers;
    const token = await this.call('CW.TOKEN');
    if (!(token instanceof Uint8Array)) throw new CausewayError('Internal', 'a token is a bulk string');
    headers['causeway-session'] = Buffer.from(token).toString('latin1');
    return headers;
  }
}

/** Runs `work` as a client for the key that a URL has behind a path: all up to `?`, percent-decoded to bytes. */
export function onKey(
  path: string,
  open: (options: LocalSessionOptions) => LocalSession,
  work: (visit: HttpVisit, request: ApiRequest, key: Uint8Array) => Promise<ApiAnswer>,
): ApiHandler {
  return async (request) => {
    const key = percentDecoded(pathOf(request.url).slice(path.length));
    if (key === null) return problem(400, 'the key is not percent-encoded as it should be');
    if (key.length > KEY_BYTES_MAX)
      return problem(414, `the key is longer than ${KEY_BYTES_MAX} bytes (key-bytes-max)`);
    return await HttpVisit.run(request, open, async (visit) => work(visit, request, key));
  };
}

function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
