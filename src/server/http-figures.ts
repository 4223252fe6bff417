import type { MetricRow } from '../adapters/prom-metrics.ts';

/** What a GET of a key found: its value, a value past its freshness that its class still serves, what the asker has already, or nothing. */
export type HttpRead = 'hit' | 'stale' | 'not-modified' | 'miss';

interface Asked {
  readonly path: string;
  readonly method: string;
  readonly status: number;
  count: number;
}

/** What the HTTP door did since the start. */
export class HttpFigures {
  readonly #asked: Map<string, Asked> = new Map();
  readonly reads: Record<HttpRead, number> = { hit: 0, stale: 0, 'not-modified': 0, miss: 0 };

  /** A request was answered. `path` is the route's, of which there are few. */
  answered(path: string, method: string, status: number): void {
    const id = `${path} ${method} ${status}`;
    const known = this.#asked.get(id);
    if (known === undefined) this.#asked.set(id, { path, method, status, count: 1 });
    else known.count++;
  }

  get requests(): Iterable<Asked> {
    return this.#asked.values();
  }
}

/** Every metric of the HTTP door. */
export const HTTP_METRICS: readonly MetricRow<{ readonly http: HttpFigures }>[] = [
  {
    name: 'causeway_http_requests_total',
    type: 'counter',
    help: 'Requests of programs and gateways, by path, method and status',
    read: ({ http }) =>
      Array.from(http.requests, ({ path, method, status, count }) => ({
        labels: { path, method, status: String(status) },
        value: count,
      })),
  },
  {
    name: 'causeway_http_reads_total',
    type: 'counter',
    help: 'GET and HEAD of keys: hits, those of a stale value, those answered 304, and misses',
    read: ({ http }) => Object.entries(http.reads).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
];
