import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { numberOf, ordersOf, PlayedStream, ScriptedNode, originFor } from '../support/scripted-node.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

/** B:1 adds x; A:1 has seen it and adds y; A:2 removes x, and its deps say nothing new. */
function removalByDelta(): ReturnType<PlayedStream['next']>[] {
  const b = new PlayedStream('B');
  const a = new PlayedStream('A');
  const added = b.next([['sadd', 's', 'x']]);
  const seen = a.next([['sadd', 's', 'y']], [b.dot]);
  return [added, seen, a.next([['srem', 's', 'x']])];
}

describe('D1: deltas of deps belong to the stream of an origin', () => {
  it('a removal by delta covers what it has seen in every order of arrival, with everything sent twice and gaps sent again', () => {
    const frames = removalByDelta();
    for (const order of ordersOf([...frames, ...frames])) {
      const node = new ScriptedNode().connect('A', 'B', 'C');
      // whoever wants again gets again: three rounds make up for every gap
      for (const frame of [...order, ...frames, ...frames]) node.give('C', frame);
      expect(node.members('s')).toEqual(['y']);
      expect(node.core.telemetry(0).holdBackBytes).toBe(0);
    }
  });

  it('a stream is taken up at any place from any peer, the chunks as they came', () => {
    const frames = removalByDelta();
    for (let from = 0; from < 27; from++) {
      const node = new ScriptedNode().connect('A', 'B', 'C');
      for (const [index, frame] of frames.entries()) {
        node.give((['A', 'B', 'C'] as const)[Math.floor(from / 3 ** index) % 3] ?? 'A', frame);
      }
      expect(node.members('s')).toEqual(['y']);
    }
  });

  it('a gap is never skipped: what follows it is not applied, and the stream is wanted again', () => {
    const frames = removalByDelta();
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.take('want');
    node.give('A', frames[2] as never);
    expect(node.has(originFor('A'))).toBe(0);
    node.run(200);
    expect(node.take('want').length).toBeGreaterThan(0);
  });

  it('a want that overtakes the hello of a new bulk connection is kept: the stream goes on', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.core.transact(node.now().wallMs, (tx) => tx.set(latin1Range('k'), 0, latin1Range('v'), Infinity));
    node.reopenBulk('B', () => node.give('B', { type: 'want', nodes: [numberOf('R')], after: [] }));
    expect(node.take('transactions').map(({ to, frame }) => [to, frame.origin])).toEqual([['B', originFor('R')]]);
  });

  it('a head that waits does not raise the running deps: a snapshot sent meanwhile is an exact cut', () => {
    const a = new PlayedStream('A');
    const first = a.next([['set', 'k', '1']]);
    const waiting = a.next([['set', 'k', '2']], [[originFor('C'), 9]]);
    const node = new ScriptedNode().connect('A', 'B');
    node.give('A', first);
    node.give('A', waiting);
    node.give('B', { type: 'snapshot-request' });
    node.run(20);
    const [begin] = node.take('snapshot-begin');
    expect(begin?.frame.vector).toEqual([[originFor('A'), 1]]);
    expect(begin?.frame.running.find(([origin]) => origin === originFor('A'))?.[1] ?? []).toEqual([]);
  });

  it('a snapshot brings the running deps of its sender too: what it removes next is removed at who got it', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'], limits: { logBytesMax: 1 } });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    b.setAdd('s', 'x');
    cluster.run(500);
    a.setAdd('s', 'y');
    cluster.run(500);
    cluster.kill(c);
    cluster.kill(b);
    cluster.run(100);
    cluster.restart(c, { emptyDisk: true });
    expect(cluster.runUntil(() => c.members('s').length === 2, 10_000)).toBe(true);
    expect(c.core.telemetry(0).snapshotsReceivedTotal).toBe(1);
    a.setRemove('s', 'x');
    cluster.run(500);
    expect(c.members('s')).toEqual(['y']);
  });

  it('a lost tail comes back with the deps that it was made on', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'], diskMs: 10_000 });
    cluster.run(1_000);
    const [a, b] = [cluster.node(0), cluster.node(1)];
    b.setAdd('s', 'x');
    cluster.run(100);
    a.setAdd('s', 'y');
    cluster.run(20_000);
    a.setRemove('s', 'x');
    cluster.run(100);
    cluster.kill(a);
    cluster.restart(a);
    expect(a.members('s')).toEqual(['x', 'y']);
    expect(cluster.runUntil(() => a.members('s').length === 1, 5_000)).toBe(true);
    expect(a.members('s')).toEqual(['y']);
    expect(cluster.runUntil(() => cluster.areEqual(), 5_000)).toBe(true);
  });

  it('a receiver that is ahead of a snapshot keeps its own running deps', () => {
    const b = new PlayedStream('B');
    const added = b.next([['sadd', 's', 'x']]);
    const a = new PlayedStream('A');
    const frames = [a.next([['sadd', 's', 'y']]), a.next([['sadd', 's', 'z']], [b.dot]), a.next([['srem', 's', 'x']])];
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.give('B', added);
    node.give('A', frames[0] as never);
    node.give('A', frames[1] as never);
    // C is at A:1 and has nothing of B; it has something of its own that R lacks
    node.give('C', { type: 'truncated' });
    node.give('C', {
      type: 'snapshot-begin',
      vector: [
        [originFor('A'), 1],
        [originFor('C'), 1],
      ],
      running: [
        [originFor('A'), []],
        [originFor('C'), []],
      ],
      stable: [],
      flush: null,
      stamp: 1 as never,
    });
    node.give('C', {
      type: 'snapshot-entries',
      entries: [['k', [['v', 1, originFor('C'), 1, null], null, null, null]]],
    });
    node.give('C', { type: 'snapshot-end', count: 1 });
    expect(node.get('k')).toBe('v');
    expect(node.members('s')).toEqual(['x', 'z']);
    node.give('A', frames[2] as never);
    expect(node.members('s')).toEqual(['z']);
  });

  it('running deps of the own origin are those that its transactions had, over a restart of the store', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'] });
    cluster.run(1_000);
    const [a, b] = [cluster.node(0), cluster.node(1)];
    for (let round = 0; round < 3; round++) {
      b.setAdd('s', `x${round}`);
      cluster.run(300);
      a.write((tx) => tx.setRemove(latin1Range('s'), 0, latin1Range(`x${round}`)));
      cluster.run(300);
      cluster.kill(a);
      cluster.restart(a);
      cluster.run(2_000);
      expect([a.members('s'), b.members('s')]).toEqual([[], []]);
    }
  });
});
