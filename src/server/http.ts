import { FastifyHttp, jsonAnswer } from '../adapters/fastify-http.ts';
import { PromMetrics } from '../adapters/prom-metrics.ts';
import type { Address } from './address.ts';
import { METRICS_TABLE, type MetricsSnapshot } from './metrics.ts';

export interface HttpSources {
  readonly nodeId: string;
  /** Reasons why the node is not ready, empty when it is. */
  unreadyReasons(): readonly string[];
  metrics(): MetricsSnapshot;
}

/**
 * What operators and their programs ask a node:
 *
 *     /healthz   200 as long as the process answers at all
 *     /readyz    200 when the node may be sent clients, else 503 with the reasons
 *     /metrics   for Prometheus
 */
export function createHttp(address: Address, sources: HttpSources): FastifyHttp {
  const { nodeId } = sources;
  const metrics = new PromMetrics(METRICS_TABLE, () => sources.metrics());
  return new FastifyHttp({
    ...address,
    routes: {
      '/healthz': () => jsonAnswer(200, { node: nodeId, alive: true }),
      '/readyz': () => {
        const reasons = sources.unreadyReasons();
        const ready = reasons.length === 0;
        return jsonAnswer(ready ? 200 : 503, { node: nodeId, ready, reasons });
      },
      '/metrics': async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
    },
  });
}
