import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runOptions, runs } from '../support/fast-check-runs.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import { Removal } from './removal.ts';

const REGIONS = ['a', 'b', 'c', 'd'] as const;
const step = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'delete', 'cut', 'heal', 'reset', 'pause', 'resume', 'run'),
  node: fc.nat(3),
  other: fc.nat(3),
  value: fc.nat(300),
} as const);

/** Writes of survivors that were answered, by key: each key has one writer, so its last write wins. */
class Run {
  readonly cluster: VirtualCluster;
  readonly lost: VirtualNode;
  readonly survivors: readonly VirtualNode[];
  readonly #kept: Map<string, string | null> = new Map();
  #count = 0;

  constructor(delaysMs: readonly number[], lost: number) {
    const delayOf = (from: number, to: number): number =>
      delaysMs[Math.floor(from / 64) * 4 + Math.floor(to / 64)] ?? 5;
    this.cluster = new VirtualCluster({
      regions: REGIONS,
      delayMs: (from, to) => 1 + delayOf(from.nodeNumber, to.nodeNumber),
    });
    this.cluster.run(1_000);
    this.lost = this.cluster.node(lost);
    this.survivors = this.cluster.nodes.filter((node) => node !== this.lost);
  }

  do({ kind, node, other, value }: { kind: string; node: number; other: number; value: number }): void {
    const { cluster } = this;
    const at = cluster.node(node);
    const to = cluster.node(other);
    if (kind === 'write' || kind === 'delete') this.#write(at, kind === 'delete', value);
    else if (kind === 'cut' && at !== to) cluster.cut(at.id, to.id);
    else if (kind === 'heal') cluster.heal(at.id, to.id);
    else if (kind === 'reset' && at !== to) cluster.reset(at, to);
    else if (kind === 'pause') cluster.pause(at);
    else if (kind === 'resume') cluster.resume(at);
    else cluster.run(value);
  }

  #write(node: VirtualNode, isDelete: boolean, value: number): void {
    if (!node.isWritable) return;
    const key = `${node.id}${value % 5}`;
    const text = `${this.#count++}`;
    if (isDelete) node.delete(key);
    else node.set(key, text);
    if (node !== this.lost) this.#kept.set(key, isDelete ? null : text);
  }

  /** Everything is mended but what was lost. */
  mend(): void {
    this.cluster.healAll();
    for (const node of this.survivors) this.cluster.resume(node);
  }

  check(): void {
    const { cluster } = this;
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 60_000)).toBe(true);
    for (const [key, text] of this.#kept)
      expect(this.survivors.map((node) => node.get(key))).toEqual([text, text, text]);
    const isSmall = (): boolean =>
      this.survivors.every((node) => {
        const { logTransactions, tombstones } = node.core.telemetry(0);
        return logTransactions === 0 && tombstones === 0 && node.vector().floor(this.lost.member.nodeNumber) > 1;
      });
    expect(cluster.runUntil(isSmall, 60_000)).toBe(true);
  }
}

it(
  'survivors of a removal at any time are equal, have lost nothing that they answered, and forget again',
  () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { minLength: 24, maxLength: 24 }),
        fc.nat(3),
        fc.boolean(),
        fc.array(step, { maxLength: 40 }),
        fc.array(step, { maxLength: 20 }),
        fc.array(step, { maxLength: 20 }),
        (delaysMs, lost, isLive, before, between, after) => {
          const run = new Run(delaysMs, lost);
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
