import { describe, expect, it } from 'vitest';
import type { Origin } from '../../src/clock/origin.ts';
import { Removal } from '../members/removal.ts';
import { numberOf, ordersOf, originFor, PlayedStream, ScriptedNode } from '../support/scripted-node.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

const A = originFor('A');

/** Four members; `of` is at 0, the survivors at 1, 2, 3. */
function four(): { cluster: VirtualCluster; lost: VirtualNode; survivors: readonly VirtualNode[] } {
  const cluster = new VirtualCluster({ regions: ['a', 'b', 'c', 'd'] });
  cluster.run(1_000);
  const [lost, ...survivors] = cluster.nodes;
  if (lost === undefined) throw new Error('a cluster has nodes');
  return { cluster, lost, survivors };
}

describe('D7: members change by agreed epochs', () => {
  it.each([...ordersOf([0, 1, 2])])(
    'fenced and removed in any order, all come to the highest that any has: %i %i %i',
    (...order) => {
      const { cluster, lost, survivors } = four();
      for (const other of survivors.slice(1)) cluster.cut(lost.id, other.id);
      for (const other of survivors.slice(1)) cluster.cut(survivors[0]?.id ?? '', other.id);
      const seq = lost.set('last', 'words');
      cluster.run(100);
      cluster.kill(lost);
      cluster.healAll();
      const removal = new Removal(cluster, lost, survivors);
      for (const at of order) removal.fence(survivors[at] as VirtualNode);
      expect(cluster.runUntil(() => removal.areAllFenced())).toBe(true);
      const cut = removal.cut();
      expect(cut).toEqual([[lost.core.origin, seq]]);
      expect(cluster.runUntil(() => removal.haveAll(cut))).toBe(true);
      for (const at of order) {
        removal.remove(survivors[at] as VirtualNode, cut);
        cluster.run(at * 40);
      }
      expect(cluster.runUntil(() => cluster.areEqual() && cluster.areReady())).toBe(true);
      expect(survivors.map((node) => node.get('last'))).toEqual(['words', 'words', 'words']);
    },
  );

  it('log, tombstones and vectors shrink again, and go on doing so', () => {
    const { cluster, lost, survivors } = four();
    const [b] = survivors as [VirtualNode];
    cluster.kill(lost);
    for (let at = 0; at < 20; at++) {
      b.set(`k${at}`, 'v');
      b.delete(`k${at}`);
    }
    cluster.run(5_000);
    const figures = (): number[][] =>
      survivors.map((node) => {
        const { logBytes, tombstones } = node.core.telemetry(0);
        return [
          logBytes,
          tombstones,
          [...node.vector().dots()].filter(([origin]) => Math.floor(origin / 2 ** 32) === lost.member.nodeNumber)
            .length,
        ];
      });
    for (const [logBytes, tombstones] of figures()) {
      expect(logBytes).toBeGreaterThan(0);
      expect(tombstones).toBe(20);
    }
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    const isSmall = (): boolean => figures().every((each) => each.every((figure) => figure === 0));
    expect(cluster.runUntil(isSmall, 20_000)).toBe(true);
    b.set('later', 'v');
    b.delete('later');
    expect(cluster.runUntil(() => cluster.areEqual() && isSmall(), 20_000)).toBe(true);
  });

  it('from the fence on nothing is taken from the node itself, and what is held of it is as if it never came', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    const c = new PlayedStream('C');
    const cause = c.next([['set', 'cause', '1']]);
    node.give('A', a.next([['set', 'k', 'had']]));
    const held = a.next([['set', 'k', 'held']], [c.dot]);
    node.give('A', held);
    node.core.membership.fence('A/a', 0, 7, false);
    node.run(20);
    expect([node.peers.has('A'), node.closed.at(-1)]).toEqual([false, 'fenced: it is being removed from the cluster']);
    expect(node.core.membership.progress('A/a').has).toEqual([[A, 1]]);
    node.give('C', cause);
    expect([node.get('cause'), node.get('k')]).toEqual(['1', 'had']);
    node.connectAs('A');
    node.run(20);
    expect(node.peers.has('A')).toBe(false);
    node.connectAs('A', { incarnation: 2 });
    node.run(20);
    expect(node.peers.has('A')).toBe(false);
    // a survivor that had it passes it on
    node.give('B', held);
    expect(node.get('k')).toBe('held');
  });

  it('a removal needs the fence, the epoch before it, and all up to the cut; the same again changes nothing', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    node.give('A', a.next([['set', 'k', '1']]));
    const { membership } = node.core;
    expect(() => membership.remove('A/a', 1, 1, 7, [[A, 1]])).toThrow('it is not fenced here');
    expect(() => membership.fence('A/a', 1, 7, false)).toThrow('epoch 1 was expected, it is 0 here');
    expect(() => membership.fence('R/a', 0, 7, false)).toThrow('survive itself');
    expect(() => membership.fence('X/a', 0, 7, false)).toThrow("no node 'X/a'");
    membership.fence('A/a', 0, 7, false);
    membership.fence('A/a', 0, 7, false);
    expect(() => membership.fence('B/a', 0, 7, false)).toThrow('A/a is fenced here');
    expect(() => membership.remove('A/a', 1, 1, 7, [[A, 2]])).toThrow('not here yet');
    expect(() => membership.remove('A/a', 1, 1, 7, [])).toThrow('more of it is here than the cut says');
    expect(() => membership.remove('A/a', 1, 1, 7, [[originFor('B'), 1]])).toThrow('names what is not of it');
    expect(() => membership.remove('A/a', 2, 1, 7, [[A, 1]])).toThrow('epoch 1 was expected');
    membership.remove('A/a', 1, 1, 7, [[A, 1]]);
    membership.remove('A/a', 1, 1, 7, [[A, 1]]);
    expect(() => membership.remove('A/a', 1, 1, 7, [])).toThrow('another cut');
    expect(membership.epoch).toBe(1);
    expect(() => membership.fence('A/a', 1, 7, false)).toThrow('removed from the cluster at epoch 1');
  });

  it('a fence can be taken back, and the node comes again', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.core.membership.fence('A/a', 0, 7, false);
    node.run(20);
    expect([node.core.membership.release('A/a', 7), node.core.membership.release('A/a', 7)]).toEqual([true, false]);
    node.connectAs('A');
    node.run(20);
    expect(node.peers.has('A')).toBe(true);
  });

  it('a survivor that was away learns the epoch from any other, and waits for all up to the cut', () => {
    const node = new ScriptedNode().connect('B', 'C');
    const a = new PlayedStream('A');
    const b = new PlayedStream('B');
    const last = a.next([['set', 'k', 'last']]);
    const removals = [{ node: numberOf('A'), epoch: 1, incarnation: 1, cut: [[A, 1]] as const }];
    const made = b.next([
      ['set', 'b', '1'],
      ['del', 'b'],
    ]);
    node.give('B', made);
    node.give('B', { type: 'membership', epoch: 1, removals, joins: [] });
    const said = (name: 'B' | 'C'): void => node.giveRow(name, { applied: [a.dot, b.dot] });
    for (const name of ['B', 'C'] as const) said(name);
    node.run(500);
    // nothing is stable here while something of A may still come
    expect(node.core.telemetry(0).tombstones).toBe(1);
    node.give('B', last);
    // what is beyond the cut is void, whoever says it, before and after it is retired
    node.give('B', a.next([['set', 'k', 'beyond']]));
    expect(node.get('k')).toBe('last');
    node.run(100);
    for (const name of ['B', 'C'] as const) node.giveRow(name, { applied: [...node.core.vector().dots()] });
    node.run(500);
    expect([node.get('k'), node.core.telemetry(0).tombstones]).toEqual(['last', 0]);
    expect(node.core.vector().floor(numberOf('A'))).toBe(2);
    node.give('B', a.next([['set', 'k', 'beyond']]));
    expect(node.get('k')).toBe('last');
  });

  it('what was held of a node as it was fenced is wanted again of who has it: the cut may need it (seeds 2566, 3356)', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const a = new PlayedStream('A');
    const c = new PlayedStream('C');
    const cause = c.next([['set', 'cause', 'v']]);
    const held = a.next([['set', 'k', 'last']], [c.dot]);
    node.disconnect('A');
    node.giveRow('B', { applied: [[a.origin, 1]] });
    node.run(500);
    expect(node.take('want').at(-1)?.to).toBe('B');
    node.give('B', held);
    expect(node.core.telemetry(0).holdBackTransactions).toBe(1);
    node.core.membership.fence('A/a', 0, 7, false);
    node.run(100);
    expect(node.core.telemetry(0).holdBackTransactions).toBe(0);
    const wanted = node.take('want').find(({ to, frame }) => to === 'B' && frame.nodes.includes(numberOf('A')));
    expect(wanted).toBeDefined();
    expect(new Map(wanted?.frame.after).get(a.origin) ?? 0).toBe(0);
    node.give('C', cause);
    node.give('B', held);
    expect(node.get('k')).toBe('last');
  });

  it('a removed node that has not heard of it is not taken for one that has what became stable without it (seed 2120)', () => {
    const { cluster, lost, survivors } = four();
    for (const other of survivors) cluster.cut(lost.id, other.id);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    const [b] = survivors as [VirtualNode];
    b.set('later', '1');
    const seen = (): Iterable<readonly [Origin, number]> => b.vector().dots();
    expect(cluster.runUntil(() => b.core.sessions.needed(seen()).length === 0, 20_000)).toBe(true);
    const token = b.core.sessions.tokenOf({ epoch: 0, dots: seen() });
    for (const survivor of survivors)
      expect(survivor.core.sessions.covers(survivor.core.sessions.read(token))).toBe(true);
    expect([lost.core.membership.epoch, lost.get('later')]).toEqual([0, null]);
    expect(lost.core.sessions.covers(lost.core.sessions.read(token))).toBe(false);
  });

  it('what only the removed node had is void: a read of its token at a survivor does not wait for ever', () => {
    const { cluster, lost, survivors } = four();
    for (const other of survivors) cluster.cut(lost.id, other.id);
    lost.set('alone', '1');
    const token = lost.core.sessions.tokenOf({ epoch: 0, dots: lost.vector().dots() });
    cluster.kill(lost);
    cluster.healAll();
    lost.core.membership.list();
    const [b] = survivors as [VirtualNode];
    expect(b.core.sessions.covers(b.core.sessions.read(token))).toBe(false);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    expect(cluster.runUntil(() => b.core.sessions.covers(b.core.sessions.read(token)), 20_000)).toBe(true);
    expect(b.get('alone')).toBeNull();
  });

  it('a removed node that comes back is told, and refuses writes', () => {
    const { cluster, lost, survivors } = four();
    lost.set('k', 'v');
    cluster.run(500);
    cluster.kill(lost);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1, 5_000)).toBe(true);
    expect(lost.core.refusal(true, true)?.message).toBe('a/a is removed from the cluster at epoch 1');
    expect(lost.core.unreadyReasons(0)).toEqual(['removed from the cluster at epoch 1']);
    expect(() => lost.core.membership.fence('b/a', 1, 1, false)).toThrow('a/a is itself removed from the cluster');
    const [b] = survivors as [VirtualNode];
    expect(b.core.membership.list().map((member) => member.state)).toEqual(['removed', 'self', 'live', 'live']);
  });

  it('who restarts in the middle still has the fence, and the removal after it', () => {
    const { cluster, lost, survivors } = four();
    cluster.kill(lost);
    const removal = new Removal(cluster, lost, survivors);
    for (const node of survivors) removal.fence(node);
    expect(cluster.runUntil(() => removal.areAllFenced())).toBe(true);
    const [b] = survivors as [VirtualNode];
    cluster.kill(b);
    cluster.restart(b);
    cluster.restart(lost);
    cluster.run(2_000);
    expect(b.core.membership.progress(lost.id).state).toBe('fenced');
    expect(b.core.peers(0).find((peer) => peer.id === lost.id)?.connected).toBe(false);
    expect(cluster.runUntil(() => removal.areAllFenced())).toBe(true);
    cluster.kill(lost);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    cluster.kill(b);
    cluster.restart(b);
    expect(b.core.membership.progress(lost.id).state).toBe('removed');
    expect(cluster.runUntil(() => cluster.areEqual() && cluster.areReady(), 30_000)).toBe(true);
  });

  it('a survivor with an empty disk learns of the removal and of what the removed node made', () => {
    const { cluster, lost, survivors } = four();
    lost.set('k', 'v');
    cluster.run(500);
    cluster.kill(lost);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    cluster.run(3_000);
    const [b] = survivors as [VirtualNode];
    cluster.kill(b);
    cluster.restart(b, { emptyDisk: true });
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 60_000)).toBe(true);
    expect([b.get('k'), b.core.membership.epoch]).toEqual(['v', 1]);
  });

  it('what only the removed node had is listed by it when its disk comes back', () => {
    const { cluster, lost, survivors } = four();
    lost.set('shared', '1');
    cluster.run(500);
    expect(() => lost.core.membership.lost(0, 10)).toThrow('was not removed');
    for (const other of survivors) cluster.cut(lost.id, other.id);
    const seq = lost.set('alone', 'a');
    lost.delete('shared');
    lost.setAdd('set', 'm');
    lost.increment('count', 2n);
    lost.setRemove('set', 'other');
    cluster.run(500);
    const { origin } = lost.core;
    cluster.kill(lost);
    cluster.healAll();
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1, 5_000)).toBe(true);
    const page = lost.core.membership.lost(0, 100);
    const listed = page.writes.toSorted((left, right) => left.seq - right.seq);
    expect(listed.map((write) => [write.key, write.kind, write.origin, write.seq, write.value])).toEqual([
      ['alone', 'string', origin, seq, 'a'],
      ['shared', 'removal', origin, seq + 1, null],
      ['set', 'member', origin, seq + 2, 'm'],
      ['count', 'increment', origin, seq + 3, '2'],
    ]);
    // of the removal of a member nothing is left: it is counted
    expect([page.transactions, page.left, page.next]).toEqual([5, 4, 0]);
    expect(survivors.map((node) => [node.get('alone'), node.get('shared')])).toEqual(survivors.map(() => [null, '1']));
  });
});
