import type { ApiAnswer, ApiRoute } from '../adapters/fastify-api.ts';
import type { ReplyValue } from '../wire/resp/reply-values.ts';
import { textOf, type HttpNode } from './http-keys.ts';
import { problem } from './http-problem.ts';
import { onKey } from './http-visit.ts';
import type { LocalArgument } from './in-process-session.ts';
import { bytesInJson, jsonBytes, objectIn, own } from './json-bytes.ts';

const DECISION_SHAPE =
  'expected {"value":…}, {"value64":…}, {"pick":dot} or {"view":true}, and "if": a list of the dots that were seen';

/**
 * The concurrent writes of a string for a person to decide on (SPEC H9): `GET /v1/siblings/KEY` tells of all of them, `POST` ends them by one write that has
 * seen them, as CW.SIBLINGS and CW.RESOLVE do.
 */
export function siblingsRoute(node: HttpNode): ApiRoute {
  const path = '/v1/siblings/';
  const open: HttpNode['openSession'] = (options) => node.openSession(options);
  return {
    path,
    methods: {
      GET: onKey(path, open, async (visit, _request, key) => {
        const kept = fieldsOf(await visit.call('CW.SIBLINGS', key));
        const headers = await visit.headers(false);
        if (kept.get('view') === null) return problem(404, 'the key is not there', headers);
        return json(shownOf(kept), headers);
      }),
      POST: onKey(path, open, async (visit, { headers, body }, key) => {
        // a page of elsewhere cannot say this of its own accord
        if (!/^application\/json *(;|$)/i.test(headers['content-type'] ?? ''))
          return problem(415, 'a decision is application/json');
        const how = decisionOf(objectIn(body));
        if (how === null) return problem(400, DECISION_SHAPE);
        await visit.call('CW.RESOLVE', key, ...how);
        return { status: 204, headers: await visit.headers(true), body: null };
      }),
    },
  };
}

function json(value: unknown, headers: Readonly<Record<string, string>>): ApiAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

/** A map as a node replies it: names and values in turn. */
function fieldsOf(reply: ReplyValue): ReadonlyMap<string, ReplyValue> {
  const flat = reply as readonly ReplyValue[];
  const fields = new Map<string, ReplyValue>();
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(textOf(flat[at]), flat[at + 1] ?? null);
  return fields;
}

function shownOf(kept: ReadonlyMap<string, ReplyValue>): Readonly<Record<string, unknown>> {
  const siblings = (kept.get('siblings') ?? []) as readonly (readonly ReplyValue[])[];
  const error = kept.get('error') ?? null;
  return {
    rule: utf8Of(kept.get('rule')),
    ...jsonBytes('view', kept.get('view') as Uint8Array),
    siblings: siblings.map(([value, dot, stampMs, expiryMs]) => ({
      ...jsonBytes('value', value as Uint8Array),
      dot: textOf(dot),
      'written-ms': stampMs,
      ...(expiryMs === null ? {} : { 'expires-ms': expiryMs }),
    })),
    ...(error === null ? {} : { error: utf8Of(error) }),
  };
}

function utf8Of(value: ReplyValue | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : '';
}

/** What CW.RESOLVE is given for a decision; null for what is none. */
function decisionOf(decision: Readonly<Record<string, unknown>> | null): LocalArgument[] | null {
  if (decision === null) return null;
  const ways: LocalArgument[][] = [];
  if (own(decision, 'value') !== undefined || own(decision, 'value64') !== undefined) {
    const value = bytesInJson('value', decision);
    if (value === null) return null;
    ways.push(['VALUE', value]);
  }
  const [pick, view, seen] = [own(decision, 'pick'), own(decision, 'view'), own(decision, 'if')];
  if (typeof pick === 'string') ways.push(['PICK', pick]);
  if (view === true) ways.push(['VIEW']);
  const [way] = ways;
  if (way === undefined || ways.length > 1) return null;
  if (Object.keys(decision).some((name) => !NAMES.has(name))) return null;
  if (seen === undefined) return way;
  if (!Array.isArray(seen) || seen.length === 0 || !seen.every((dot) => typeof dot === 'string')) return null;
  return [...way, 'IF', ...seen];
}

const NAMES: ReadonlySet<string> = new Set(['value', 'value64', 'pick', 'view', 'if']);
