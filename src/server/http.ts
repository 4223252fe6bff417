import type { Api } from '../adapters/fastify-api.ts';
import { FastifyHttp, jsonAnswer } from '../adapters/fastify-http.ts';
import { PromMetrics } from '../adapters/prom-metrics.ts';
import { isLoopback, type Address } from './address.ts';
import { PROTECTED_MODE_ERROR } from './protected-mode.ts';
import { METRICS_TABLE, type MetricsSnapshot } from './metrics.ts';

export interface HttpSources {
  readonly nodeId: string;
  /** Reasons why the node is not ready, empty when it is. */
  unreadyReasons(): readonly string[];
  /** What a node cannot serve as it should and is ready for all that; empty when all is well. */
  degradedReasons(): readonly string[];
  metrics(): MetricsSnapshot;
  /** Whether clients of other machines are turned away. */
  isProtected(): boolean;
  /** What is served to programs. */
  readonly api?: Api;
}

/** What says nothing of the data, and what those must be able to ask who start and watch nodes. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/**
 * What operators and their programs ask a node:
 *
 *     /healthz   200 as long as the process answers at all
 *     /readyz    200 when the node may be sent clients, else 503 with the reasons; `degraded` says what it cannot serve
 *                all the same: quorum groups without a leader
 *     /metrics   for Prometheus; in protected mode for this machine only
 *
 * and, below /v1/, what programs ask.
 */
export function createHttp(address: Address, sources: HttpSources): FastifyHttp {
  const { nodeId } = sources;
  const metrics = new PromMetrics(METRICS_TABLE, () => sources.metrics());
  return new FastifyHttp({
    ...address,
    ...(sources.api === undefined ? {} : { api: sources.api }),
    refusal: (path, remoteAddress) => {
      const isOpen = OPEN_PATHS.has(path) || isLoopback(remoteAddress) || !sources.isProtected();
      return isOpen ? null : PROTECTED_MODE_ERROR;
    },
    routes: {
      '/healthz': () => jsonAnswer(200, { node: nodeId, alive: true }),
      '/readyz': () => {
        const reasons = sources.unreadyReasons();
        const ready = reasons.length === 0;
        return jsonAnswer(ready ? 200 : 503, { node: nodeId, ready, reasons, degraded: sources.degradedReasons() });
      },
      '/metrics': async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
    },
  });
}
