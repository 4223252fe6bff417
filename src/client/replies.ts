import { CausewayError, type ErrorCode } from '../errors.ts';
import { ReplyError, type ReplyValue } from '../wire/resp/reply-values.ts';
import { longestOf, type Argument } from './request-bytes.ts';

/** A map as it came: names and values by turns. */
export class ReplyMap {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** What a server sends without being asked. */
export class Push {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** A reply of RESP3: as values, and maps that are told from arrays. */
export type Reply = Exclude<ReplyValue, readonly ReplyValue[]> | ReplyMap | readonly Reply[];

/** Codes of servers that mean the same here. */
const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR',
  'WRONGTYPE',
  'NOAUTH',
  'NOPROTO',
  'WRONGPASS',
  'LOADING',
  'CLOCKSKEW',
  'OOM',
  'EXECABORT',
  'HOMEREGION',
  'NOQUORUM',
  'UNCERTAIN',
  'BEHIND',
  'CHANGED',
  'CROSSCLASS',
  'UNAVAILABLE',
  'REFUSED',
  'LIMIT',
  'CASCADE',
  'STORE',
  'HISTORY',
  'CONFIG',
]);

const RETRY_LATER: ReadonlySet<string> = new Set(['LOADING', 'CLOCKSKEW', 'NOQUORUM', 'BEHIND', 'HOMEREGION', 'LIMIT']);

/** The error that a reply is, for the caller: its code where it is one of ours, else `ERR`; the text as the server wrote it. */
export function errorOf({ code, message, text }: ReplyError): CausewayError {
  const retry = RETRY_LATER.has(code) ? 'later' : 'never';
  return CODES.has(code) ? new CausewayError(code as ErrorCode, message, { retry }) : new CausewayError('ERR', text);
}

/** Whether a server could not read a request. It has run nothing of it. */
export function isProtocolError({ message }: ReplyError): boolean {
  return message.startsWith('Protocol error');
}

/** What is said of an argument that the node does not take; null where it does. Such a request is not sent: the node would end the connection, and what else is on its way on it. */
export function tooLong(args: readonly Argument[], bulkBytesMax: number): CausewayError | null {
  const bytes = longestOf(args);
  if (bytes <= bulkBytesMax) return null;
  return new CausewayError(
    'LIMIT',
    `an argument of ${bytes} bytes is too long (limit proto-max-bulk-len ${bulkBytesMax})`,
  );
}

/** A server that answers with another type than the request has. */
function wrongReply(reply: unknown, expected: string): CausewayError {
  const got = reply === null ? 'null' : Array.isArray(reply) ? 'an array' : `a ${typeof reply}`;
  return new CausewayError('PROTOCOL', `the server replied ${got} where ${expected} was expected`);
}

/** As text, of a simple string or a bulk string. Throws PROTOCOL. */
export function textOf(reply: Reply | undefined): string {
  if (typeof reply === 'string') return reply;
  if (reply instanceof Uint8Array) return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength).toString();
  throw wrongReply(reply, 'a text');
}

/** A safe integer. Throws PROTOCOL. */
export function integerOf(reply: Reply | undefined): number {
  if (typeof reply === 'number') return reply;
  throw wrongReply(reply, 'an integer');
}

/** An integer as a number, of one that is not safe the nearest: what was added has been added, so it is no error. Throws PROTOCOL. */
export function numberOf(reply: Reply | undefined): number {
  return typeof reply === 'bigint' ? Number(reply) : integerOf(reply);
}

/** Bytes, or null. Throws PROTOCOL. */
export function bytesOf(reply: Reply | undefined): Uint8Array | null {
  if (reply === null || reply instanceof Uint8Array) return reply;
  if (typeof reply === 'string') return Buffer.from(reply);
  throw wrongReply(reply, 'a string');
}

/** An array or a set. Throws PROTOCOL. */
export function listOf(reply: Reply | undefined): readonly Reply[] {
  if (Array.isArray(reply)) return reply as readonly Reply[];
  throw wrongReply(reply, 'an array');
}

/** Names and values of a map, also of one that came as an array (RESP2 has no maps). Throws PROTOCOL. */
export function pairsOf(reply: Reply | undefined): readonly (readonly [string, Reply])[] {
  const items = reply instanceof ReplyMap ? reply.items : listOf(reply);
  if (items.length % 2 !== 0) throw wrongReply(reply, 'a map');
  const pairs: [string, Reply][] = [];
  for (let at = 0; at < items.length; at += 2) pairs.push([textOf(items[at]), items[at + 1] ?? null]);
  return pairs;
}

/** A reply in plain values: text for bytes, Map for maps, errors within as errors. */
export function plainOf(reply: Reply): unknown {
  if (reply instanceof Uint8Array) return textOf(reply);
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(plainOf);
  if (reply instanceof ReplyMap) {
    const pairs: [unknown, unknown][] = [];
    for (let at = 0; at < reply.items.length; at += 2)
      pairs.push([plainOf(reply.items[at] ?? null), plainOf(reply.items[at + 1] ?? null)]);
    return new Map(pairs);
  }
  return reply instanceof ReplyError ? errorOf(reply) : reply;
}
