import type { MetricRow } from '../adapters/prom-metrics.ts';
import type { NodeTelemetry } from '../node/telemetry.ts';
import { durationSamples } from './duration-samples.ts';
import { MetricRows } from './metric-rows.ts';

interface InvalidationSnapshot {
  readonly node: Pick<NodeTelemetry, 'invalidations'>;
}

const invalidations = new MetricRows(({ node }: InvalidationSnapshot) => [node.invalidations]);

/** Rows of CW.INVALIDATE: by this node or heard of, what they took, and how late they were. */
export const INVALIDATION_METRICS: readonly MetricRow<InvalidationSnapshot>[] = [
  invalidations.samples(
    'counter',
    'causeway_invalidate_total',
    'Invalidations, by what was invalidated and whether this node made them or heard of them',
    (of) =>
      (['made', 'heard'] as const).flatMap((by) =>
        Object.entries(of[by]).map(([kind, value]) => ({ labels: { kind, by }, value })),
      ),
  ),
  invalidations.counter(
    'causeway_invalidate_keys_total',
    'Keys that this node took away by invalidations',
    (of) => of.keys,
  ),
  invalidations.counter(
    'causeway_invalidate_dependents_total',
    'Keys that invalidations reached by dependencies',
    (of) => of.dependents,
  ),
  invalidations.gauge(
    'causeway_invalidate_dependents_most',
    'The most keys that one invalidation reached by dependencies',
    (of) => of.dependentsMost,
  ),
  invalidations.counter(
    'causeway_invalidate_cut_total',
    'Invalidations with dependents too deep or too many to be reached',
    (of) => of.cut,
  ),
  invalidations.gauge('causeway_invalidate_running', 'Invalidations that go on', (of) => of.running),
  invalidations.gauge(
    'causeway_invalidate_delayed',
    'Invalidations of all nodes that wait for their time',
    (of) => of.delayed,
  ),
  invalidations.samples(
    'histogram',
    'causeway_invalidate_lag_seconds',
    'From an invalidation by another node until it was applied here, by the clocks of both',
    ({ lag }, labels) => durationSamples(lag, labels),
  ),
];
