import type { MetricRow } from '../adapters/prom-metrics.ts';
import { COMPARED_WITH, type ComparedWith, type ComparisonFigures } from '../commands/comparison-figures.ts';
import type { ServerState } from '../commands/server-state.ts';
import { MetricRows } from './metric-rows.ts';

interface ComparisonSnapshot {
  readonly resp: Pick<ServerState, 'monitor'>;
}

const classes = new MetricRows(
  ({ resp }: ComparisonSnapshot) => resp.monitor?.figures ?? [],
  ([name]) => ({ class: name }),
);

function counted(
  name: string,
  help: string,
  counts: (figures: ComparisonFigures) => Readonly<Record<ComparedWith, number>>,
): MetricRow<ComparisonSnapshot> {
  return classes.samples('counter', name, help, ([, figures], labels) =>
    COMPARED_WITH.map((by) => ({ labels: { ...labels, with: by }, value: counts(figures)[by] })),
  );
}

function mean(
  name: string,
  help: string,
  ms: (figures: ComparisonFigures) => number | null,
): MetricRow<ComparisonSnapshot> {
  return classes.gauge(name, help, ([, figures]) => {
    const value = ms(figures);
    return value === null ? null : value / 1_000;
  });
}

/** What the monitor found, by class (SPEC S10). */
export const COMPARISON_METRICS: readonly MetricRow<ComparisonSnapshot>[] = [
  counted('causeway_compared_total', 'Keys compared with what else should have them', (of) => of.compared),
  counted('causeway_different_total', 'Keys found to differ', (of) => of.different),
  counted('causeway_repaired_total', 'Keys put right', (of) => of.repaired),
  mean('causeway_value_age_seconds', 'How old the values are of keys that were looked at, a mean', (of) => of.ageMs),
  mean(
    'causeway_value_lag_seconds',
    'How long ago those of them were written that are not known to be everywhere, a mean over all',
    (of) => of.lagMs,
  ),
];
