import { describe, expect, it } from 'vitest';
import type { Origin } from '../../src/clock/origin.ts';
import { originFor, PlayedStream, ScriptedNode, type Effect } from '../support/scripted-node.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

const BOUND_BYTES = 1_000;
const limits = { holdBackBytesMax: BOUND_BYTES };

/** C:50, and 40 chunks of A of which each needs it: far more than the bound. */
function schedule(): { causes: ReturnType<PlayedStream['next']>[]; effects: ReturnType<PlayedStream['next']>[] } {
  const c = new PlayedStream('C');
  const causes = Array.from({ length: 50 }, (_unused, at) => c.next([['set', 'cause', `${at + 1}`]]));
  const a = new PlayedStream('A');
  const effects = Array.from({ length: 40 }, (_unused, at) => a.next([['set', `effect${at}`, 'v']], [c.dot]));
  return { causes, effects };
}

describe('D2: a link is never stopped being read', () => {
  it('past the bound the newest is dropped, C:50 on the same socket gets through, and the stream is wanted again', () => {
    const { causes, effects } = schedule();
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    for (const frame of effects) node.give('A', frame);
    const held = node.core.telemetry(0);
    expect(held.holdBackTransactions).toBeGreaterThan(0);
    expect(held.holdBackTransactions).toBeLessThan(40);
    expect(held.holdBackBytes).toBeLessThanOrEqual(BOUND_BYTES);
    node.take('want');
    for (const frame of causes) node.give('A', frame);
    expect(node.get('cause')).toBe('50');
    expect(node.has(originFor('A'))).toBe(held.holdBackTransactions);
    node.run(500);
    const want = node.take('want').find(({ to }) => to === 'A');
    expect(want?.frame.after).toContainEqual([originFor('A'), held.holdBackTransactions]);
    for (const frame of effects) node.give('A', frame);
    expect([node.has(originFor('A')), node.core.telemetry(0).holdBackBytes]).toEqual([40, 0]);
  });

  it('a turn applies so much and no more, each origin its share, and the next turns go on with the rest', () => {
    const node = new ScriptedNode({ limits: { appliedPerTurn: 10 } }).connect('A', 'B', 'C');
    const [a, b] = [new PlayedStream('A'), new PlayedStream('B')];
    // a transaction with its update counts for two
    node.give('A', a.next(Array.from({ length: 40 }, (): Effect => ['sadd', 'a', 'x'])));
    expect([node.has(a.origin), node.core.isBehind]).toEqual([5, true]);
    node.give('B', b.next([['sadd', 'b', 'x']]));
    expect([node.has(a.origin), node.has(b.origin), node.core.isBehind]).toEqual([9, 1, true]);
    for (let turn = 0; turn < 7; turn++) node.turn();
    expect([node.has(a.origin), node.core.isBehind]).toEqual([40, false]);
    expect(node.core.telemetry(0).holdBackBytes).toBe(0);
  });

  it('a turn of which a share is wanted applies that share', () => {
    const node = new ScriptedNode({ limits: { appliedPerTurn: 100 } }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next(Array.from({ length: 200 }, (): Effect => ['sadd', 'a', 'x'])));
    const steps = [1 / 4, 1 / 10, 1, 1].map((nextPace) => {
      const before = node.has(a.origin);
      node.core.flush(node.now(), nextPace);
      return node.has(a.origin) - before;
    });
    // what a turn may is said at the end of the one before
    expect(steps).toEqual([50, 13, 5, 50]);
  });

  it('what was left of a turn and comes with a snapshot is not gone on with', () => {
    const node = new ScriptedNode({ limits: { appliedPerTurn: 10 } }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next(Array.from({ length: 100 }, (): Effect => ['sadd', 'a', 'x'])));
    node.give('C', { type: 'truncated' });
    const vector: [Origin, number][] = [
      [a.origin, 100],
      [originFor('C'), 1],
    ];
    node.give('C', { type: 'snapshot-begin', vector, running: [], stable: [], flush: null, stamp: 1 as never });
    node.give('C', {
      type: 'snapshot-entries',
      entries: [['a', [null, null, [['x', [[null, 100, a.origin, 100]]]], null]]],
    });
    expect([node.core.isBehind, node.has(a.origin) < 100]).toEqual([true, true]);
    node.give('C', { type: 'snapshot-end', count: 1 });
    expect([node.has(a.origin), node.members('a')]).toEqual([100, ['x']]);
    expect([node.core.isBehind, node.core.telemetry(0).holdBackBytes]).toEqual([false, 0]);
  });

  it('what was asked for passes the bound, though it is not the next of its origin to be delivered', () => {
    const { effects } = schedule();
    const b = new PlayedStream('B');
    const cause = b.next([['set', 'b', '1']]);
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    for (const frame of effects) node.give('A', frame);
    node.run(60);
    const [fetch] = node.take('fetch');
    expect([fetch?.to, fetch?.frame]).toEqual(['A', { type: 'fetch', origin: originFor('C'), after: 0, upTo: 50 }]);
    // C's own first needs something of B: held beyond the bound, because it was asked for
    const c = new PlayedStream('C');
    const needy = Array.from({ length: 50 }, () => c.next([['set', 'cause', '50']], [b.dot]));
    for (const frame of needy) node.give('A', { ...frame, asked: true });
    expect(node.core.telemetry(0).holdBackBytes).toBeGreaterThan(BOUND_BYTES);
    node.give('B', cause);
    expect([node.get('cause'), node.has(c.origin)]).toEqual(['50', 50]);
  });

  it('past the bound nothing more is asked for of an origin that is held already: its first waits for something else', () => {
    const { effects } = schedule();
    const b = new PlayedStream('B');
    b.next([['set', 'b', '1']]);
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    for (const frame of effects) node.give('A', frame);
    const c = new PlayedStream('C');
    const needy = Array.from({ length: 30 }, () => c.next([['set', 'cause', '30']], [b.dot]));
    for (const frame of needy) node.give('A', { ...frame, asked: true });
    expect(node.core.telemetry(0).holdBackBytes).toBeGreaterThan(BOUND_BYTES);
    node.take('fetch');
    node.run(1_000);
    const origins = node.take('fetch').map(({ frame }) => frame.origin);
    expect(new Set(origins)).toEqual(new Set([b.origin]));
  });

  it('an answer to who asks is of so many bytes and no more; the rest is asked for again', () => {
    const node = new ScriptedNode({ limits: { askedBytesMax: 300 } }).connect('B', 'C');
    const c = new PlayedStream('C');
    for (let at = 0; at < 40; at++) node.give('C', c.next([['set', 'cause', 'v'.repeat(50)]]));
    node.take('transactions');
    const answered = (after: number): number => {
      node.give('B', { type: 'fetch', origin: c.origin, after, upTo: 40 });
      node.turn();
      const frames = node.take('transactions').filter(({ to, frame }) => to === 'B' && frame.asked);
      const bytes = frames.reduce((sum, { frame }) => sum + frame.bytes.length, 0);
      expect(bytes).toBeGreaterThanOrEqual(300);
      expect(bytes).toBeLessThan(600);
      return frames.at(-1)?.frame.last ?? 0;
    };
    const first = answered(0);
    expect(answered(first)).toBeGreaterThan(first);
  });

  it('the cause gets through without being asked for, when who sent the effects is gone', () => {
    const { causes, effects } = schedule();
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    for (const frame of effects) node.give('A', frame);
    node.disconnect('A');
    for (const frame of causes) node.give('C', frame);
    expect(node.get('cause')).toBe('50');
    expect(node.core.telemetry(0).holdBackBytes).toBe(0);
  });

  it('the cause is asked of another when who sent the effects is gone', () => {
    const { effects } = schedule();
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    node.give('A', effects[0] as never);
    node.disconnect('A');
    node.giveRow('B', { applied: [[originFor('C'), 50]] });
    node.run(200);
    expect(node.take('fetch').map(({ to }) => to)).toContain('B');
  });

  it('a stream of which one chunk was dropped goes on while another origin fills the bound for long', () => {
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    const paused = Array.from({ length: 40 }, () => a.next([['set', 'later', 'v']], [], 3_600_000));
    for (const frame of paused) node.give('A', frame);
    const cause = new PlayedStream('C');
    const causeFrame = cause.next([['set', 'c', '1']]);
    const b = new PlayedStream('B');
    const frames = [b.next([['set', 'b', '1']], [cause.dot]), b.next([['set', 'b', '2']]), b.next([['set', 'b', '3']])];
    for (const frame of frames) node.give('B', frame);
    node.give('C', causeFrame);
    expect(node.get('b')).toBe('1');
    node.take('want');
    node.run(500);
    expect(node.take('want').map(({ to }) => to)).toContain('B');
    for (const frame of frames) node.give('B', frame);
    expect(node.get('b')).toBe('3');
    expect(node.core.telemetry(0).pausedOrigins).toBe(1);
  });

  it('streams are not wanted again more often than an answer can come', () => {
    const { effects } = schedule();
    const node = new ScriptedNode({ limits }).connect('A', 'B', 'C');
    for (const name of ['A', 'B', 'C'] as const) node.giveRow(name, { rttMs: 400 });
    node.take('want');
    for (let round = 0; round < 50; round++) {
      node.give('A', effects[10] as never);
      node.run(20);
    }
    const wants = node.take('want').length;
    expect(wants).toBeGreaterThan(0);
    expect(wants).toBeLessThanOrEqual(5);
  });

  it('a whole cluster with a bound of a few chunks comes to rest with everything', () => {
    const cluster = new VirtualCluster({
      regions: ['a', 'b', 'c'],
      limits: { holdBackBytesMax: 300, chunkBytesMax: 50 },
    });
    cluster.run(1_000);
    cluster.delayMs = (from, to) => (from.region === 'c' && to.region === 'b' ? 2_000 : 10);
    for (let at = 0; at < 100; at++) {
      cluster.node(2).set(`c${at}`, 'v');
      cluster.run(20);
      cluster.node(0).set(`a${at}`, 'v');
    }
    expect(cluster.runUntil(() => cluster.areEqual(), 30_000)).toBe(true);
    expect(cluster.node(1).core.keys.count).toBe(200);
  });
});
