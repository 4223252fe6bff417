import { describe, expect, it } from 'vitest';
import { WireTap } from '../properties/delivery/wire-tap.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

interface Watched {
  readonly cluster: VirtualCluster;
  readonly tap: WireTap;
  /** Chunks carried since, `origin's node>from>to`. */
  chunks: string[];
}

function watched(regions: readonly string[], nodesPerRegion: number, delayMs = 10): Watched {
  const tap = new WireTap();
  const cluster = new VirtualCluster({ regions, nodesPerRegion, delayMs: () => delayMs });
  const state: Watched = { cluster, tap, chunks: [] };
  cluster.observer = { carried: (from, to, _kind, bytes) => tap.carried(from, to, bytes) };
  tap.onFrame = (from, to, frame) => {
    if (frame.type !== 'transactions') return;
    const maker = cluster.nodes.find((node) => Math.floor(frame.origin / 2 ** 32) === node.member.nodeNumber);
    state.chunks.push(`${maker?.id}>${from.id}>${to.id}`);
  };
  cluster.run(3_000);
  return state;
}

const everywhere = (cluster: VirtualCluster, key: string): boolean =>
  cluster.nodes.every((node) => node.get(key) !== null);
const isWan = (chunk: string): boolean => {
  const [, from = '', to = ''] = chunk.split('>');
  return from.split('/')[0] !== to.split('/')[0];
};

describe('from whom a stream is taken', () => {
  it('one WAN copy for a region, relayed by its gateway; nothing is sent twice', () => {
    const state = watched(['a', 'b', 'c'], 3);
    const { cluster } = state;
    state.chunks = [];
    cluster.node(0).set('k', 'v');
    expect(cluster.runUntil(() => everywhere(cluster, 'k'), 2_000)).toBe(true);
    cluster.run(1_000);
    expect(state.chunks.filter(isWan)).toHaveLength(2);
    expect(new Set(state.chunks).size).toBe(8);
    expect(state.chunks).toHaveLength(8);
  });

  it('stays as it is while all is well: no stream is rewound or taken another way', () => {
    const { cluster, tap } = watched(['a', 'b', 'c'], 2, 80);
    Object.assign(tap.counts, { rewinds: 0, reroutes: 0, fetches: 0 });
    for (let at = 0; at < 400; at++) {
      cluster.node(at % 6).set(`k${at}`, 'v');
      cluster.run(25);
    }
    expect([tap.counts.rewinds, tap.counts.reroutes]).toEqual([0, 0]);
  });

  it('goes round a slow link within its patience, stays there, and comes back when the link is fast again', () => {
    const { cluster, tap } = watched(['a', 'b', 'c'], 1, 40);
    const [a, c] = [cluster.node(0), cluster.node(2)];
    const slow = (from: VirtualNode['member'], to: VirtualNode['member']): boolean =>
      from.region !== 'b' && to.region !== 'b';
    cluster.delayMs = (from, to) => (slow(from, to) ? 5_000 : 40);
    cluster.run(1_000);
    tap.counts.reroutes = 0;
    for (let at = 0; at < 200; at++) {
      a.set('k', `${at}`);
      cluster.run(100);
    }
    expect(cluster.runUntil(() => c.get('k') === '199', 500)).toBe(true);
    expect(tap.counts.reroutes).toBeLessThan(12);
    cluster.delayMs = () => 40;
    cluster.run(30_000);
    const before = tap.counts.relayed;
    for (let at = 0; at < 20; at++) {
      a.set('k', `again ${at}`);
      cluster.run(100);
    }
    cluster.run(1_000);
    expect([c.get('k'), tap.counts.relayed]).toEqual(['again 19', before]);
  });

  it('a gateway that does not reach a node takes it from another region, or from its mate that does', () => {
    for (const regions of [
      ['a', 'b'],
      ['a', 'b', 'c'],
    ]) {
      const { cluster } = watched(regions, 2);
      for (const near of [0, 1]) {
        for (const far of [2, 3]) {
          cluster.cut(cluster.node(near).id, cluster.node(far).id);
          for (const writer of [near, far]) {
            const key = `${near}${far}${writer}`;
            cluster.node(writer).set(key, 'v');
            expect(cluster.runUntil(() => everywhere(cluster, key), 3_000)).toBe(true);
          }
          cluster.heal(cluster.node(near).id, cluster.node(far).id);
          cluster.run(1_500);
        }
      }
    }
  });

  it('the mate of a gateway takes the stream from the node itself where nobody else reaches it', () => {
    const { cluster } = watched(['a', 'b'], 2);
    cluster.kill(cluster.node(3));
    cluster.cut('a/a', 'b/a');
    const running = (): boolean => cluster.running().every((node) => node.get('k') !== null);
    cluster.node(2).set('k', 'v');
    expect(cluster.runUntil(running, 3_000)).toBe(true);
  });

  it('two that are cut off a third do not wait for each other while a fourth has it', () => {
    const { cluster } = watched(['a', 'b', 'c', 'd'], 1);
    cluster.cut('a', 'c');
    cluster.cut('a', 'd');
    for (let at = 0; at < 20; at++) {
      cluster.node(0).set(`k${at}`, 'v');
      expect(cluster.runUntil(() => everywhere(cluster, `k${at}`), 1_500)).toBe(true);
      if (at % 5 === 4) {
        // the one that has it loses its way for a while
        cluster.cut('a', 'b');
        cluster.run(300);
        cluster.heal('a', 'b');
        cluster.run(300);
      }
    }
  });

  it('a chain of regions of which only neighbours reach each other carries everything to its end', () => {
    const { cluster } = watched(['a', 'b', 'c', 'd', 'e'], 1);
    const regions = ['a', 'b', 'c', 'd', 'e'];
    for (const [left, from] of regions.entries()) for (const to of regions.slice(left + 2)) cluster.cut(from, to);
    cluster.node(0).set('from the left', 'v');
    cluster.node(4).set('from the right', 'v');
    expect(
      cluster.runUntil(() => everywhere(cluster, 'from the left') && everywhere(cluster, 'from the right'), 10_000),
    ).toBe(true);
    expect(cluster.runUntil(() => cluster.areEqual(), 2_000)).toBe(true);
  });

  it('a stream that came by a node that restarts is taken from another at once', () => {
    const { cluster } = watched(['a', 'b', 'c'], 1);
    cluster.cut('a', 'c');
    cluster.node(0).set('k', 'v');
    expect(cluster.runUntil(() => everywhere(cluster, 'k'), 3_000)).toBe(true);
    cluster.kill(cluster.node(1));
    cluster.node(0).set('k2', 'v');
    cluster.run(300);
    cluster.restart(cluster.node(1));
    expect(cluster.runUntil(() => everywhere(cluster, 'k2'), 10_000)).toBe(true);
  });
});
