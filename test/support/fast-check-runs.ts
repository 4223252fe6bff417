import type fc from 'fast-check';

/** How many runs a property has: its usual number, times CAUSEWAY_FC_RUNS where that is set. */
export function runs(usual: number): number {
  const factor = Number(process.env['CAUSEWAY_FC_RUNS'] ?? '1');
  return Math.max(1, Math.round(usual * (Number.isFinite(factor) && factor > 0 ? factor : 1)));
}

/**
 * Options of a property's run: `usual` runs, within `limitMs` (times CAUSEWAY_FC_RUNS). A failure says its seed and path: with
 * CAUSEWAY_FC_SEED and CAUSEWAY_FC_PATH it is run again alone; with CAUSEWAY_FC_SHRINK it is made smaller, which takes a while.
 */
export function runOptions(usual: number, limitMs: number): fc.Parameters<unknown> {
  const { CAUSEWAY_FC_SEED: seed, CAUSEWAY_FC_PATH: path, CAUSEWAY_FC_SHRINK: shrink } = process.env;
  return {
    numRuns: runs(usual),
    interruptAfterTimeLimit: runs(limitMs),
    endOnFailure: shrink === undefined,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}
