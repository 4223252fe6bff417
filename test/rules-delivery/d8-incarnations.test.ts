import { describe, expect, it } from 'vitest';
import { NAMES, numberOf, originFor, PlayedStream, ScriptedNode, type Name } from '../support/scripted-node.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

const knows = (lives: Partial<Record<Name, number>>): number[] =>
  NAMES.flatMap((name) => [numberOf(name), lives[name] ?? 1]);

/** What R says it knows of A's lives, in the row it sent last. */
function saidOfA(node: ScriptedNode): number | undefined {
  const rows = node.take('rows').flatMap(({ frame }) => frame.rows.filter((row) => row.node === numberOf('R')));
  const incarnations = rows.at(-1)?.incarnations ?? [];
  return incarnations[incarnations.indexOf(numberOf('A')) + 1];
}

const crash = (cluster: VirtualCluster, node: VirtualNode, options: { emptyDisk?: boolean } = {}): void => {
  cluster.kill(node);
  cluster.run(50);
  cluster.restart(node, options);
  expect(cluster.runUntil(() => node.isWritable, 20_000)).toBe(true);
};

describe('D8: incarnations close', () => {
  it('a crash loop grows nothing: vectors, bookkeeping and frames stay as they were', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const a = cluster.node(0);
    const sizes: number[] = [];
    for (let round = 0; round < 12; round++) {
      a.set(`k${round}`, 'v');
      cluster.run(500);
      crash(cluster, a, { emptyDisk: round % 4 === 3 });
      cluster.run(3_000);
      sizes.push(...cluster.nodes.map((node) => node.vector().size + (node.disk.meta?.length ?? 0) / 1_000));
    }
    expect(Math.max(...sizes.slice(-9))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 9)) + 0.2);
    expect(cluster.nodes.map((node) => [node.vector().size, node.core.keys.count])).toEqual([
      [6, 12],
      [6, 12],
      [6, 12],
    ]);
    expect(cluster.areEqual()).toBe(true);
  });

  it('what is held back of an old life keeps it open: A:1 held at R for a cause that is slow is not cut off', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const c = new PlayedStream('C');
    const cause = c.next([['set', 'cause', '1']]);
    const a = new PlayedStream('A');
    node.give('A', a.next([['set', 'k', 'held']], [c.dot]));
    node.disconnect('A');
    node.connectAs('A', { incarnation: 2, startId: 'A again' });
    node.run(100);
    // R knows the new life, but must not say so: it may still apply A#1:1, which nobody else has
    expect(saidOfA(node)).not.toBe(2);
    node.give('C', cause);
    node.run(100);
    expect(node.get('k')).toBe('held');
    expect(saidOfA(node)).toBe(2);
  });

  it('and so all come to the same, though the node that made it closed its life meanwhile', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'], diskMs: 3_000 });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    // c → b is slow, c → a is not; b gets a's effect long before c's cause, and cannot ask anyone
    cluster.delayMs = (from, to) => (from === c.member && to === b.member ? 4_000 : 5);
    c.set('cause', '1');
    cluster.run(20);
    a.set('effect', '1');
    cluster.run(8);
    cluster.kill(a);
    cluster.kill(c);
    cluster.delayMs = () => 5;
    cluster.run(50);
    expect([b.get('cause'), b.get('effect'), b.core.telemetry(0).holdBackTransactions]).toEqual([null, null, 1]);
    cluster.restart(a);
    cluster.run(2_000);
    cluster.restart(c);
    // the cause is lost with the memory of c and a; once c's old life is retired it is void, and what b held of it shows to all
    expect(cluster.runUntil(() => cluster.areReady() && b.get('effect') === '1', 60_000)).toBe(true);
    expect(cluster.runUntil(() => cluster.areEqual(), 5_000)).toBe(true);
    expect(cluster.nodes.map((node) => [node.get('cause'), node.get('effect')])).toEqual([
      [null, '1'],
      [null, '1'],
      [null, '1'],
    ]);
    const floors = (): number[] => [a, c].map((of) => b.vector().floor(of.member.nodeNumber));
    expect(cluster.runUntil(() => floors().every((floor) => floor === 2), 60_000)).toBe(true);
    expect(cluster.areEqual()).toBe(true);
  });

  it('nothing is taken directly from a life that is superseded', () => {
    const node = new ScriptedNode().connect('A', 'B');
    const old = new PlayedStream('A');
    node.give('A', old.next([['set', 'k', '1']]));
    node.giveRow('B', { incarnations: knows({ A: 2 }) });
    expect(node.peers.has('A')).toBe(false);
    node.connectAs('A', { incarnation: 1 });
    expect(node.closed.at(-1)).toContain('superseded');
    // what others have of it comes by them
    node.give('B', old.next([['set', 'k', '2']]));
    expect(node.get('k')).toBe('2');
  });

  it('a node closes its earlier lives only when every member knows the new one and it has all that any has of them', () => {
    const mine = originFor('R', 1);
    const closes = (node: ScriptedNode): number => node.has(originFor('R', 2));
    const node = new ScriptedNode({ incarnation: 2 }).connect('A', 'B', 'C');
    for (const name of ['A', 'B'] as const) node.giveRow(name, { incarnations: knows({ R: 2 }) });
    node.giveRow('C', { incarnations: knows({ R: 1 }) });
    node.run(500);
    expect(closes(node)).toBe(0);
    node.giveRow('C', { incarnations: knows({ R: 2 }), applied: [[mine, 1]] });
    node.run(500);
    expect(closes(node)).toBe(0);
    const lost = new PlayedStream('R', 1);
    node.give('C', lost.next([['set', 'k', 'lost and found']]));
    node.run(100);
    expect([closes(node), node.get('k')]).toEqual([1, 'lost and found']);
  });

  it('is retired only when the closing is stable', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const old = new PlayedStream('A', 1);
    const next = new PlayedStream('A', 2);
    node.give('A', old.next([['set', 'k', '1']]));
    node.give('B', next.next([['close', '', '2']], [old.dot]));
    const all = [old.dot, next.dot];
    const incarnations = knows({ A: 2 });
    for (const name of ['A', 'B'] as const)
      node.giveRow(name, { incarnation: name === 'A' ? 2 : 1, applied: all, incarnations });
    node.run(500);
    expect(node.core.vector().floor(numberOf('A'))).toBe(0);
    node.giveRow('C', { applied: all, incarnations });
    node.run(500);
    expect(node.core.vector().floor(numberOf('A'))).toBe(2);
    expect(node.core.vector().get(old.origin)).toBe(Infinity);
  });

  it('a row that has the floor is believed only by who has all that the row has', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const next = new PlayedStream('C', 2);
    const close = (): ReturnType<PlayedStream['next']> => next.next([['close', '', '2']]);
    node.give('C', next.next([['set', 'k', '1']]));
    const applied = [[originFor('C', 0), 2] as const, [originFor('C', 2), 2] as const];
    node.giveRow('B', { applied, incarnations: knows({ C: 2 }) });
    node.run(500);
    expect(node.core.vector().floor(numberOf('C'))).toBe(0);
    node.give('B', close());
    node.run(500);
    expect(node.core.vector().floor(numberOf('C'))).toBe(2);
  });

  it('a transaction that closes a life to come closes nothing', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A', 1);
    node.give('A', a.next([['close', '', '9']]));
    for (const name of ['A', 'B', 'C'] as const) node.giveRow(name, { applied: [a.dot] });
    node.run(500);
    expect(node.core.vector().floor(numberOf('A'))).toBe(0);
    // nor is what it has yet to make void
    const b = new PlayedStream('B', 1);
    node.give('B', b.next([['set', 'effect', '1']], [[a.origin, 2]]));
    expect(node.get('effect')).toBeNull();
    node.give('A', a.next([['set', 'k', '1']]));
    expect([node.get('k'), node.get('effect')]).toEqual(['1', '1']);
  });

  it('who lost its disk gets what a retired life made by a snapshot: no log has it', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    a.set('old', 'v');
    cluster.run(500);
    crash(cluster, a);
    expect(
      cluster.runUntil(() => cluster.nodes.every((node) => node.vector().floor(a.member.nodeNumber) === 2), 10_000),
    ).toBe(true);
    cluster.kill(c);
    // deps that have the floor reach c before anything of the old life does
    a.set('new', 'v');
    b.set('b', 'v');
    cluster.run(100);
    cluster.restart(c, { emptyDisk: true });
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 20_000)).toBe(true);
    expect([c.get('old'), c.get('new'), c.get('b')]).toEqual(['v', 'v', 'v']);
    expect(c.core.telemetry(0).snapshotsReceivedTotal).toBeGreaterThan(0);
  });

  it('a removal by who learned of the retired life by a snapshot removes what that life made, everywhere', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    for (const member of ['x', 'y', 'z']) c.setAdd('s', member);
    cluster.run(500);
    crash(cluster, c);
    const isRetired = (): boolean => cluster.nodes.every((node) => node.vector().floor(c.member.nodeNumber) === 2);
    expect(cluster.runUntil(isRetired, 10_000)).toBe(true);
    crash(cluster, a, { emptyDisk: true });
    expect(a.members('s')).toEqual(['x', 'y', 'z']);
    a.setRemove('s', 'x');
    b.setRemove('s', 'y');
    cluster.run(500);
    expect(cluster.nodes.map((node) => node.members('s'))).toEqual([['z'], ['z'], ['z']]);
  });

  it('who has the closing and has yet to learn that it is stable is sent no snapshot; who lacks it is', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const old = new PlayedStream('A', 1);
    const next = new PlayedStream('A', 2);
    node.give('A', old.next([['set', 'k', '1']]));
    node.give('B', next.next([['close', '', '2']], [old.dot]));
    const all = [old.dot, next.dot];
    for (const name of ['A', 'B', 'C'] as const)
      node.giveRow(name, { incarnation: name === 'A' ? 2 : 1, applied: all, incarnations: knows({ A: 2 }) });
    node.run(500);
    expect(node.core.vector().floor(numberOf('A'))).toBe(2);
    const nodes = NAMES.map(numberOf);
    node.give('B', { type: 'want', nodes, after: all });
    expect(node.take('truncated')).toEqual([]);
    node.give('B', { type: 'want', nodes, after: [] });
    expect(node.take('truncated').map(({ to }) => to)).toEqual(['B']);
    node.give('B', { type: 'fetch', origin: old.origin, after: 0, upTo: 1 });
    expect(node.take('truncated').map(({ to }) => to)).toEqual(['B']);
  });

  it('who learned of a closing by a snapshot or forgot it in a restart learns of the retirement too, with nobody writing', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'], limits: { logBytesMax: 1 } });
    cluster.run(1_000);
    const [a, b, c] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    for (let at = 0; at < 5; at++) a.set(`k${at}`, 'v');
    cluster.run(500);
    cluster.kill(a);
    cluster.restart(a);
    cluster.run(60);
    cluster.kill(b);
    cluster.kill(c);
    cluster.restart(b);
    cluster.restart(c, { emptyDisk: true });
    const floors = (): number[] =>
      cluster.nodes.flatMap((node) => [a, b, c].map((of) => node.vector().floor(of.member.nodeNumber)));
    expect(cluster.runUntil(() => floors().every((floor) => floor === 2), 30_000)).toBe(true);
  });
});
