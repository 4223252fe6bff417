import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { STAMP_COUNTERS, stampOfMs } from '../../src/clock/stamp.ts';
import { ordersOf, originFor, PlayedStream, ScriptedNode } from '../support/scripted-node.ts';
import { VIRTUAL_START_MS, VirtualCluster } from '../support/virtual-cluster.ts';

const SKEW_MS = 500;

describe('D3: nothing is dropped for its stamp', () => {
  it('a stamp too far ahead pauses its origin and what depends on it, not others; all shows once the clock is near', () => {
    const c = new PlayedStream('C');
    const frames = [c.next([['set', 'c', '1']], [], 900)];
    const a = new PlayedStream('A');
    frames.push(a.next([['set', 'a', '1']], [], 1_000));
    const ahead = a.next([['set', 'a', '9']], [], 3_000);
    const after = a.next([['set', 'a2', '10']], [], 3_001);
    const b = new PlayedStream('B');
    const dependent = b.next([['set', 'b', '1']], [a.dot], 3_002);
    for (const order of ordersOf([...frames, ahead, after, dependent])) {
      const node = new ScriptedNode().connect('A', 'B', 'C');
      for (const frame of [...order, ...order, ...order]) node.give('C', frame);
      expect([node.get('c'), node.get('a'), node.get('a2'), node.get('b')]).toEqual(['1', '1', null, null]);
      expect(node.core.telemetry(0).pausedOrigins).toBe(1);
      node.run(3_000 - SKEW_MS - 1_000 + 40);
      expect([node.get('a'), node.get('a2'), node.get('b')]).toEqual(['9', '10', '1']);
    }
  });

  it('a paused origin does not drag the local clock along', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next([['set', 'a', '1']], [], 60_000));
    node.run(100);
    expect(node.core.telemetry(0).clockAheadMs).toBe(0);
    expect(node.core.refusal(true, false)).toBeNull();
  });

  it('a snapshot with a stamp too far ahead waits whole, and the local clock is not dragged along', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.give('C', { type: 'truncated' });
    const stamp = stampOfMs(VIRTUAL_START_MS + node.timeMs + 2_000);
    const vector = [[originFor('C'), 1]] as const;
    node.give('C', { type: 'snapshot-begin', vector, running: [], stable: [], flush: null, stamp });
    node.give('C', {
      type: 'snapshot-entries',
      entries: [['k', [['v', stamp, originFor('C'), 1, null], null, null, null]]],
    });
    node.give('C', { type: 'snapshot-end', count: 1 });
    node.run(1_000);
    expect([node.get('k'), node.has(originFor('C')), node.core.telemetry(0).clockAheadMs]).toEqual([null, 0, 0]);
    expect(node.core.unreadyReasons(0)).toContain('syncing: a snapshot is on its way');
    node.run(600);
    expect([node.get('k'), node.has(originFor('C')), node.core.unreadyReasons(0)]).toEqual(['v', 1, []]);
  });

  it('a turn that takes longer than the limit, or comes after a pause, is not taken for a clock that is ahead', () => {
    const cluster = new VirtualCluster({ regions: ['a'] });
    cluster.run(1_000);
    const node = cluster.node(0);
    const { wallMs } = node.now();
    for (const laterMs of [0, 600, 1_300]) {
      const nowMs = node.core.nowMs(wallMs + laterMs);
      node.core.transact(nowMs, (tx) => tx.set(latin1Range('k'), 0, latin1Range('v'), Infinity));
      expect(node.core.refusal(true, false)).toBeNull();
    }
    // a clock that is set back is
    node.core.nowMs(wallMs);
    expect(node.core.refusal(true, false)?.code).toBe('CLOCKSKEW');
  });

  it('a node whose clock is ahead of most of its peers refuses writes, and takes them again once it is right', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, b] = [cluster.node(0), cluster.node(1)];
    a.clockOffsetMs = 400;
    cluster.run(1_000);
    expect(a.core.refusal(true, false)).toBeNull();
    a.clockOffsetMs = 3_000;
    cluster.run(300);
    expect(a.core.refusal(true, false)?.code).toBe('CLOCKSKEW');
    expect(a.core.refusal(false, false)).toBeNull();
    expect(b.core.refusal(true, false)).toBeNull();
    a.clockOffsetMs = 0;
    cluster.run(5_000);
    expect(a.core.refusal(true, false)).toBeNull();
  });

  it('one that was told so and is then cut off refuses them still, until its clock is right or nobody was heard for long (seed 6937)', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const a = cluster.node(0);
    const refusal = (): string | undefined => a.core.refusal(true, false)?.code;
    a.clockOffsetMs = 3_000;
    cluster.run(300);
    expect(refusal()).toBe('CLOCKSKEW');
    for (const other of cluster.nodes.slice(1)) cluster.cut(a.id, other.id);
    cluster.run(1_000);
    expect(refusal()).toBe('CLOCKSKEW');
    a.clockOffsetMs = 0;
    cluster.run(5_000);
    expect(refusal()).toBeUndefined();
    a.clockOffsetMs = 3_000;
    cluster.run(1_000);
    expect(refusal()).toBe('CLOCKSKEW');
    cluster.run(cluster.limits.clockHeardMs);
    expect(refusal()).toBeUndefined();
  });

  it('one peer far behind does not stop a node: it is ahead of one, not of most', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c', 'd'] });
    cluster.node(3).clockOffsetMs = -10_000;
    cluster.run(2_000);
    expect([0, 1, 2].map((at) => cluster.node(at).core.refusal(true, false))).toEqual([null, null, null]);
  });

  it('rows that come late, as from processes that wait for a core, do not make a clock seem ahead', () => {
    let backMs = 10;
    const cluster = new VirtualCluster({
      regions: ['a', 'b', 'c'],
      delayMs: (_from, to) => (to.region === 'a' ? backMs : 10),
    });
    cluster.run(1_000);
    const a = cluster.node(0);
    backMs = 3_000;
    for (let second = 0; second < 10; second++) {
      cluster.run(1_000);
      expect(a.core.refusal(true, false)).toBeNull();
    }
    // nor do they hide that it is
    a.clockOffsetMs = 600;
    cluster.run(300);
    expect(a.core.refusal(true, false)?.code).toBe('CLOCKSKEW');
  });

  it('a jump of the own clock shows at once, before a peer says anything new', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const name of ['A', 'B', 'C'] as const) node.giveRow(name, {});
    node.run(40);
    expect(node.core.refusal(true, false)).toBeNull();
    node.clockOffsetMs = 2_000;
    node.core.flush(node.now());
    expect(node.core.refusal(true, false)?.code).toBe('CLOCKSKEW');
  });

  it('a clock that was far ahead for a moment is not believed for longer than the limit', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.clockOffsetMs = 3_600_000;
    node.get('anything');
    node.clockOffsetMs = 0;
    expect(node.core.nowMs(node.now().wallMs)).toBeLessThanOrEqual(node.now().wallMs + SKEW_MS);
  });

  it('the bound that is made durable is above every stamp given out and never beyond the limit', () => {
    const node = new ScriptedNode();
    for (let round = 0; round < 200; round++) {
      node.core.transact(node.core.nowMs(node.now().wallMs), (tx) => tx.flushAll());
      const bound = node.stampBounds.at(-1) ?? 0;
      expect(bound).toBeGreaterThan(stampOfMs(node.now().wallMs));
      expect(bound).toBeLessThanOrEqual(stampOfMs(node.now().wallMs + SKEW_MS) + STAMP_COUNTERS);
      node.run(20);
    }
    expect(node.stampBounds.length).toBeGreaterThan(3);
  });

  it('nor is it when a peer whose clock is ahead has dragged the own one along (seed 6830)', () => {
    const node = new ScriptedNode().connect('A', 'B');
    const a = new PlayedStream('A');
    for (let round = 0; round < 10; round++) {
      const { wallMs } = node.now();
      node.give('A', a.next([['set', 'k', 'ahead']], [], wallMs + SKEW_MS - 50 - VIRTUAL_START_MS));
      node.core.transact(node.core.nowMs(wallMs), (tx) => tx.flushAll());
      expect(node.core.nowMs(wallMs)).toBeGreaterThan(wallMs + SKEW_MS / 2);
      expect(node.stampBounds.at(-1)).toBeLessThanOrEqual(stampOfMs(wallMs + SKEW_MS) + STAMP_COUNTERS);
      node.run(200);
    }
    expect(node.stampBounds.length).toBeGreaterThan(3);
  });

  it('while a batch takes long the bound is raised beside it, so that no stamp waits for the disk', () => {
    const node = new ScriptedNode({ hasStore: true });
    const write = (): void => void node.core.transact(node.core.nowMs(node.now().wallMs), (tx) => tx.flushAll());
    write();
    node.turn();
    const raisedAtOnce = node.stampBounds.length;
    expect(node.core.takeStampBound(), 'no batch is on its way').toBeNull();
    expect(node.core.takeStoreBatch(true)).not.toBeNull();
    for (let passedMs = 0; passedMs < 3_000; passedMs += 100) {
      node.run(100);
      const bound = node.core.takeStampBound();
      if (bound !== null) {
        expect(bound).toBeLessThanOrEqual(stampOfMs(node.now().wallMs + SKEW_MS) + STAMP_COUNTERS);
        expect(node.core.takeStampBound(), 'one at a time').toBeNull();
        node.core.stampBoundRaised();
      }
      write();
    }
    expect(node.stampBounds).toHaveLength(raisedAtOnce);
    // one that is not on disk yet counts for nothing
    node.run(200);
    expect(node.core.takeStampBound()).not.toBeNull();
    node.run(SKEW_MS);
    write();
    expect(node.stampBounds).toHaveLength(raisedAtOnce + 1);
    node.core.stampBoundRaised();
    node.core.storeCommitted();
    expect(node.core.takeStampBound()).toBeNull();
  });

  it('after a restart what a node writes is above all that it wrote, though its clock went back', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'] });
    cluster.run(1_000);
    const a = cluster.node(0);
    a.set('k', 'before');
    cluster.run(200);
    cluster.kill(a);
    a.clockOffsetMs = -300;
    cluster.restart(a);
    expect(cluster.runUntil(() => a.isWritable, 10_000)).toBe(true);
    a.set('k', 'after');
    expect(cluster.runUntil(() => cluster.node(1).get('k') === 'after', 2_000)).toBe(true);
    expect(a.get('k')).toBe('after');
  });
});
