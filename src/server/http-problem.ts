import type { ApiAnswer } from '../adapters/fastify-api.ts';
import { CausewayError, type ErrorCode, toCausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';

/** What an error of ours is over HTTP; all others are 400. */
const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  WRONGTYPE: 409,
  NOAUTH: 401,
  WRONGPASS: 401,
  LOADING: 503,
  CLOCKSKEW: 503,
  OOM: 507,
  UNBLOCKED: 503,
  HOMEREGION: 421,
  NOQUORUM: 503,
  UNCERTAIN: 504,
  BEHIND: 503,
  CHANGED: 409,
  CROSSCLASS: 409,
  LIMIT: 503,
  STORE: 503,
  UNAVAILABLE: 503,
  REFUSED: 422,
  Internal: 500,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
};

/** An error as a problem (RFC 9457), with the stable code of the error where it has one. */
export function problem(
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  code?: string,
): ApiAnswer {
  const body = {
    type: code === undefined ? 'about:blank' : `urn:causeway:error:${code.toLowerCase()}`,
    title: TITLES[status] ?? 'Error',
    status,
    ...(code === undefined ? {} : { code }),
    detail,
  };
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}

/** The status of an error reply. */
export function statusOf({ code, message }: Pick<ReplyError, 'code' | 'message'>): number {
  const known = Object.hasOwn(STATUS_OF_CODE, code) ? STATUS_OF_CODE[code as ErrorCode] : undefined;
  if (known !== undefined) return known;
  if (message === 'no such key') return 404;
  if (message.includes('key-bytes-max')) return 414;
  return /\(limit |too long|too large/.test(message) ? 413 : 400;
}

/** An error reply, or what was thrown where there was none. */
export function problemOf(failed: unknown): ApiAnswer {
  const error = failed instanceof ReplyError ? failed : toCausewayError(failed);
  const status = statusOf(error);
  const message = error instanceof CausewayError && error.code === 'Internal' ? 'internal error' : error.message;
  return problem(status, message, status === 503 ? { 'retry-after': '1' } : {}, error.code);
}
