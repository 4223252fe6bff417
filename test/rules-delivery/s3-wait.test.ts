import { describe, expect, it } from 'vitest';
import { VirtualCluster } from '../support/virtual-cluster.ts';

describe('S3: WAIT counts a region when all its live nodes have applied the dot', () => {
  it('counts other regions, not the own one, as the rows come in', () => {
    const cluster = new VirtualCluster({
      regions: ['a', 'b', 'c'],
      nodesPerRegion: 2,
      delayMs: (from, to) => (to.region === 'c' || from.region === 'c' ? 100 : 10),
    });
    cluster.run(3_000);
    const a = cluster.node(0);
    a.set('k', 'v');
    const dot = a.core.lastDot();
    if (dot === null) throw new Error('a write has a dot');
    const count = (): number => a.core.regionsCovering(dot);
    expect(count()).toBe(0);
    cluster.run(100);
    expect(count()).toBe(1);
    expect(cluster.runUntil(() => count() === 2, 2_000)).toBe(true);
  });

  it('one node of a region that has it is not the region; a node that is no longer live does not hold it up', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'], nodesPerRegion: 2 });
    cluster.run(3_000);
    const [a, , b1, b2] = [cluster.node(0), cluster.node(1), cluster.node(2), cluster.node(3)];
    cluster.pause(b2);
    a.set('k', 'v');
    const dot = a.core.lastDot();
    if (dot === null) throw new Error('a write has a dot');
    expect(cluster.runUntil(() => b1.get('k') === 'v', 2_000)).toBe(true);
    cluster.run(1_000);
    expect(a.core.regionsCovering(dot)).toBe(0);
    cluster.run(cluster.limits.liveMs);
    expect(a.core.regionsCovering(dot)).toBe(1);
    cluster.resume(b2);
    cluster.run(1_000);
    expect([b2.get('k'), a.core.regionsCovering(dot)]).toEqual(['v', 1]);
  });

  it('a region of which no node is live is not counted, though it once had everything', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(2_000);
    const a = cluster.node(0);
    a.set('k', 'v');
    const dot = a.core.lastDot();
    if (dot === null) throw new Error('a write has a dot');
    cluster.run(500);
    expect(a.core.regionsCovering(dot)).toBe(2);
    cluster.kill(cluster.node(2));
    cluster.run(cluster.limits.liveMs + 500);
    expect(a.core.regionsCovering(dot)).toBe(1);
  });

  it('a row that came by another region counts: the way is cut, the region is not gone', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(2_000);
    cluster.cut('a', 'c');
    const a = cluster.node(0);
    cluster.run(10_000);
    a.set('k', 'v');
    const dot = a.core.lastDot();
    if (dot === null) throw new Error('a write has a dot');
    expect(cluster.runUntil(() => a.core.regionsCovering(dot) === 2, 2_000)).toBe(true);
  });
});
