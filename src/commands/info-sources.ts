import type { CommandContext } from './context.ts';

/** INFO sources: a line a class that has loaded anything, one that has stored anything, and what is under way. */
export function sourceFields({ server }: CommandContext): [name: string, value: string | number][] {
  const { sources, sourceWrites, fetching, time } = server;
  if (sources === null) return [];
  const lines = Array.from(sources.figures, ([name, of]): [string, string] => [
    `source_${name}`,
    `loaded=${of.loaded},absent=${of.absent},failed=${of.failed},dropped=${of.dropped},coalesced=${of.coalesced},` +
      `passed_on=${of.passedOn},stale_served=${of.staleServed},absent_hits=${of.absentHits},early=${of.early},` +
      `mean_ms=${of.meanMs.toFixed(1)}`,
  ]);
  const stores = Array.from(sourceWrites?.classes ?? [], ([name, { size, oldestMs, figures }]): [string, string] => [
    `source_writes_${name}`,
    `unstored=${size},oldest_ms=${oldestMs === null ? 0 : Math.round(time.monotonicMs() - oldestMs)},` +
      `stored=${figures.stored},failed=${figures.failed},retried=${figures.retried},refused=${figures.refused},` +
      `coalesced=${figures.coalesced}`,
  ]);
  const { started, ahead, joined, late } = fetching.figures;
  return [
    ['source_loads_running', sources.runningCount],
    ['source_absent_keys', sources.absent.size],
    ['fetches_running', fetching.runningCount],
    ['fetches_started', started],
    ['fetches_ahead', ahead],
    ['fetches_joined', joined],
    ['fetches_late', late],
    ...lines,
    ...stores,
  ];
}
