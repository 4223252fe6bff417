import type { MetricRow } from '../adapters/prom-metrics.ts';
import { MetricRows } from './metric-rows.ts';
import type { RedisFigures } from './redis-figures.ts';

interface RedisSnapshot {
  readonly redis?: RedisFigures;
}

const redis = new MetricRows((snapshot: RedisSnapshot) => (snapshot.redis === undefined ? [] : [snapshot.redis]));

/** Rows of the regional Redis: no samples where a node has none. */
export const REDIS_METRICS: readonly MetricRow<RedisSnapshot>[] = [
  redis.gauge('causeway_redis_available', 'Whether calls to the regional Redis are made: its breaker is closed', (of) =>
    of.breaker === 'closed' ? 1 : 0,
  ),
  redis.gauge('causeway_redis_writes_here', 'Whether this node is the one that writes to the regional Redis', (of) =>
    of.isHolder ? 1 : 0,
  ),
  redis.gauge('causeway_redis_waiting_keys', 'Keys that wait to be mirrored', (of) => of.waiting),
  redis.gauge('causeway_redis_comparing', 'Whether all mirrored keys are being compared', (of) =>
    of.isComparing ? 1 : 0,
  ),
  redis.samples(
    'counter',
    'causeway_redis_mirrored_total',
    'Keys handed to the regional Redis, by what became of them',
    ({ mirror }) => Object.entries(mirror.verdicts).map(([verdict, value]) => ({ labels: { verdict }, value })),
  ),
  redis.counter('causeway_redis_warm_taken_total', 'Values taken at the start', (of) => of.warm?.taken ?? 0),
  redis.counter(
    'causeway_redis_warm_asked_for_total',
    'Values taken because a request named them before it was their turn',
    (of) => of.warm?.askedFor ?? 0,
  ),
  redis.counter('causeway_redis_too_long_total', 'Values that are too long to be mirrored', (of) => of.mirror.tooLong),
  redis.counter('causeway_redis_failures_total', 'Calls of the mirror that failed', (of) => of.mirror.failedSteps),
  redis.counter('causeway_redis_passes_total', 'Comparisons of all mirrored keys that ended', (of) => of.mirror.passes),
  redis.counter(
    'causeway_redis_overflows_total',
    'Times that more keys changed than are remembered',
    (of) => of.mirror.overflows,
  ),
  redis.counter('causeway_redis_published_total', 'Messages of invalidations published', (of) => of.mirror.published),
];
