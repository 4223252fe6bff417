import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { checkCausalConvergence } from '../../../src/verify/causal-convergence.ts';
import type { Operation } from '../../../src/verify/history.ts';
import { runOptions, runs } from '../../support/fast-check-runs.ts';
import { network, steps } from './arbitraries.ts';
import { RandomRun, type Step } from './random-run.ts';

const KEYS = ['x', 'y', 'z'];
const seen = { histories: 0, writes: 0, reads: 0, readsOfOthers: 0, initialReads: 0, concurrentKeys: 0 };

/** Reads and writes of three keys by a client of each node, recorded while the network does what it does. */
class Recorder {
  readonly history: Operation[] = [];
  readonly #run: RandomRun;
  #written = 0;

  constructor(run: RandomRun) {
    this.#run = run;
  }

  #note(client: string, op: 'read' | 'write', key: string, value: string | null): void {
    const at = this.history.length;
    this.history.push({ client, region: '', op, key, value, start: at, end: at, ok: true, level: 'causal' });
  }

  do(step: Step): void {
    const { cluster } = this.#run;
    const node = cluster.node(step.node % cluster.nodes.length);
    const key = KEYS[step.value % 3] ?? 'x';
    if (!node.isRunning || node.isPaused || node.core.refusal(false, false) !== null) return;
    // a kill ends the connections to a node: what it had not told anybody may be gone
    const session = `${node.id} ${node.life}`;
    if (step.value % 2 === 0 && node.isWritable) {
      const value = `${this.#written++}`;
      this.#run.oracle.makes(node, 0, () => void node.set(key, value));
      this.#note(session, 'write', key, value);
      seen.writes++;
      return;
    }
    const value = node.get(key);
    this.#note(session, 'read', key, value);
    seen.reads++;
    if (value === null) seen.initialReads++;
    else if (!this.history.some((each) => each.op === 'write' && each.value === value && each.client === session))
      seen.readsOfOthers++;
  }
}

describe('sessions over random networks', () => {
  it(
    'see a causally convergent history',
    () => {
      fc.assert(
        fc.property(
          network,
          steps,
          fc.infiniteStream(fc.record({ node: fc.nat(14), value: fc.nat(1_000) })),
          (net, todo, more) => {
            const run = new RandomRun(net);
            const recorder = new Recorder(run);
            run.cluster.run(300);
            for (const step of todo) {
              if (step.kind === 'restartEmpty' || step.kind === 'restartBackup') continue;
              if (step.kind === 'write' || step.kind === 'burst') recorder.do(step);
              else run.do(step);
              for (let count = 0; count < 3; count++) {
                const { value } = more.next();
                recorder.do({ kind: 'write', node: value.node, other: 0, value: value.value });
                run.cluster.run(value.value % 20);
              }
            }
            run.end();
            for (const [at] of run.cluster.nodes.entries())
              for (const [key] of KEYS.entries())
                recorder.do({ kind: 'write', node: at, other: 0, value: key * 4 + 3 });
            expect(checkCausalConvergence(recorder.history).violations).toEqual([]);
            seen.histories++;
            for (const key of KEYS) {
              const writers = new Set(
                recorder.history.filter((each) => each.op === 'write' && each.key === key).map((each) => each.client),
              );
              if (writers.size > 1) seen.concurrentKeys++;
            }
          },
        ),
        runOptions(12, 30_000),
      );
    },
    runs(180_000),
  );

  afterAll(() => {
    console.log(`sessions: ${JSON.stringify(seen)}`);
    for (const [what, count] of Object.entries(seen))
      expect(count, `a run that shows nothing: no ${what}`).toBeGreaterThan(0);
  });
});
