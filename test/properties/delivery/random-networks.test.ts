import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { runOptions, runs } from '../../support/fast-check-runs.ts';
import { network, steps } from './arbitraries.ts';
import { RandomRun } from './random-run.ts';
import { noCounts, type WireCounts } from './wire-tap.ts';

const total: WireCounts = noCounts();
const seen = { runs: 0, checks: 0, deltas: 0, flushes: 0, kills: 0, amnesias: 0, backups: 0, refusals: 0, siblings: 0 };

/** Generous: a machine that is busy takes its time, and CAUSEWAY_FC_RUNS multiplies. */
const LIMIT_MS = runs(180_000);

describe('causal delivery over random networks', () => {
  it(
    'shows everything once, nothing before its causes, loses nothing, and comes to rest equal and empty',
    () => {
      fc.assert(
        fc.property(network, steps, (net, todo) => {
          const run = new RandomRun(net);
          run.cluster.run(300);
          for (const step of todo) run.do(step);
          run.end();
          seen.runs++;
          seen.checks += run.oracle.checks;
          seen.deltas += run.oracle.deltasChecked;
          seen.kills += run.kills;
          seen.amnesias += run.amnesias;
          seen.backups += run.backups;
          seen.refusals += run.refusals;
          if (run.siblings > 1) seen.siblings++;
          for (const name of Object.keys(total) as (keyof WireCounts)[]) total[name] += run.tap.counts[name];
        }),
        runOptions(40, 60_000),
      );
    },
    LIMIT_MS,
  );

  it(
    'comes to rest equal and empty with FLUSHALL among the writes',
    () => {
      fc.assert(
        fc.property(network, steps, (net, todo) => {
          const run = new RandomRun({ ...net, withFlush: true });
          run.cluster.run(300);
          for (const step of todo) run.do(step);
          run.end();
          seen.flushes += run.flushes;
        }),
        runOptions(12, 30_000),
      );
    },
    LIMIT_MS,
  );

  afterAll(() => {
    console.log(`random networks: ${JSON.stringify({ ...seen, ...total })}`);
    // a machine so busy that the time was up, or one run replayed, shows less
    if (seen.runs < 40) return;
    for (const [what, count] of Object.entries({ ...seen, ...total })) {
      expect(count, `a run that shows nothing: no ${what}`).toBeGreaterThan(0);
    }
  });
});
