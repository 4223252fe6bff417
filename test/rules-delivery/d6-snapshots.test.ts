import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { originFor, PlayedStream, ScriptedNode } from '../support/scripted-node.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

/** Three regions with logs so short that whoever was away needs a snapshot, sent entry by entry. */
function shortLogs(logBytesMax = 1): VirtualCluster {
  const cluster = new VirtualCluster({
    regions: ['a', 'b', 'c'],
    limits: { logBytesMax, snapshotEntriesPerFrame: 1, windowBytes: 200, startGraceMs: 500 },
  });
  cluster.run(1_000);
  return cluster;
}

/** So many keys are everywhere, and the third region is away. */
function awayWith(keys: number): { readonly cluster: VirtualCluster; readonly c: VirtualNode } {
  const cluster = shortLogs();
  const [a, c] = [cluster.node(0), cluster.node(2)];
  for (let at = 0; at < keys; at++) a.set(`k${at}`, 'v');
  cluster.run(1_000);
  cluster.kill(c);
  cluster.run(200);
  return { cluster, c };
}

const snapshotsAt = (node: VirtualNode): number => node.core.telemetry(0).snapshotsReceivedTotal;

describe('D6: snapshots merge by dot', () => {
  it('R has applied B:7 = SREM x, S is at B:6 and still holds x: a snapshot of S does not bring x back', () => {
    const b = new PlayedStream('B');
    const frames = [
      b.next([['sadd', 's', 'x']]),
      ...Array.from({ length: 5 }, (_unused, at) => b.next([['sadd', 's', `y${at}`]])),
      b.next([['srem', 's', 'x']]),
    ];
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const frame of frames) node.give('B', frame);
    node.give('C', { type: 'truncated' });
    expect(node.take('snapshot-request').map(({ to }) => to)).toEqual(['C']);
    const B = originFor('B');
    node.give('C', {
      type: 'snapshot-begin',
      vector: [
        [B, 6],
        [originFor('C'), 1],
      ],
      running: [],
      stable: [],
      flush: null,
      stamp: 1 as never,
    });
    const members = ['x', ...Array.from({ length: 5 }, (_unused, at) => `y${at}`)].map(
      (name, at): [string, [null, number, number, number][]] => [name, [[null, at + 1, B, at + 1]]],
    );
    node.give('C', {
      type: 'snapshot-entries',
      entries: [['s', [null, null, [...members, ['z', [[null, 9, originFor('C'), 1]]]], null]]],
    });
    expect(node.members('s')).not.toContain('z');
    node.give('C', { type: 'snapshot-end', count: 1 });
    expect(node.members('s')).toEqual(['y0', 'y1', 'y2', 'y3', 'y4', 'z']);
    expect([node.has(B), node.has(originFor('C'))]).toEqual([7, 1]);
  });

  it('is an exact cut: what is written while it streams is not half in it', () => {
    const cluster = shortLogs(3_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    for (let at = 0; at < 60; at++) a.set(`k${at}`, 'before');
    cluster.run(1_000);
    cluster.kill(c);
    cluster.run(200);
    // pairs that are written as one transaction: every cut shows both the same
    for (let at = 0; at < 30; at++) writePair(a, at, '0');
    cluster.run(500);
    cluster.restart(c, { emptyDisk: true });
    let during = 0;
    for (let round = 1; round < 2_000 && c.core.unreadyReasons(0).length > 0; round++) {
      writePair(round % 2 === 0 ? a : b, round % 30, `${round}`);
      cluster.run(5);
      if (snapshotsAt(c) === 0) during++;
      for (let at = 0; at < 30; at++) expect(c.get(`left${at}`)).toBe(c.get(`right${at}`));
    }
    expect(during).toBeGreaterThan(10);
    expect(cluster.runUntil(() => cluster.areEqual(), 60_000)).toBe(true);
    expect(snapshotsAt(c)).toBeGreaterThan(0);
    expect(c.get('k59')).toBe('before');
  });

  it('nothing of it shows before it is whole; a connection lost in the middle begins it anew', () => {
    const { cluster, c } = awayWith(60);
    let entries = 0;
    let lost = 0;
    cluster.observer = {
      carried: (_from, to, _kind, bytes) => {
        if (to !== c || peerCodec.decodeFrame(bytes).type !== 'snapshot-entries') return;
        entries++;
        if (entries % 25 === 0 && lost < 3) {
          lost++;
          const { nodes } = cluster;
          cluster.at(1, () => nodes.forEach((node) => node !== c && cluster.reset(node, c, ['bulk'])));
        }
      },
    };
    cluster.restart(c, { emptyDisk: true });
    while (snapshotsAt(c) === 0 && cluster.timeMs < 30_000) {
      expect(c.core.keys.count).toBe(0);
      cluster.run(10);
    }
    expect(lost).toBe(3);
    expect(cluster.runUntil(() => cluster.areEqual(), 10_000)).toBe(true);
    expect(c.core.keys.count).toBe(60);
  });

  it('a connection that replaces the one it came on, seen by one end first, begins it anew too', () => {
    const { cluster, c } = awayWith(60);
    let entries = 0;
    cluster.observer = {
      carried: (from, to, _kind, bytes) => {
        if (to !== c || peerCodec.decodeFrame(bytes).type !== 'snapshot-entries') return;
        entries++;
        if (entries === 20) cluster.at(1, () => cluster.reopen(from, c, 'bulk'));
      },
    };
    cluster.restart(c, { emptyDisk: true });
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 30_000)).toBe(true);
    expect([c.core.keys.count, entries > 60]).toEqual([60, true]);
  });

  it.each(['bulk', 'control'] as const)('a request or offer lost with the %s connection is made again', (kind) => {
    const { cluster, c } = awayWith(10);
    let lost = 0;
    cluster.observer = {
      carried: (from, to, _kind, bytes) => {
        const { type } = peerCodec.decodeFrame(bytes);
        if (lost < 6 && (type === 'snapshot-request' || type === 'truncated')) {
          lost++;
          cluster.at(0, () => cluster.reset(from, to, [kind]));
        }
      },
    };
    cluster.restart(c, { emptyDisk: true });
    expect(cluster.runUntil(() => snapshotsAt(c) > 0 && cluster.areEqual(), 30_000)).toBe(true);
    expect(lost).toBeGreaterThan(1);
  });

  it('a receiver that is ahead in some origins loses nothing of them, nor brings back what they removed', () => {
    const cluster = shortLogs();
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    b.setAdd('s', 'x');
    b.setAdd('s', 'y');
    cluster.run(1_000);
    cluster.cut('b', 'a');
    cluster.cut('a', 'c');
    // c follows b and gets ahead of a, a goes on alone
    b.setRemove('s', 'x');
    b.setAdd('s', 'z');
    b.increment('n');
    for (let at = 0; at < 20; at++) a.set(`a${at}`, 'v');
    cluster.run(2_000);
    expect(c.members('s')).toEqual(['y', 'z']);
    expect(a.members('s')).toEqual(['x', 'y']);
    cluster.cut('b', 'c');
    cluster.heal('a', 'c');
    expect(cluster.runUntil(() => c.get('a19') === 'v', 10_000)).toBe(true);
    expect(snapshotsAt(c)).toBeGreaterThan(0);
    expect([c.members('s'), c.get('n')]).toEqual([['y', 'z'], '1']);
    cluster.healAll();
    expect(cluster.runUntil(() => cluster.areEqual(), 10_000)).toBe(true);
    expect([a.members('s'), a.get('n')]).toEqual([['y', 'z'], '1']);
  });

  it('a log cut under an open but slow connection is said, and a snapshot makes up for it', () => {
    const cluster = new VirtualCluster({
      regions: ['a', 'b'],
      limits: { logBytesMax: 400, windowBytes: 100, chunkBytesMax: 50 },
    });
    cluster.run(1_000);
    const [a, b] = [cluster.node(0), cluster.node(1)];
    cluster.delayMs = () => 300;
    for (let at = 0; at < 60; at++) {
      a.set(`k${at}`, 'v');
      cluster.run(10);
    }
    expect(cluster.runUntil(() => cluster.areEqual(), 30_000)).toBe(true);
    expect([b.core.keys.count, snapshotsAt(b)]).toEqual([60, snapshotsAt(b)]);
    expect(snapshotsAt(b)).toBeGreaterThan(0);
  });

  it("carries the sender's clock: what the receiver writes next is above all that came", () => {
    const node = new ScriptedNode().connect('A', 'C');
    const stamp = stampOfMs(node.now().wallMs + 400);
    const dot = [originFor('C'), 1] as const;
    node.give('C', { type: 'truncated' });
    node.give('C', { type: 'snapshot-begin', vector: [dot], running: [], stable: [], flush: null, stamp });
    const string: [string, number, number, number, null] = ['from the clock that is ahead', stamp, ...dot, null];
    node.give('C', { type: 'snapshot-entries', entries: [['k', [string, null, null, null]]] });
    node.give('C', { type: 'snapshot-end', count: 1 });
    expect(node.get('k')).toBe('from the clock that is ahead');
    node.core.transact(node.now().wallMs, (tx) => tx.set(latin1Range('k'), 0, latin1Range('later'), Infinity));
    expect(node.get('k')).toBe('later');
  });

  it('a snapshot that lacks what it says to be stable, or is of no member, is refused whole', () => {
    for (const [vector, stable] of [
      [[[originFor('C'), 1]], [[originFor('C'), 2]]],
      [[[(999 * 2 ** 32 + 1) as never, 1]], []],
    ] as const) {
      const node = new ScriptedNode().connect('C');
      node.give('C', { type: 'truncated' });
      node.give('C', {
        type: 'snapshot-begin',
        vector: vector as never,
        running: [],
        stable: stable as never,
        flush: null,
        stamp: 1 as never,
      });
      node.give('C', { type: 'snapshot-end', count: 0 });
      expect(node.closed).toHaveLength(1);
      expect([...node.core.vector().entries()].filter(([origin]) => origin !== node.core.origin)).toEqual([]);
    }
  });
});

function writePair(node: VirtualNode, at: number, value: string): void {
  node.write((tx) => {
    tx.set(latin1Range(`left${at}`), 0, latin1Range(value), Infinity);
    tx.set(latin1Range(`right${at}`), 0, latin1Range(value), Infinity);
  });
}
