import { describe, expect, it } from 'vitest';
import type { TransactionsFrame } from '../../src/causal/peer-frames.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import {
  NAMES,
  numberOf,
  ordersOf,
  originFor,
  PlayedStream,
  ScriptedNode,
  type Name,
} from '../support/scripted-node.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

const knows = (lives: Partial<Record<Name, number>>): number[] =>
  NAMES.flatMap((name) => [numberOf(name), lives[name] ?? 1]);

/** What R says in its newest row of lives of A: from which on more may come, and which it has heard of if that is another. */
function saidOfA(node: ScriptedNode): [awaited: number | undefined, heard: number | undefined] {
  const row = node
    .take('rows')
    .flatMap(({ frame }) => frame.rows.filter((each) => each.node === numberOf('R')))
    .at(-1);
  const of = (list: readonly number[] = []): number | undefined => {
    const at = list.indexOf(numberOf('A'));
    return at < 0 ? undefined : list[at + 1];
  };
  return [of(row?.incarnations), of(row?.heard)];
}

/**
 * A#1 made `cause`, which is lost with its disk; A#2, which knew it, made `effect`, which somebody holds; A#3 knows neither, and
 * closes A#1, then A#2.
 */
function livesOfA(): { held: TransactionsFrame; closings: [TransactionsFrame, TransactionsFrame] } {
  const first = new PlayedStream('A', 1);
  first.next([['set', 'cause', '1']]);
  const second = new PlayedStream('A', 2);
  const held = second.next([['set', 'effect', 'held']], [first.dot]);
  const third = new PlayedStream('A', 3);
  return { held, closings: [third.next([['close', '', '2']]), third.next([['close', '', '3']], [second.dot])] };
}

describe('D8: what is held back of a life, for a cause that was lost with an older one', () => {
  it('R says that nothing older is awaited: A#1 is closed, what it lost is void, and the effect of A#2 shows', () => {
    const node = new ScriptedNode().connect('B', 'C');
    node.connectAs('A', { incarnation: 2 });
    const { held, closings } = livesOfA();
    node.give('A', held);
    node.disconnect('A');
    node.connectAs('A', { incarnation: 3, startId: 'A on an empty disk' });
    node.run(300);
    expect([node.get('effect'), ...saidOfA(node)]).toEqual([null, 2, 3]);
    node.give('A', closings[0]);
    node.run(300);
    expect([node.get('effect'), ...saidOfA(node)]).toEqual(['held', 3, undefined]);
  });

  it('in whatever order the effect and the closings come, by whomever', () => {
    const { held, closings } = livesOfA();
    let orders = 0;
    for (const order of ordersOf([held, ...closings])) {
      if (order.indexOf(closings[0]) > order.indexOf(closings[1])) continue;
      orders++;
      const node = new ScriptedNode().connect('A', 'B', 'C');
      node.giveRow('B', { incarnations: knows({ A: 3 }) });
      for (const frame of order) node.give('B', frame);
      expect([node.get('effect'), node.has(originFor('A', 3))]).toEqual(['held', 2]);
    }
    expect(orders).toBe(3);
  });

  it('A#3 closes no more than what all say that nothing is held of, and the rest once that is here', () => {
    const closes = (node: ScriptedNode): number => node.has(originFor('R', 3));
    const node = new ScriptedNode({ incarnation: 3 }).connect('A', 'B', 'C');
    const all = knows({ R: 3 });
    for (const name of ['A', 'B'] as const) node.giveRow(name, { incarnations: all });
    const holding = { incarnations: knows({ R: 2 }), heard: [numberOf('R'), 3] };
    node.giveRow('C', holding);
    node.run(300);
    expect([closes(node), node.core.vector().floor(numberOf('R'))]).toEqual([1, 0]);
    node.run(300);
    expect(closes(node)).toBe(1);
    // C has applied what it held, and says so
    const second = new PlayedStream('R', 2);
    const effect = second.next([['set', 'effect', 'held']], [[originFor('R', 1), 1]]);
    node.giveRow('C', { incarnations: all, applied: [second.dot] });
    node.run(300);
    expect(closes(node)).toBe(1);
    node.give('C', effect);
    node.run(300);
    expect([closes(node), node.get('effect')]).toEqual([2, 'held']);
  });

  it('what A holds of its own earlier life keeps that open, too', () => {
    const node = new ScriptedNode({ incarnation: 3 }).connect('A', 'B', 'C');
    const cause = new PlayedStream('C');
    const made = cause.next([['set', 'cause', '1']]);
    const second = new PlayedStream('R', 2);
    node.give('B', second.next([['set', 'effect', 'held']], [cause.dot]));
    for (const name of ['A', 'B', 'C'] as const) node.giveRow(name, { incarnations: knows({ R: 3 }) });
    node.run(500);
    // below 2 it may close
    expect(node.has(originFor('R', 3))).toBe(1);
    node.give('C', made);
    node.run(500);
    expect([node.get('effect'), node.has(originFor('R', 3))]).toEqual(['held', 2]);
  });

  it('a row counts only when it is from after its sayer parted from the earlier lives of all others', () => {
    // C#1 passed R#1:1 on to B and ended without it; B's row is from before
    const closes = (node: ScriptedNode): number => node.has(originFor('R', 2));
    const node = new ScriptedNode({ incarnation: 2 }).connect('A', 'B');
    node.connectAs('C', { incarnation: 2 });
    node.giveRow('A', { incarnations: knows({ R: 2, C: 2 }) });
    node.giveRow('C', { incarnation: 2, incarnations: knows({ R: 2, C: 2 }) });
    node.giveRow('B', { incarnations: knows({ R: 2 }) });
    node.run(500);
    expect(closes(node)).toBe(0);
    const lost = new PlayedStream('R', 1);
    const frame = lost.next([['set', 'k', 'passed on']]);
    node.giveRow('B', { incarnations: knows({ R: 2, C: 2 }), applied: [lost.dot] });
    node.run(500);
    expect(closes(node)).toBe(0);
    node.give('B', frame);
    node.run(100);
    expect([closes(node), node.get('k')]).toEqual([1, 'passed on']);
  });

  it('and from after the members changed as they did here', () => {
    const closes = (node: ScriptedNode): number => node.has(originFor('R', 2));
    const node = new ScriptedNode({ incarnation: 2 }).connect('A', 'B');
    node.give('A', {
      type: 'membership',
      epoch: 1,
      removals: [{ node: numberOf('C'), epoch: 1, incarnation: 1, cut: [] }],
      joins: [],
    });
    node.giveRow('A', { incarnations: knows({ R: 2 }) });
    node.giveRow('B', { incarnations: knows({ R: 2 }), epoch: 0 });
    node.run(500);
    expect(closes(node)).toBe(0);
    node.giveRow('B', { incarnations: knows({ R: 2 }), epoch: 1 });
    node.run(500);
    expect(closes(node)).toBe(1);
  });

  it('who lost its disk closes nothing, and takes nothing for void, before it has what others have let go of', () => {
    const node = new ScriptedNode({ incarnation: 3 }).connect('A', 'B', 'C');
    const retired = [originFor('R', 0), 2] as const;
    const a = new PlayedStream('A');
    const effect = a.next([['set', 'effect', '1']], [[originFor('R', 1), 7]]);
    node.give('A', effect);
    for (const name of ['A', 'B', 'C'] as const)
      node.giveRow(name, { incarnations: knows({ R: 3 }), applied: name === 'A' ? [retired, a.dot] : [retired] });
    node.run(500);
    expect([node.has(originFor('R', 3)), node.get('effect')]).toEqual([0, null]);
    node.give('B', { type: 'truncated' });
    const flush = null;
    node.give('B', { type: 'snapshot-begin', vector: [retired], running: [], stable: [], flush, stamp: stampOfMs(0) });
    node.give('B', { type: 'snapshot-end', count: 0 });
    node.run(500);
    expect([node.has(originFor('R', 3)), node.get('effect')]).toEqual([1, '1']);
  });

  it('who has the closing by a snapshot is told by its maker that it closed', () => {
    const node = new ScriptedNode().connect('B', 'C');
    node.connectAs('A', { incarnation: 3 });
    const { held, closings } = livesOfA();
    // as from a snapshot: A#3:1 is here, and what it did is not known
    const without = new PlayedStream('A', 3);
    node.give('A', without.next([['set', 'other', '1']]));
    node.give('B', held);
    expect(closings[0].first).toBe(1);
    const said = { incarnation: 3, incarnations: knows({ A: 3 }), applied: [without.dot] };
    node.giveRow('A', said);
    node.run(300);
    expect(node.get('effect')).toBeNull();
    // of what A had when it said so something is still on its way
    node.giveRow('A', { ...said, closedBelow: 2, applied: [[originFor('A', 3), 2]] });
    node.run(300);
    expect(node.get('effect')).toBeNull();
    node.giveRow('A', { ...said, closedBelow: 2 });
    node.run(300);
    expect(node.get('effect')).toBe('held');
  });

  it('what waits for what a removed node took with it shows, whether or not all have what it is cut at', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    const c = new PlayedStream('C');
    node.give('C', c.next([['set', 'k', '1']]));
    const cut = [c.dot];
    c.next([['set', 'cause', '1']]);
    node.give('A', a.next([['set', 'effect', 'held']], [c.dot]));
    node.disconnect('A');
    node.connectAs('A', { incarnation: 2, startId: 'A again' });
    node.giveRow('A', { incarnation: 2, incarnations: knows({ A: 2 }) });
    node.giveRow('B', { incarnations: knows({ A: 2 }) });
    node.run(300);
    expect(node.get('effect')).toBeNull();
    const removals = [{ node: numberOf('C'), epoch: 1, incarnation: 1, cut }];
    node.give('B', { type: 'membership', epoch: 1, removals, joins: [] });
    node.run(300);
    expect(node.get('effect')).toBe('held');
  });
});

describe('D8: why nobody drops what it holds when no row has the cause', () => {
  it('the cause is held elsewhere, and comes: who had dropped its effect would lack it for ever', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c', 'd'], diskMs: 3_000 });
    cluster.run(1_000);
    const [a, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    // d's write is slow to b and to c; a has it, and what a makes of it is held at both
    cluster.delayMs = (from, to) => (from === d.member && to !== a.member ? 2_500 : 5);
    d.set('cause', '1');
    cluster.run(20);
    a.set('one', '1');
    cluster.run(8);
    cluster.cut('b', 'c');
    a.set('two', '2');
    cluster.run(8);
    cluster.kill(a);
    cluster.delayMs = (from) => (from === d.member ? 2_500 : 5);
    cluster.run(50);
    expect([b, c].map((node) => [node.get('cause'), node.core.telemetry(0).holdBackTransactions])).toEqual([
      [null, 2],
      [null, 2],
    ]);
    cluster.restart(a, { emptyDisk: true });
    // all that are up know the new life of a, and no row has `one`, nor does a row but that of d have the cause
    cluster.run(800);
    expect(b.core.telemetry(0).holdBackTransactions).toBe(2);
    expect(cluster.runUntil(() => cluster.areReady() && b.get('two') === '2', 30_000)).toBe(true);
    cluster.healAll();
    cluster.delayMs = () => 5;
    expect(cluster.runUntil(() => cluster.areEqual() && cluster.areReady(), 30_000)).toBe(true);
    expect(cluster.nodes.map((node) => [node.get('cause'), node.get('one'), node.get('two')])).toEqual(
      cluster.nodes.map(() => ['1', '1', '2']),
    );
  });
});
