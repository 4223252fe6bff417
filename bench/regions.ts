import { measureApply, SMALL_APPLY, WHOLE_APPLY } from './regions-apply.ts';
import { measureCatchUp } from './regions-catch-up.ts';
import { measureLag } from './regions-lag.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';

const SECTIONS = ['apply', 'lag', 'catch-up'] as const;

/** How the turns of the nodes are watched: what ran in them is told where `--only` names `stacks`. */
function turnsOf(measure: unknown, { only }: BenchOptions): 'cpu' | 'stacks' | undefined {
  if (measure !== measureCatchUp) return undefined;
  return only.includes('stacks') ? 'stacks' : 'cpu';
}

/** A cluster of its own for each section, so that none begins with what another left behind. */
async function inCluster(
  options: BenchOptions,
  measure: (cluster: BenchCluster, options: BenchOptions) => Promise<BenchResult>,
): Promise<BenchResult> {
  const cluster = await startCluster(['--port-base', String(options.portBase)], turnsOf(measure, options));
  try {
    return await measure(cluster, options);
  } finally {
    await cluster.stop();
  }
}

/** What replication costs and how late it is: remote apply in one process; lag and bytes on the wire; catching up after a cut. */
export const regions: Bench = {
  name: 'regions',
  summary: 'replication: remote apply, visibility lag and wire bytes under the measured delays, catch-up after a cut',
  run: async (options: BenchOptions) => {
    const results: Record<string, BenchResult> = {};
    for (const section of SECTIONS) {
      if (options.only.length > 0 && !options.only.includes(section)) continue;
      if (section === 'apply') results[section] = await measureApply(options.small ? SMALL_APPLY : WHOLE_APPLY);
      else results[section] = await inCluster(options, section === 'lag' ? measureLag : measureCatchUp);
    }
    return {
      text: Object.values(results)
        .map(({ text }) => text)
        .join('\n\n'),
      json: Object.fromEntries(Object.entries(results).map(([section, { json }]) => [section, json])),
      passed: Object.values(results).every(({ passed }) => passed),
    };
  },
};
