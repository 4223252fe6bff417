import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { runOptions, runs } from '../../support/fast-check-runs.ts';
import { losingSteps, network } from './arbitraries.ts';
import { RandomRun } from './random-run.ts';

const USUAL = 120;
const seen = { runs: 0, kills: 0, amnesias: 0, heldOfLostLives: 0 };
/** Generous: a machine that is busy takes its time, and CAUSEWAY_FC_RUNS multiplies. */
const LIMIT_MS = runs(300_000);

describe('D8: lives that end with what only they had', () => {
  it(
    'are closed one after the other, whatever is held back of them and for them: all come to rest equal and empty',
    () => {
      fc.assert(
        fc.property(network, losingSteps, (net, todo) => {
          const run = new RandomRun({ ...net, regions: 3, nodesPerRegion: 1, losesMore: true });
          run.cluster.run(300);
          for (const step of todo) run.do(step);
          run.end();
          seen.runs++;
          seen.kills += run.kills;
          seen.amnesias += run.amnesias;
          if (run.tap.counts.heldOfOlderLives > 0) seen.heldOfLostLives++;
        }),
        runOptions(USUAL, 240_000),
      );
    },
    LIMIT_MS,
  );

  afterAll(() => {
    console.log(`lost lives: ${JSON.stringify(seen)}`);
    if (seen.runs < USUAL) return;
    for (const [what, count] of Object.entries(seen))
      expect(count, `a run that shows nothing: no ${what}`).toBeGreaterThan(0);
  });
});
