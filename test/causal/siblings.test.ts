import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { ActiveClasses } from '../../src/classes/active-classes.ts';
import { nodeOf } from '../../src/clock/origin.ts';
import { classesOf, siblingClass } from '../support/sibling-classes.ts';
import { VirtualCluster, type VirtualNode, type VirtualOptions } from '../support/virtual-cluster.ts';

const REGIONS = ['us', 'eu', 'ap'];

const classes = (): ActiveClasses => classesOf(siblingClass('cart:*'));

function ready(options: Partial<VirtualOptions> = {}): VirtualCluster {
  const cluster = new VirtualCluster({ regions: REGIONS, classes: classes(), ...options });
  if (!cluster.runUntil(() => cluster.nodes.every((node) => node.isWritable))) throw new Error('not ready');
  return cluster;
}

function isolateAll(cluster: VirtualCluster): void {
  cluster.cut('us', 'eu');
  cluster.cut('us', 'ap');
  cluster.cut('eu', 'ap');
}

function comeToRest(cluster: VirtualCluster): void {
  cluster.healAll();
  if (!cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 30_000)) throw new Error('not equal');
}

interface Shown {
  readonly siblings: readonly string[];
  readonly shown: string | null;
  readonly expiryMs: number;
}

/** What a node has of a key, each sibling as `value by node`. */
function shownAt(node: VirtualNode, key: string): Shown {
  const { keys, names } = node.core;
  const slot = keys.find(latin1Range(key), 0, node.core.nowMs(node.now().wallMs));
  if (slot < 0) return { siblings: [], shown: null, expiryMs: Infinity };
  const { siblings, shown } = keys.siblingsAt(slot);
  expect(node.get(key)).toBe(shown.text);
  return {
    siblings: siblings.map(({ value, dot }) => `${value} by ${names(nodeOf(dot.origin))}`),
    shown: shown.text,
    expiryMs: keys.expiryOf(slot),
  };
}

const everywhere = (cluster: VirtualCluster, key: string): Shown[] => cluster.nodes.map((node) => shownAt(node, key));

const KEY = 'cart:7';

/** Three regions write at once, each cut off from the others, in the order of the nodes. */
function writeApart(cluster: VirtualCluster): void {
  isolateAll(cluster);
  for (const [at, value] of ['x', 'y', 'z'].entries()) {
    cluster.run(100);
    cluster.node(at).set(KEY, value);
  }
  cluster.run(500);
}

const THREE = ['x by us/a', 'y by eu/a', 'z by ap/a'];

describe('siblings between regions (V5)', () => {
  it('three regions write at once during a cut: all show the same three, and one write ends it everywhere', () => {
    const cluster = ready();
    writeApart(cluster);
    expect(everywhere(cluster, KEY).map(({ shown }) => shown)).toEqual(['x', 'y', 'z']);
    comeToRest(cluster);
    const three = { siblings: THREE, shown: 'z', expiryMs: Infinity };
    expect(everywhere(cluster, KEY)).toEqual([three, three, three]);
    // stable, and still there
    cluster.run(10_000);
    expect(everywhere(cluster, KEY)).toEqual([three, three, three]);
    cluster.node(1).write((tx) => tx.setKeepingExpiry(latin1Range(KEY), 0, latin1Range('end')));
    comeToRest(cluster);
    const end = { siblings: ['end by eu/a'], shown: 'end', expiryMs: Infinity };
    expect(everywhere(cluster, KEY)).toEqual([end, end, end]);
  });

  it('a write that saw two of three leaves the third', () => {
    const cluster = ready();
    writeApart(cluster);
    cluster.heal('us', 'eu');
    cluster.runUntil(() => shownAt(cluster.node(0), KEY).siblings.length === 2);
    cluster.node(0).set(KEY, 'w');
    comeToRest(cluster);
    const rest = { siblings: ['z by ap/a', 'w by us/a'], shown: 'w', expiryMs: Infinity };
    expect(everywhere(cluster, KEY)).toEqual([rest, rest, rest]);
  });

  it('they are there after a restart from the store, and at a node that got them as a snapshot', () => {
    const cluster = ready({ limits: { logBytesMax: 1 } });
    writeApart(cluster);
    comeToRest(cluster);
    cluster.node(0).write((tx) => tx.expire(latin1Range(KEY), 0, cluster.node(0).now().wallMs + 600_000));
    comeToRest(cluster);
    cluster.run(5_000);
    const before = shownAt(cluster.node(0), KEY);
    expect(before.siblings).toEqual(THREE);
    expect(before.expiryMs).toBeLessThan(Infinity);
    for (const [at, emptyDisk] of [
      [1, false],
      [2, true],
    ] as const) {
      const node = cluster.node(at);
      cluster.kill(node);
      cluster.run(1_000);
      cluster.restart(node, { emptyDisk });
      comeToRest(cluster);
    }
    expect(cluster.node(2).core.telemetry(0).snapshotsReceivedTotal).toBeGreaterThan(0);
    expect(everywhere(cluster, KEY)).toEqual([before, before, before]);
  });

  it('snapshots between nodes that each wrote keep all of it', () => {
    // logs that hold nothing: whoever comes back gets a snapshot
    const cluster = ready({ limits: { logBytesMax: 1 } });
    writeApart(cluster);
    for (const [at, node] of cluster.nodes.entries())
      for (let more = 0; more < 20; more++) node.set(`more:${at}:${more}`, 'v');
    cluster.run(5_000);
    comeToRest(cluster);
    expect(cluster.nodes.some((node) => node.core.telemetry(0).snapshotsReceivedTotal > 0)).toBe(true);
    const three = { siblings: THREE, shown: 'z', expiryMs: Infinity };
    expect(everywhere(cluster, KEY)).toEqual([three, three, three]);
  });

  it('INCR on several in two regions at once leaves two, and one more ends it', () => {
    const cluster = ready();
    isolateAll(cluster);
    cluster.node(0).increment(KEY, 5n);
    cluster.run(100);
    cluster.node(1).set(KEY, '10');
    comeToRest(cluster);
    expect(shownAt(cluster.node(2), KEY)).toMatchObject({ siblings: ['5 by us/a', '10 by eu/a'], shown: '10' });
    isolateAll(cluster);
    cluster.node(0).increment(KEY, 1n);
    cluster.run(100);
    cluster.node(1).increment(KEY, 2n);
    comeToRest(cluster);
    const two = { siblings: ['11 by us/a', '12 by eu/a'], shown: '12', expiryMs: Infinity };
    expect(everywhere(cluster, KEY)).toEqual([two, two, two]);
    cluster.node(2).increment(KEY, 1n);
    comeToRest(cluster);
    expect(everywhere(cluster, KEY).map(({ siblings }) => siblings)).toEqual(
      Array.from({ length: 3 }, () => ['13 by ap/a']),
    );
  });

  it('keys of other classes keep none', () => {
    const cluster = ready();
    isolateAll(cluster);
    for (const node of cluster.nodes) {
      cluster.run(100);
      node.set('other', node.id);
    }
    comeToRest(cluster);
    for (const shown of everywhere(cluster, 'other')) {
      expect(shown).toMatchObject({ siblings: ['ap/a by ap/a'], shown: 'ap/a' });
    }
  });

  it('CW.EXPLAIN names every sibling', () => {
    const cluster = ready();
    writeApart(cluster);
    comeToRest(cluster);
    const lines = cluster.node(0).core.explain(latin1Range(KEY), 0);
    const siblings = lines.filter(([name]) => name === 'sibling').map(([, text]) => text.replace(/#.*/, ''));
    expect(siblings).toEqual(['"z" by ap/a', '"y" by eu/a', '"x" by us/a']);
    expect(lines.find(([name, text]) => name === 'rule' && text.startsWith('siblings'))).toBeDefined();
  });
});
