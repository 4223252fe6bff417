import type { ApiAnswer, ApiRequest, ApiRoute, ApiSink, ApiStream } from '../adapters/fastify-api.ts';
import type { FeedEvent, FeedSubscription } from '../commands/change-feed.ts';
import { checkPrefixes } from '../commands/client-tracking.ts';
import type { ServerState } from '../commands/server-state.ts';
import { CausewayError } from '../errors.ts';
import { oneOf, percentDecoded } from './http-fields.ts';
import type { HttpNode } from './http-keys.ts';
import { problem } from './http-problem.ts';
import { jsonBytes } from './json-bytes.ts';

/** Streams at a time, so that there are connections for all else. */
const STREAMS_MAX = 128;
const PREFIX_BYTES_MAX = 1024;
/** What a reader has not taken: past it, it is told no more, and falls behind until it takes some. */
const WAITING_BYTES_MAX: number = 1024 * 1024;
/** Gateways end what is silent for longer. One that takes nothing between two of these is cut. */
const HEARTBEAT_MS = 15_000;
/** When a reader that lost its connection comes again. */
const RETRY_MS = 1_000;

const HEADERS = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };

/** Its own figures for tests; the defaults are above. */
export interface ChangesLimits {
  readonly streamsMax?: number;
  readonly heartbeatMs?: number;
}

/** `GET /v1/changes?prefix=…`: the change feed (SPEC S7) as server-sent events. */
export function changesRoute(node: HttpNode, state: ServerState, limits: ChangesLimits = {}): ApiRoute {
  const { streamsMax = STREAMS_MAX, heartbeatMs = HEARTBEAT_MS } = limits;
  let streams = 0;
  return {
    path: '/v1/changes',
    methods: {
      GET: async (request): Promise<ApiAnswer | ApiStream> => {
        const query = queryOf(request.url);
        if (query === null)
          return problem(400, `expected ?prefix=, percent-encoded, of ${PREFIX_BYTES_MAX} bytes at most`);
        checkPrefixes(query.prefixes, new Set());
        if (request.method === 'HEAD') return { status: 200, headers: HEADERS, body: null };
        if (streams >= streamsMax) throw new CausewayError('LIMIT', `too many streams (limit ${streamsMax})`);
        const from = oneOf(request.headers['last-event-id']) ?? query.from;
        const stream = new ChangeStream(request, node, state, { prefixes: query.prefixes, from, heartbeatMs });
        streams++;
        request.signal.addEventListener('abort', () => streams--, { once: true });
        return { status: 200, headers: HEADERS, start: (sink) => stream.start(sink) };
      },
    },
  };
}

interface Wanted {
  readonly prefixes: readonly string[];
  readonly from: string | undefined;
  readonly heartbeatMs: number;
}

/** One reader, until it is gone. CLIENT LIST shows it meanwhile, and CLIENT KILL ends it. */
class ChangeStream {
  readonly #session: ReturnType<HttpNode['openSession']>;
  readonly #feed: FeedSubscription;
  readonly #heartbeatMs: number;
  #sink: ApiSink | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #hasTaken = true;

  /** Throws LIMIT where there are as many clients or readers as there may be. */
  constructor({ address, signal }: ApiRequest, node: HttpNode, state: ServerState, wanted: Wanted) {
    const { prefixes, from } = wanted;
    this.#heartbeatMs = wanted.heartbeatMs;
    this.#session = node.openSession({ address, name: 'changes', libraryName: 'http', onClose: () => this.#end() });
    try {
      this.#feed = state.feed.subscribe({
        prefixes,
        from,
        isReady: () => this.#sink !== null && this.#sink.waitingBytes <= WAITING_BYTES_MAX,
        told: (events) => this.#sink?.write(events.map(eventText).join('')),
      });
    } catch (error) {
      this.#session.close('refused');
      throw error;
    }
    signal.addEventListener('abort', () => this.#session.close('gone'), { once: true });
  }

  start(sink: ApiSink): void {
    this.#sink = sink;
    this.#heartbeat = setInterval(() => this.#beat(sink), this.#heartbeatMs);
    sink.write(`retry: ${RETRY_MS}\nid: ${this.#feed.position}\nevent: begin\ndata: {}\n\n`);
  }

  #beat(sink: ApiSink): void {
    // what waited at the last one waits still
    if (!this.#hasTaken && sink.waitingBytes > 0) {
      sink.cut();
      return;
    }
    this.#hasTaken = sink.waitingBytes === 0;
    if (this.#hasTaken) sink.write(':\n\n');
  }

  #end(): void {
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#feed.close();
    this.#sink?.end();
  }
}

function eventText({ kind, key, version, dot, region, position }: FeedEvent): string {
  const named = key === null ? {} : jsonBytes('key', Buffer.from(key, 'latin1'));
  return `id: ${position}\nevent: ${kind}\ndata: ${JSON.stringify({ ...named, version, dot, region })}\n\n`;
}

/** Prefixes as latin1, and a position; null for what is no such query. */
function queryOf(url: string): { readonly prefixes: string[]; readonly from: string | undefined } | null {
  const prefixes: string[] = [];
  let from: string | undefined;
  const [, query = ''] = url.split('?', 2);
  for (const part of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = part.split('=', 2);
    const bytes = percentDecoded(value);
    if (bytes === null || bytes.length > PREFIX_BYTES_MAX) return null;
    const text = Buffer.from(bytes).toString('latin1');
    if (name === 'prefix') prefixes.push(text);
    else if (name === 'from') from = text;
    else return null;
  }
  return { prefixes, from };
}
