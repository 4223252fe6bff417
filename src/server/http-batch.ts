import type { ApiAnswer, ApiRoute } from '../adapters/fastify-api.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';
import { ReplyError, type ReplyValue } from '../wire/resp/reply-values.ts';
import { entityTag, TTL_SHAPE, ttlMsOf, typeOf, unwantedVersionsOf, wantedVersionsOf } from './http-fields.ts';
import { entryOf, textOf, type HttpNode } from './http-keys.ts';
import { problem, statusOf } from './http-problem.ts';
import { HttpVisit } from './http-visit.ts';
import { bytesInJson, isObject, jsonBytes, objectIn, own } from './json-bytes.ts';
import type { LocalArgument } from './in-process-session.ts';

const OPERATIONS_MAX = 1_000;
/** Values that one answer has. Past it the rest is answered 413 an operation, and is to be asked for again. */
const ANSWER_BYTES_MAX: number = 32 * 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;
type Result = Readonly<Record<string, unknown>> & { readonly status: number };

/** An operation as it is asked of the node, or what is wrong with it. */
type Asked = { readonly args: readonly LocalArgument[]; readonly answer: (reply: ReplyValue) => Result } | Result;

/**
 * `POST /v1/batch` with `{"operations":[{"op":"get"|"set"|"del","key":…}, …]}`: one after the other, each with an answer of its own. They are one client's, and no
 * transaction.
 */
export function batchRoute(node: HttpNode): ApiRoute {
  return {
    path: '/v1/batch',
    methods: {
      POST: async (request): Promise<ApiAnswer> => {
        // a page of elsewhere cannot say this of its own accord
        if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? ''))
          return problem(415, 'a batch is application/json');
        const operations = operationsOf(request.body);
        if (operations === null) return problem(400, 'expected {"operations":[…]}');
        if (operations.length > OPERATIONS_MAX) return problem(413, `expected at most ${OPERATIONS_MAX} operations`);
        const open: HttpNode['openSession'] = (options) => node.openSession(options);
        return await HttpVisit.run(request, open, async (visit) => {
          const asked = operations.map(askedOf);
          const results = await resultsOf(visit, asked);
          const hasWritten = operations.some((operation) => own(operation, 'op') !== 'get');
          const headers = { 'content-type': 'application/json', ...(await visit.headers(hasWritten)) };
          return { status: 200, headers, body: `${JSON.stringify({ results })}\n` };
        });
      },
    },
  };
}

async function resultsOf(visit: HttpVisit, asked: readonly Asked[]): Promise<Result[]> {
  const results: Result[] = [];
  let bytes = 0;
  for (const each of asked) {
    if ('status' in each) results.push(each);
    else if (bytes > ANSWER_BYTES_MAX && each.args[0] === 'CW.HTTPGET')
      results.push(failed(413, 'LIMIT', `the answer has ${ANSWER_BYTES_MAX} bytes already`));
    else {
      const reply = await visit.ask(each.args);
      if (Array.isArray(reply) && reply[0] instanceof Uint8Array) bytes += reply[0].length;
      results.push(
        reply instanceof ReplyError ? failed(statusOf(reply), reply.code, reply.message) : each.answer(reply),
      );
    }
  }
  return results;
}

function operationsOf(body: Uint8Array): Fields[] | null {
  const operations = own(objectIn(body) ?? {}, 'operations');
  return Array.isArray(operations) && operations.every(isObject) ? operations : null;
}

function failed(status: number, code: string, detail: string): Result {
  return { status, code, detail };
}

const wrong = (detail: string): Result => failed(400, 'ERR', detail);

function askedOf(operation: Fields): Asked {
  const key = bytesInJson('key', operation);
  if (key === null || key.length > KEY_BYTES_MAX)
    return wrong(`expected key or key64, of ${KEY_BYTES_MAX} bytes at most`);
  const conditions = conditionsOf(operation);
  if (conditions === null) return wrong('if-match and if-none-match are texts of entity tags');
  switch (own(operation, 'op')) {
    case 'get':
      return { args: ['CW.HTTPGET', key], answer: gotten };
    case 'set':
      return setOf(operation, key, conditions);
    case 'del':
      return { args: ['CW.HTTPDEL', key, ...conditions], answer: deleted };
    default:
      return wrong('expected op: get, set or del');
  }
}

function conditionsOf(operation: Fields): LocalArgument[] | null {
  const args: LocalArgument[] = [];
  for (const [name, word, versionsOf] of [
    ['if-match', 'IFMATCH', wantedVersionsOf],
    ['if-none-match', 'IFNONEMATCH', unwantedVersionsOf],
  ] as const) {
    const field = own(operation, name);
    if (field === undefined) continue;
    const versions = typeof field === 'string' ? versionsOf(field) : null;
    if (versions === null) return null;
    args.push(word, versions);
  }
  return args;
}

function setOf(operation: Fields, key: Uint8Array, conditions: readonly LocalArgument[]): Asked {
  const value = bytesInJson('value', operation);
  if (value === null) return wrong('expected value or value64');
  const [type, ttl] = [own(operation, 'type'), own(operation, 'ttl')];
  const kept = type === undefined ? '' : typeof type === 'string' ? typeOf(type) : null;
  if (kept === null) return wrong('type is no media type');
  const ttlMs = ttl === undefined ? null : typeof ttl === 'string' ? ttlMsOf(ttl) : undefined;
  if (ttlMs === undefined) return wrong(`ttl is ${TTL_SHAPE}`);
  const options: LocalArgument[] = kept === '' ? [] : ['TYPE', kept];
  if (ttlMs !== null) options.push('PX', ttlMs);
  return { args: ['CW.HTTPPUT', key, value, ...options, ...conditions], answer: put };
}

function gotten(reply: ReplyValue): Result {
  const entry = entryOf(reply);
  if (entry === null) return { status: 404 };
  const { value, version, type, leftMs } = entry;
  return {
    status: 200,
    etag: entityTag(version),
    ...(type === null ? {} : { type }),
    ...(leftMs < 0 ? {} : { 'ttl-ms': leftMs }),
    ...jsonBytes('value', value),
  };
}

function put(reply: ReplyValue): Result {
  const [isDone, version, isNew] = reply as readonly ReplyValue[];
  if (isDone === 0) return unmet(textOf(version));
  return { status: isNew === 1 ? 201 : 204, etag: entityTag(textOf(version)) };
}

function deleted(reply: ReplyValue): Result {
  const [isDone, found] = reply as readonly ReplyValue[];
  return isDone === 0 ? unmet(textOf(found)) : { status: found === 1 ? 204 : 404 };
}

function unmet(version: string): Result {
  return version === '0' ? { status: 412 } : { status: 412, etag: entityTag(version) };
}
