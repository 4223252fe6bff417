import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { runOptions, runs } from '../support/fast-check-runs.ts';
import { agreeingStrong, agreementOf, REQUESTER, stateAt } from './agreeing.ts';
import { Joining } from './joining.ts';
import { lossAtRandom, memberStep as step, RandomMembers, type MemberStep } from './random-members.ts';

/** Beside what may happen else: a survivor dies, and comes again. */
function doOrKill(run: RandomMembers, each: MemberStep): void {
  const { cluster } = run;
  const node = cluster.node(each.node);
  if (each.kind === 'reset' && each.value % 2 === 0 && !node.isPaused && node !== run.lost) {
    // a death takes what was answered and is not on disk: not what is looked for here
    cluster.runUntil(() => node.batchInFlight === null && !node.core.isStoreBatchDue, 5_000);
    cluster.kill(node);
    cluster.restart(node);
  } else if (node.isRunning && (each.kind !== 'resume' || node.isPaused)) run.do(each);
}

/** As an operator who asks again until it is taken, any survivor, and then waits. */
function agree(run: RandomMembers, change: 'remove' | 'join', between: readonly MemberStep[]): void {
  const { cluster, lost, survivors } = run;
  const isDone = (): boolean =>
    survivors.every(
      (node) => (stateAt(node, lost) === 'removed') === (change === 'remove') && stateAt(node, lost) !== 'held',
    );
  const ask = (at: VirtualNode): void => {
    if (!at.isRunning || at.isPaused) return;
    const { epoch } = at.core.membership;
    agreementOf(at).begin(change, [lost.id], epoch, { requester: REQUESTER, timeoutMs: 3_000, answered: () => {} });
    at.settle();
  };
  ask(survivors[between.length % survivors.length] as VirtualNode);
  for (const each of between) doOrKill(run, each);
  run.mend();
  for (let tries = 0; tries < 20 && !isDone(); tries++) {
    ask(survivors[tries % survivors.length] as VirtualNode);
    cluster.runUntil(isDone, 10_000);
  }
  expect(isDone()).toBe(true);
}

it(
  'whatever happens to the survivors of an agreed removal and join, they come to their end, and nothing that was answered is lost',
  () => {
    fc.assert(
      fc.property(
        ...lossAtRandom,
        fc.array(step, { maxLength: 30 }),
        fc.array(step, { maxLength: 30 }),
        fc.array(step, { maxLength: 20 }),
        fc.nat(1_000),
        (delaysMs, lost, isLive, before, between, joining, seed) => {
          const run = new RandomMembers(delaysMs, lost, agreeingStrong(seed));
          run.cluster.run(5_000);
          for (const each of before) doOrKill(run, each);
          // removed by force while it lives, or lost
          if (!isLive) run.cluster.kill(run.lost);
          else run.cluster.resume(run.lost);
          agree(run, 'remove', between);
          if (isLive) run.cluster.kill(run.lost);
          run.check();
          agree(run, 'join', joining);
          run.cluster.restart(run.lost);
          run.hasJoined = true;
          expect(new Joining(run.cluster, run.lost, run.survivors).isWhole()).toBe(true);
          run.check();
        },
      ),
      runOptions(20, 120_000),
    );
  },
  runs(240_000),
);
