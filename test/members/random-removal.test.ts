import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runOptions, runs } from '../support/fast-check-runs.ts';
import { lossAtRandom, memberStep as step, RandomMembers } from './random-members.ts';
import { Removal } from './removal.ts';

it(
  'survivors of a removal at any time are equal, have lost nothing that they answered, and forget again',
  () => {
    fc.assert(
      fc.property(
        ...lossAtRandom,
        fc.array(step, { maxLength: 40 }),
        fc.array(step, { maxLength: 20 }),
        fc.array(step, { maxLength: 20 }),
        (delaysMs, lost, isLive, before, between, after) => {
          const run = new RandomMembers(delaysMs, lost);
          for (const each of before) run.do(each);
          // removed by force while it lives, or lost
          if (!isLive) run.cluster.kill(run.lost);
          const removal = new Removal(run.cluster, run.lost, run.survivors);
          for (const [at, node] of run.survivors.entries()) {
            removal.fence(node);
            for (const each of between.filter((_each, index) => index % 3 === at)) run.do(each);
          }
          run.mend();
          expect(run.cluster.runUntil(() => removal.areAllFenced())).toBe(true);
          const cut = removal.cut();
          expect(run.cluster.runUntil(() => removal.haveAll(cut))).toBe(true);
          for (const [at, node] of run.survivors.entries()) {
            removal.remove(node, cut);
            for (const each of after.filter((_each, index) => index % 3 === at)) run.do(each);
          }
          run.mend();
          if (isLive) run.cluster.kill(run.lost);
          run.check();
        },
      ),
      runOptions(30, 60_000),
    );
  },
  runs(180_000),
);
