import type { MetricRow } from '../adapters/prom-metrics.ts';
import { LOOKUPS_A_SAMPLE, type ClassFigures } from '../commands/class-figures.ts';
import { MetricRows } from './metric-rows.ts';

/** What metrics of classes are read from. */
export interface ClassSnapshot {
  readonly classes: readonly ClassFigures[];
}

const classes = new MetricRows(
  (snapshot: ClassSnapshot) => snapshot.classes,
  ({ name }) => ({ class: name }),
);

/** How keys do, by class: from samples. */
export const CLASS_METRICS: readonly MetricRow<ClassSnapshot>[] = [
  classes.gauge('causeway_class_keys', 'Visible keys, by class, from a sample', ({ keys }) => Math.round(keys)),
  classes.gauge(
    'causeway_class_bytes',
    'Bytes of keys, strings and counters in memory, by class, from a sample',
    (figures) => Math.round(figures.bytes),
  ),
  classes.gauge('causeway_class_bytes_max', "The class's own limit in bytes", ({ maxBytes }) => maxBytes),
  classes.gauge(
    'causeway_class_evicted_values',
    'Keys whose value is on disk only, by class, from a sample',
    (figures) => Math.round(figures.stubs),
  ),
  classes.gauge('causeway_class_age_seconds', 'Mean age of strings, by class, from a sample', ({ ageMs }) =>
    ageMs === null ? null : ageMs / 1_000,
  ),
  classes.gauge(
    'causeway_class_changed_keys',
    'Strings written within the last minute, by class, from a sample',
    (figures) => Math.round(figures.changed),
  ),
  classes.samples(
    'counter',
    'causeway_class_lookups_total',
    'Reads that looked for a key, by class and whether it was there, from a sample',
    ({ hits, misses }, labels) => [
      { labels: { ...labels, result: 'hit' }, value: hits * LOOKUPS_A_SAMPLE },
      { labels: { ...labels, result: 'miss' }, value: misses * LOOKUPS_A_SAMPLE },
    ],
  ),
];
