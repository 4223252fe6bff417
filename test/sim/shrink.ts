import type { Scenario, SimOptions } from './scenario.ts';

/** Whether a scenario still shows what is looked for. */
export type Fails = (scenario: Scenario) => boolean;

/**
 * The fewest of the parts without which it fails no more: parts are left out in ever smaller runs of them. Zeller and Hildebrandt, "Simplifying
 * and Isolating Failure-Inducing Input" (2002), here without the step that tries a part alone.
 */
function fewest<Part>(parts: readonly Part[], fails: (kept: readonly Part[]) => boolean): readonly Part[] {
  let kept = parts;
  for (let size = Math.max(1, Math.floor(kept.length / 2)); kept.length > 0;) {
    let isSmaller = false;
    for (let from = 0; from < kept.length;) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (fails(rest)) {
        kept = rest;
        isSmaller = true;
      } else from += size;
    }
    if (size > 1) size = Math.floor(size / 2);
    else if (!isSmaller) break;
  }
  return kept;
}

/** What makes a scenario simpler without leaving a part of it out: each is kept where it fails still. */
const SIMPLER: readonly Partial<SimOptions>[] = [
  { nodesPerRegion: 1, survive: 'region' },
  { regions: 3 },
  { withFlush: false },
  { jitter: 0 },
  { diskMs: 1 },
  { clockSpreadMs: 0 },
  { logBytesMax: 1024 * 1024 },
  { holdBackBytesMax: 1024 * 1024 },
  { chunkBytesMax: 64 * 1024 },
  { slackBytesMax: 1024 * 1024 },
  { snapshotChunkBytes: 64 * 1024 },
  { evicts: false },
];
/** After the last thing that happens. */
const AFTER_MS = 500;

/** Makes a scenario that fails smaller while it does: clients and faults, their requests, the options, times. */
export function shrink(scenario: Scenario, fails: Fails): Scenario {
  let best = scenario;
  const tries = (change: Partial<Scenario>): boolean => {
    const next = { ...best, ...change };
    if (!fails(next)) return false;
    best = next;
    return true;
  };
  best = { ...best, faults: fewest(best.faults, (faults) => fails({ ...best, faults })) };
  const clients = [...new Set(best.actions.map(({ client }) => client))];
  const ofClients = (kept: readonly number[]): Scenario => ({
    ...best,
    actions: best.actions.filter(({ client }) => kept.includes(client)),
  });
  best = ofClients(fewest(clients, (kept) => fails(ofClients(kept))));
  best = { ...best, actions: fewest(best.actions, (actions) => fails({ ...best, actions })) };
  for (const simpler of SIMPLER) tries({ options: { ...best.options, ...simpler } });
  // with fewer requests and other options, less of what went wrong may do
  best = { ...best, faults: fewest(best.faults, (faults) => fails({ ...best, faults })) };
  for (const { id } of best.faults) {
    const shorter = (forMs: number): Partial<Scenario> => ({
      faults: best.faults.map((fault) => (fault.id === id ? { ...fault, forMs } : fault)),
    });
    for (
      let forMs = best.faults.find((fault) => fault.id === id)?.forMs ?? 0;
      forMs > 10;
      forMs = Math.floor(forMs / 2)
    )
      if (!tries(shorter(Math.floor(forMs / 2)))) break;
  }
  const lastMs = Math.max(0, ...best.actions.map(({ atMs }) => atMs), ...best.faults.map(({ atMs }) => atMs));
  tries({ options: { ...best.options, durationMs: Math.ceil(lastMs) + AFTER_MS } });
  return best;
}
