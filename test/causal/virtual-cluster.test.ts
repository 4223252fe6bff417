import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

const regions = ['us', 'eu', 'ap'];

describe('a cluster in virtual time', () => {
  it('carries a write to every region', () => {
    const cluster = new VirtualCluster({ regions });
    cluster.run(1_000);
    cluster.node(0).set('k', 'v');
    expect(cluster.runUntil(() => cluster.nodes.every((node) => node.get('k') === 'v'), 1_000)).toBe(true);
    expect(cluster.areEqual()).toBe(true);
  });

  it('goes through the third region while a link is cut, and is equal after it healed', () => {
    const cluster = new VirtualCluster({ regions });
    cluster.run(1_000);
    cluster.cut('us', 'ap');
    cluster.node(0).set('k', 'v');
    expect(cluster.runUntil(() => cluster.node(2).get('k') === 'v', 5_000)).toBe(true);
    cluster.heal('us', 'ap');
    cluster.node(2).set('k2', 'v2');
    expect(cluster.runUntil(() => cluster.areEqual(), 5_000)).toBe(true);
  });

  it('restarts warm under a new incarnation and retires the old one', () => {
    const cluster = new VirtualCluster({ regions });
    cluster.run(1_000);
    const node = cluster.node(0);
    node.set('k', 'v');
    cluster.run(500);
    cluster.kill(node);
    cluster.run(200);
    cluster.node(1).set('k2', 'v2');
    cluster.restart(node);
    expect(cluster.runUntil(() => node.core.unreadyReasons(0).length === 0, 10_000)).toBe(true);
    expect([node.get('k'), node.get('k2')]).toEqual(['v', 'v2']);
    cluster.run(5_000);
    for (const each of cluster.nodes) expect(each.core.vector().size).toBeLessThanOrEqual(6);
  });

  it('fills an empty disk by a snapshot once the logs are gone', () => {
    const cluster = new VirtualCluster({ regions });
    cluster.run(1_000);
    const node = cluster.node(2);
    for (let at = 0; at < 2_000; at++) cluster.node(at % 2).set(`k${at}`, `v${at}`);
    cluster.run(2_000);
    cluster.kill(node);
    cluster.run(1_000);
    cluster.restart(node, { emptyDisk: true });
    expect(cluster.runUntil(() => node.core.unreadyReasons(0).length === 0 && cluster.areEqual(), 10_000)).toBe(true);
    expect(node.core.telemetry(0).snapshotsReceivedTotal).toBeGreaterThan(0);
    expect(node.core.keys.count).toBe(2_000);
  });

  it('forgets: no log, no tombstones, no runs once quiet', () => {
    const cluster = new VirtualCluster({ regions });
    cluster.run(1_000);
    const key = latin1Range('n');
    for (let at = 0; at < 50; at++) {
      cluster.node(at % 3).write((tx) => tx.increment(key, 0, 1n));
      cluster.node(at % 3).set(`t${at}`, 'x');
      cluster.node(at % 3).write((tx) => tx.delete(latin1Range(`t${at}`), 0));
    }
    expect(cluster.runUntil(() => cluster.areEqual(), 5_000)).toBe(true);
    expect(cluster.node(1).get('n')).toBe('50');
    cluster.run(5_000);
    for (const node of cluster.nodes) {
      const { logBytes, tombstones } = node.core.telemetry(0);
      expect({ logBytes, tombstones }).toEqual({ logBytes: 0, tombstones: 0 });
    }
  });
});
