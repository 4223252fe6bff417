import fc from 'fast-check';
import { expect } from 'vitest';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import type { VirtualStrong } from '../support/virtual-node.ts';

const REGIONS = ['a', 'b', 'c', 'd'] as const;
export const memberStep: fc.Arbitrary<MemberStep> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'delete', 'cut', 'heal', 'reset', 'pause', 'resume', 'run'),
  node: fc.nat(3),
  other: fc.nat(3),
  value: fc.nat(300),
} as const);

/** The delays of a network, who is lost, and whether that one lives on. */
export const lossAtRandom = [fc.array(fc.nat(200), { minLength: 24, maxLength: 24 }), fc.nat(3), fc.boolean()] as const;

/** What happens at random between the steps of an operator. */
export interface MemberStep {
  readonly kind: string;
  readonly node: number;
  readonly other: number;
  readonly value: number;
}

/** Writes of survivors that were answered, by key: each key has one writer, so its last write wins. */
export class RandomMembers {
  readonly cluster: VirtualCluster;
  readonly lost: VirtualNode;
  readonly survivors: readonly VirtualNode[];
  readonly #kept: Map<string, string | null> = new Map();
  /** Whether the lost one is a member again: what it answers counts. */
  hasJoined = false;
  #count = 0;

  constructor(delaysMs: readonly number[], lost: number, strong?: VirtualStrong) {
    const delayOf = (from: number, to: number): number =>
      delaysMs[Math.floor(from / 64) * 4 + Math.floor(to / 64)] ?? 5;
    this.cluster = new VirtualCluster({
      regions: REGIONS,
      delayMs: (from, to) => 1 + delayOf(from.nodeNumber, to.nodeNumber),
      ...(strong === undefined ? {} : { strong }),
    });
    this.cluster.run(1_000);
    this.lost = this.cluster.node(lost);
    this.survivors = this.cluster.nodes.filter((node) => node !== this.lost);
  }

  do({ kind, node, other, value }: MemberStep): void {
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
    const isShared = value % 7 === 0;
    const key = isShared ? 'shared' : `${node.id}${value % 5}`;
    const text = `${this.#count++}`;
    if (isDelete) node.delete(key);
    else node.set(key, text);
    const isMember = node !== this.lost || this.hasJoined;
    if (isMember && !isShared) this.#kept.set(key, isDelete ? null : text);
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
      expect(cluster.running().map((node) => node.get(key))).toEqual(cluster.running().map(() => text));
    const isSmall = (): boolean =>
      cluster.running().every((node) => {
        const { logTransactions, tombstones } = node.core.telemetry(0);
        return logTransactions === 0 && tombstones === 0 && node.vector().floor(this.lost.member.nodeNumber) > 1;
      });
    expect(cluster.runUntil(isSmall, 60_000)).toBe(true);
  }
}
