import type { Api, ApiAnswer, ApiHandler, ApiHead, ApiRoute } from '../adapters/fastify-api.ts';
import { ByteRange } from '../base/bytes.ts';
import { DEFAULT_USER } from '../commands/authentication.ts';
import type { ServerState } from '../commands/server-state.ts';
import { batchRoute } from './http-batch.ts';
import { changesRoute, type ChangesLimits } from './http-changes.ts';
import type { HttpFigures } from './http-figures.ts';
import { keysRoute, type HttpNode } from './http-keys.ts';
import { problem, problemOf } from './http-problem.ts';
import { siblingsRoute } from './http-siblings.ts';
import { RepliedError } from './http-visit.ts';

const CHALLENGE = { 'www-authenticate': 'Bearer realm="causeway", Basic realm="causeway", charset="UTF-8"' };
/** A user, a colon and the longest password, in base64. */
const CREDENTIALS_CHARS_MAX = 1_024;

/** The HTTP API for programs, gateways and caches (SPEC, "HTTP"). */
export function createApi(node: HttpNode, state: ServerState, figures: HttpFigures, limits: ChangesLimits = {}): Api {
  const routes = [keysRoute(node, figures), batchRoute(node), siblingsRoute(node), changesRoute(node, state, limits)];
  return {
    prefix: '/v1/',
    routes: routes.map((route) => answering(route, figures)),
    bodyBytesMax: () => state.settings.bulkBytesMax,
    anyHost: () => state.authentication.isRequired,
    refusal: (head) => {
      const refusal = crossSite(head) ?? unauthorized(state, head);
      if (refusal !== null) figures.answered(routeOf(routes, head.url), head.method, refusal.status);
      return refusal;
    },
    problem,
  };
}

/** Counts what is answered; whatever a handler throws is a problem that it answers. */
function answering(route: ApiRoute, figures: HttpFigures): ApiRoute {
  const answeringErrors = (handler: ApiHandler): ApiHandler => {
    return async (request) => {
      const answer = await handler(request).catch((thrown: unknown) =>
        problemOf(thrown instanceof RepliedError ? thrown.reply : thrown),
      );
      figures.answered(route.path, request.method, answer.status);
      return answer;
    };
  };
  return {
    ...route,
    methods: Object.fromEntries(
      Object.entries(route.methods).map(([method, handler]) => [method, answeringErrors(handler)]),
    ),
  };
}

/** The path of a route, `other` for none. */
function routeOf(routes: readonly ApiRoute[], url: string): string {
  return routes.find(({ path }) => url.startsWith(path))?.path ?? 'other';
}

/** A page of elsewhere that has a browser of ours ask. */
function crossSite({ headers }: ApiHead): ApiAnswer | null {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return null;
  return problem(403, 'a page of another origin may not ask');
}

function unauthorized(state: ServerState, { headers, address }: ApiHead): ApiAnswer | null {
  const { authentication, time } = state;
  if (!authentication.isRequired) return null;
  const given = credentialsOf(headers.authorization);
  if (given !== null) {
    const visitor = { connection: { address }, authenticated: false, unauthenticatedSinceMs: 0 };
    const password = new ByteRange(given.password, 0, given.password.length);
    if (authentication.admit(visitor, given.user, password, time.monotonicMs())) return null;
    state.stats.countError('WRONGPASS');
  }
  return problem(401, 'a password is required: Authorization with Bearer or Basic', CHALLENGE, 'NOAUTH');
}

/** `Bearer password`, or `Basic` with the user `default`, or none, and the password. Null for anything else. */
function credentialsOf(field: string | undefined): { readonly user: string; readonly password: Uint8Array } | null {
  if (field === undefined || field.length > CREDENTIALS_CHARS_MAX) return null;
  const [, scheme = '', rest = ''] = /^(bearer|basic) +(\S+) *$/i.exec(field) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { user: DEFAULT_USER, password: Buffer.from(rest, 'latin1') };
  if (scheme === '') return null;
  const bytes = Buffer.from(rest, 'base64');
  const colon = bytes.indexOf(':');
  if (colon < 0) return null;
  return { user: bytes.toString('latin1', 0, colon) || DEFAULT_USER, password: bytes.subarray(colon + 1) };
}
