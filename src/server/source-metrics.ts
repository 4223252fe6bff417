import type { MetricRow } from '../adapters/prom-metrics.ts';
import type { ServerState } from '../commands/server-state.ts';
import { MetricRows } from './metric-rows.ts';

/** What metrics of sources are read from. */
export interface SourceSnapshot {
  readonly resp: Pick<ServerState, 'sources' | 'fetching' | 'sourceWrites' | 'time'>;
  readonly openBreakers: number;
}

const whole = new MetricRows((snapshot: SourceSnapshot) => [snapshot]);
const loads = new MetricRows(
  ({ resp }: SourceSnapshot) => resp.sources?.figures ?? [],
  ([name]) => ({ class: name }),
);
const writes = new MetricRows(
  ({ resp: { sourceWrites, time } }: SourceSnapshot) => {
    const nowMs = time.monotonicMs();
    return Array.from(sourceWrites?.classes ?? [], ([name, keys]) => ({ name, keys, nowMs }));
  },
  ({ name }) => ({ class: name }),
);

/** Loads from sources, and writes to them, by class. */
export const SOURCE_METRICS: readonly MetricRow<SourceSnapshot>[] = [
  loads.counter('causeway_source_loads_total', 'Loads that brought a value', ([, figures]) => figures.loaded),
  loads.counter(
    'causeway_source_absent_total',
    'Loads that found that there is no value',
    ([, figures]) => figures.absent,
  ),
  loads.counter('causeway_source_failures_total', 'Loads that failed', ([, figures]) => figures.failed),
  loads.counter(
    'causeway_source_dropped_total',
    'Loaded values that were not kept, as the key was changed meanwhile or just before',
    ([, figures]) => figures.dropped,
  ),
  loads.counter(
    'causeway_source_coalesced_total',
    'Reads that joined a load under way',
    ([, figures]) => figures.coalesced,
  ),
  loads.counter(
    'causeway_source_passed_on_total',
    'Loads that were left to another node',
    ([, figures]) => figures.passedOn,
  ),
  loads.counter(
    'causeway_source_stale_served_total',
    'Reads that got a stale value',
    ([, figures]) => figures.staleServed,
  ),
  loads.counter(
    'causeway_source_absent_hits_total',
    'Reads answered by what is remembered to be absent',
    ([, figures]) => figures.absentHits,
  ),
  loads.counter(
    'causeway_source_early_total',
    'Loads that began before a value was stale',
    ([, figures]) => figures.early,
  ),
  loads.gauge('causeway_source_load_seconds', 'How long a load takes, about', ([, { meanMs }]) => meanMs / 1000),
  writes.gauge('causeway_source_unstored_keys', 'Keys that wait to be stored', ({ keys }) => keys.size),
  writes.gauge(
    'causeway_source_unstored_oldest_seconds',
    'Age of the oldest write that waits to be stored',
    ({ keys, nowMs }) => (keys.oldestMs === null ? 0 : (nowMs - keys.oldestMs) / 1000),
  ),
  writes.counter('causeway_source_stores_total', 'Writes stored', ({ keys }) => keys.figures.stored),
  writes.counter(
    'causeway_source_store_failures_total',
    'Writes that a source did not take',
    ({ keys }) => keys.figures.failed,
  ),
  writes.counter(
    'causeway_source_store_retries_total',
    'Writes that are offered again',
    ({ keys }) => keys.figures.retried,
  ),
  writes.counter(
    'causeway_source_store_refused_total',
    'Writes that a source will never take',
    ({ keys }) => keys.figures.refused,
  ),
  writes.counter(
    'causeway_source_store_coalesced_total',
    'Writes of a key that had one waiting',
    ({ keys }) => keys.figures.coalesced,
  ),
  whole.gauge(
    'causeway_source_open',
    'Sources that are not asked now, because they failed',
    ({ openBreakers }) => openBreakers,
  ),
  whole.gauge('causeway_fetches_running', 'Keys that requests wait for', ({ resp }) => resp.fetching.runningCount),
];
