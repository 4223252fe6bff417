import type { MetricSample } from '../adapters/prom-metrics.ts';
import type { LatencyHistogram } from '../commands/latency-histogram.ts';

/** Upper bounds of the buckets, in microseconds: every second power of two up to 16 s. */
const DURATION_BOUNDS_USEC: readonly number[] = Array.from({ length: 13 }, (_, index) => 4 ** index);
const USEC_PER_SECOND = 1_000_000;

/** The lines of a histogram of durations, in seconds as Prometheus wants them. */
export function durationSamples(latency: LatencyHistogram, labels: Readonly<Record<string, string>>): MetricSample[] {
  const rows = latency.cumulative();
  const buckets = DURATION_BOUNDS_USEC.map((boundUsec) => ({
    labels: { ...labels, le: String(boundUsec / USEC_PER_SECOND) },
    value: rows.findLast((row) => row.belowUsec <= boundUsec)?.count ?? 0,
    suffix: '_bucket',
  }));
  return [
    ...buckets,
    { labels: { ...labels, le: '+Inf' }, value: latency.count, suffix: '_bucket' },
    { labels, value: latency.sumUsec / USEC_PER_SECOND, suffix: '_sum' },
    { labels, value: latency.count, suffix: '_count' },
  ];
}
