import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { VIRTUAL_START_MS, VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

const KEY = latin1Range('k');
const persist = (node: VirtualNode): number => node.write((tx) => tx.expire(KEY, 0, Infinity));

describe('D9: purging', () => {
  it('hides by max(clock, HLC): a node whose clock is behind, but which has seen a later write, hides too', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'] });
    cluster.run(1_000);
    const [a, b] = [cluster.node(0), cluster.node(1)];
    b.clockOffsetMs = -400;
    const expiryMs = VIRTUAL_START_MS + cluster.timeMs + 300;
    a.set('k', 'v', expiryMs);
    cluster.run(310);
    expect(a.get('k')).toBeNull();
    expect(b.get('k')).toBe('v');
    a.set('other', 'made after the expiry');
    cluster.run(50);
    expect(b.now().wallMs).toBeLessThan(expiryMs);
    expect([b.get('other'), b.get('k')]).toEqual(['made after the expiry', null]);
  });

  it('a PERSIST made in time, by a clock that is behind, and long on its way, keeps the key', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    c.clockOffsetMs = -300;
    a.set('k', 'v', VIRTUAL_START_MS + cluster.timeMs + 900);
    // long enough for the write itself to be stable
    cluster.run(600);
    cluster.cut('a', 'c');
    cluster.cut('b', 'c');
    cluster.run(450);
    expect([a.get('k'), b.get('k'), c.get('k')]).toEqual([null, null, 'v']);
    persist(c);
    cluster.run(20_000);
    // hidden, and kept: the row of c that counts is from before the expiry
    expect(a.get('k')).toBeNull();
    expect(a.core.telemetry(0).tombstones).toBe(1);
    cluster.healAll();
    expect(cluster.runUntil(() => cluster.nodes.every((node) => node.get('k') === 'v'), 10_000)).toBe(true);
    expect(cluster.runUntil(() => cluster.areEqual(), 5_000)).toBe(true);
  });

  it('goes for good once the clock of every member has passed the expiry, and not before', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, c] = [cluster.node(0), cluster.node(2)];
    c.clockOffsetMs = -450;
    const expiryMs = VIRTUAL_START_MS + cluster.timeMs + 200;
    a.set('k', 'v', expiryMs);
    const purged = (): boolean =>
      cluster.nodes.every((node) => node.core.telemetry(0).tombstones + node.core.keys.count === 0);
    // the HLC of c follows the rows of the others only by what they write: its own clock has to pass
    cluster.run(500);
    expect(c.now().wallMs).toBeLessThan(expiryMs);
    expect(a.core.telemetry(0).tombstones).toBe(1);
    expect(cluster.runUntil(purged, 3_000)).toBe(true);
    expect(c.now().wallMs).toBeGreaterThanOrEqual(expiryMs);
  });

  it('a member that is away keeps the metadata of an expired key, not its place among those that show', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const a = cluster.node(0);
    cluster.kill(cluster.node(2));
    a.set('k', 'v', VIRTUAL_START_MS + cluster.timeMs + 100);
    cluster.run(10_000);
    expect([a.get('k'), a.core.keys.count, a.core.telemetry(0).tombstones]).toEqual([null, 0, 1]);
    cluster.restart(cluster.node(2));
    expect(cluster.runUntil(() => cluster.nodes.every((node) => node.core.telemetry(0).tombstones === 0), 20_000)).toBe(
      true,
    );
  });

  it('clocks apart and expiries at random: all nodes come to the same, and nothing is left', () => {
    for (const offsets of [
      [0, 200, -200],
      [-400, 0, 50],
      [300, -150, 0],
    ]) {
      const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
      cluster.nodes.forEach((node, at) => (node.clockOffsetMs = offsets[at] ?? 0));
      cluster.run(1_500);
      for (let at = 0; at < 60; at++) {
        const node = cluster.node(at % 3);
        if (!node.isWritable) continue;
        if (at % 4 === 3) persist(node);
        else node.set(at % 2 === 0 ? 'k' : `k${at}`, 'v', node.now().wallMs + 20 * (at % 9));
        cluster.run(13);
      }
      expect(
        cluster.runUntil(() => cluster.nodes.every((node) => node.core.telemetry(0).tombstones === 0), 20_000),
      ).toBe(true);
      expect(cluster.areEqual()).toBe(true);
    }
  });
});
