import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runOptions, runs } from '../support/fast-check-runs.ts';
import { Joining } from './joining.ts';
import { memberStep as step, RandomMembers, type MemberStep } from './random-members.ts';
import { Removal } from './removal.ts';

const steps = fc.array(step, { maxLength: 20 });

it(
  'who joins again at any time, on any disk, ends equal to the others, has lost nothing that was answered, and all forget again',
  () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { minLength: 24, maxLength: 24 }),
        fc.nat(3),
        fc.constantFrom('old', 'empty', 'cold'),
        fc.array(step, { maxLength: 30 }),
        steps,
        steps,
        steps,
        (delaysMs, lost, disk, before, between, meanwhile, after) => {
          const run = new RandomMembers(delaysMs, lost);
          const { cluster } = run;
          const joining = new Joining(cluster, run.lost, run.survivors, 2);
          const some = (from: readonly MemberStep[], at: number): void => {
            for (const each of from.filter((_each, index) => index % 3 === at)) {
              run.do(each);
              joining.startAgain();
              run.hasJoined = run.lost.isRunning && run.lost.core.membership.epoch === 2 && run.lost.isWritable;
            }
          };
          for (const each of before) run.do(each);
          cluster.kill(run.lost);
          run.mend();
          expect(new Removal(cluster, run.lost, run.survivors, 1).run()).toBe(true);
          // a removed one runs meanwhile, on the disk it had or on none, or is started only after it joined
          if (disk !== 'cold') cluster.restart(run.lost, { emptyDisk: disk === 'empty' });
          some(between, 0);
          run.mend();
          expect(cluster.runUntil(() => again().areAllSettled())).toBe(true);
          const held = again();
          for (const [at, node] of run.survivors.entries()) {
            held.hold(node);
            some(between, at);
          }
          run.mend();
          expect(cluster.runUntil(() => held.areAllHeld())).toBe(true);
          const incarnation = held.incarnation();
          for (const [at, node] of run.survivors.entries()) {
            held.join(node, incarnation);
            some(meanwhile, at);
          }
          if (disk === 'cold') cluster.restart(run.lost);
          for (const at of [0, 1, 2]) some(after, at);
          run.mend();
          cluster.resume(run.lost);
          expect(joining.isWhole()).toBe(true);
          run.check();

          function again(): Joining {
            return new Joining(cluster, run.lost, run.survivors, 2);
          }
        },
      ),
      runOptions(40, 60_000),
    );
  },
  runs(180_000),
);
