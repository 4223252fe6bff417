import { describe, expect, it } from 'vitest';
import type { NodeNumber } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { four, type Four } from '../members/four-members.ts';
import { Joining } from '../members/joining.ts';
import { Removal } from '../members/removal.ts';
import { numberOf, originFor, PlayedStream, ScriptedNode } from '../support/scripted-node.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';

/** As `four`, with writes on both sides of a cut, and one lost and removed. */
function removed(before: (four: Four) => void = () => {}): Four {
  const all = four();
  const { cluster, lost, survivors } = all;
  lost.set('shared', 'old');
  lost.set('kept', '1');
  cluster.run(500);
  for (const other of survivors) cluster.cut(lost.id, other.id);
  lost.set('shared', 'alone');
  lost.set('alone', 'only here');
  survivors[0].set('theirs', '1');
  before(all);
  cluster.run(500);
  cluster.kill(lost);
  cluster.healAll();
  expect(new Removal(cluster, lost, survivors).run()).toBe(true);
  return all;
}

const isSmall = ({ cluster }: Four): boolean =>
  cluster.running().every((node) => {
    const { logTransactions, tombstones } = node.core.telemetry(0);
    return logTransactions === 0 && tombstones === 0;
  });

describe('D7: a removed node joins again', () => {
  it('with an empty keyspace that is filled from the others, and what it alone had set aside', () => {
    const all = removed();
    const { cluster, lost, survivors } = all;
    const joining = new Joining(cluster, lost, survivors);
    expect(joining.run()).toBe(true);
    survivors[1].set('meanwhile', '1');
    cluster.restart(lost);
    expect(joining.isWhole()).toBe(true);
    for (const node of cluster.nodes) {
      expect([node.get('shared'), node.get('alone'), node.get('theirs')]).toEqual(['old', null, '1']);
      expect(node.core.membership.epoch).toBe(2);
    }
    const { writes, transactions, left } = lost.core.membership.lost(0, 10);
    expect(writes.map(({ key, kind, value }) => `${key} ${kind} ${value}`).toSorted()).toEqual([
      'alone string only here',
      'shared string alone',
    ]);
    expect([transactions, left]).toEqual([2, 2]);
    lost.set('again', '1');
    lost.delete('again');
    survivors[0].delete('meanwhile');
    expect(cluster.runUntil(() => cluster.areEqual() && isSmall(all), 20_000)).toBe(true);
    expect(lost.core.membership.lost(0, 10).writes).toHaveLength(2);
  });

  it('a disk that never heard of its removal is told, starts again empty, and brings nothing in', () => {
    const { cluster, lost, survivors } = removed();
    const joining = new Joining(cluster, lost, survivors);
    expect(joining.run()).toBe(true);
    cluster.restart(lost);
    expect(lost.core.membership.epoch).toBe(0);
    expect(cluster.runUntil(() => lost.core.membership.mustStartAgain, 5_000)).toBe(true);
    expect(lost.core.refusal(true, true)?.message).toBe(
      'a/a is joined again at epoch 2: it starts again with an empty keyspace',
    );
    expect(survivors.map((node) => [node.get('shared'), node.get('alone')])).toEqual(
      survivors.map(() => ['old', null]),
    );
    const before = lost.life;
    expect(joining.isWhole()).toBe(true);
    expect(lost.life).toBeGreaterThan(before);
    expect(lost.get('shared')).toBe('old');
  });

  it('one that runs as a removed node is told of its joining, too', () => {
    const { cluster, lost, survivors } = removed();
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1, 5_000)).toBe(true);
    const joining = new Joining(cluster, lost, survivors);
    expect(joining.run()).toBe(true);
    expect(joining.isWhole()).toBe(true);
    expect(lost.core.membership.lost(0, 10).writes).toHaveLength(2);
  });

  it('one that is refused, and says nothing more for it refuses as well, is told of its joining on the connection that lasts', () => {
    const node = new ScriptedNode().connect('B', 'C');
    const [of, cut] = [numberOf('A'), [] as const];
    const removals = [{ node: of, epoch: 1, incarnation: 1, cut }];
    node.give('B', { type: 'membership', epoch: 1, removals, joins: [] });
    node.connectAs('A');
    node.run(1_000);
    expect([node.peers.has('A'), node.take('membership').filter(({ to }) => to === 'A').length]).toEqual([true, 2]);
    node.give('B', {
      type: 'membership',
      epoch: 2,
      removals: [],
      joins: [{ node: of, epoch: 2, incarnation: 2, cut }],
    });
    const told = node.take('membership').filter(({ to }) => to === 'A');
    expect(told.map(({ frame }) => frame.epoch)).toEqual([2, 2]);
  });

  it('one whose next life is below the lowest that may come is started once more', () => {
    const { cluster, lost, survivors } = removed();
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1, 5_000)).toBe(true);
    const joining = new Joining(cluster, lost, survivors);
    expect(cluster.runUntil(() => joining.areAllSettled())).toBe(true);
    for (const node of survivors) joining.hold(node);
    expect(cluster.runUntil(() => joining.areAllHeld())).toBe(true);
    // what retires its lives at the others names one that never was, and who started since takes that for known
    const lowest = lost.disk.incarnation + 2;
    for (const node of survivors) joining.join(node, lowest);
    expect(joining.isWhole()).toBe(true);
    expect(lost.disk.incarnation).toBe(lowest);
    expect(lost.core.membership.lost(0, 10).writes).toHaveLength(2);
  });

  it('one with an empty disk needs no other start, serves nothing before it is filled, and loses nothing of the others', () => {
    const { cluster, lost, survivors } = removed();
    cluster.restart(lost, { emptyDisk: true });
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1, 5_000)).toBe(true);
    // long enough to begin alone, were it a member
    cluster.run(10_000);
    const joining = new Joining(cluster, lost, survivors);
    expect(joining.run()).toBe(true);
    const { life } = lost;
    let servedEmpty = 0;
    cluster.observer = {
      settled: (node) => {
        if (node === lost && lost.isWritable && lost.get('shared') === null) servedEmpty++;
      },
    };
    expect(joining.isWhole()).toBe(true);
    expect([lost.life, lost.get('shared'), servedEmpty]).toEqual([life, 'old', 0]);
  });

  it('waits for what the others have, however long nobody is reached', () => {
    const { cluster, lost, survivors } = removed();
    const joining = new Joining(cluster, lost, survivors);
    expect(joining.run()).toBe(true);
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.mustStartAgain, 5_000)).toBe(true);
    for (const other of survivors) cluster.cut(lost.id, other.id);
    joining.startAgain();
    cluster.run(30_000);
    expect(lost.core.refusal(true, false)?.code).toBe('LOADING');
    expect(lost.core.unreadyReasons(0)).toContain('joining: nothing of the cluster is here yet');
    cluster.healAll();
    expect(joining.isWhole()).toBe(true);
    expect(lost.core.refusal(true, false)).toBeNull();
  });

  it('from the hold on nothing becomes stable anywhere until it has said what it has', () => {
    const { cluster, lost, survivors } = removed();
    const [b, c] = survivors;
    const joining = new Joining(cluster, lost, survivors);
    expect(cluster.runUntil(() => joining.areAllSettled() && b.core.telemetry(0).tombstones === 0)).toBe(true);
    for (const node of survivors) joining.hold(node);
    expect(cluster.runUntil(() => joining.areAllHeld())).toBe(true);
    c.delete('theirs');
    cluster.run(20_000);
    const kept = (): number[] => survivors.map((node) => node.core.telemetry(0).tombstones);
    expect(kept()).toEqual([1, 1, 1]);
    const incarnation = joining.incarnation();
    for (const node of survivors) joining.join(node, incarnation);
    cluster.run(20_000);
    expect(kept()).toEqual([1, 1, 1]);
    cluster.restart(lost);
    expect(joining.isWhole()).toBe(true);
    expect(cluster.runUntil(() => kept().every((count) => count === 0), 20_000)).toBe(true);
    expect(lost.get('theirs')).toBeNull();
  });

  it('a hold is taken back, and what was held for is forgotten', () => {
    const { cluster, lost, survivors } = removed();
    const joining = new Joining(cluster, lost, survivors);
    expect(cluster.runUntil(() => joining.areAllSettled())).toBe(true);
    for (const node of survivors) joining.hold(node);
    survivors[0].delete('theirs');
    cluster.run(5_000);
    expect(survivors.map((node) => node.core.telemetry(0).tombstones)).toEqual([1, 1, 1]);
    for (const node of survivors) expect(node.core.membership.release(lost.id, 2)).toBe(true);
    expect(cluster.runUntil(() => survivors.every((node) => node.core.telemetry(0).tombstones === 0), 20_000)).toBe(
      true,
    );
    expect(new Joining(cluster, lost, survivors, 3).run()).toBe(true);
  });

  it('each step is refused out of its turn, and the same again changes nothing', () => {
    const { cluster, lost, survivors } = four();
    const [b] = survivors;
    const { membership } = b.core;
    expect(() => membership.hold(lost.id, 0, 1)).toThrow('it was not removed');
    cluster.kill(lost);
    expect(new Removal(cluster, lost, survivors).run()).toBe(true);
    expect(() => membership.join(lost.id, 2, 9, 1)).toThrow('it is not waited for here');
    expect(cluster.runUntil(() => membership.progress(lost.id).isSettled)).toBe(true);
    expect(() => membership.hold(lost.id, 0, 1)).toThrow('epoch 0 was expected, it is 1 here');
    membership.hold(lost.id, 1, 1);
    membership.hold(lost.id, 1, 1);
    expect(() => membership.fence('c/a', 1, 5, false)).toThrow('a/a is waited for here: end that join first');
    expect(() => membership.join(lost.id, 2, 9, 5)).toThrow('another operator has taken this change over');
    expect(() => membership.join(lost.id, 3, 9, 1)).toThrow('epoch 2 was expected, it is 1 here');
    expect(() => membership.join(lost.id, 2, 1, 1)).toThrow('its incarnation 1 was removed');
    membership.join(lost.id, 2, 9, 1);
    membership.join(lost.id, 2, 9, 1);
    expect(() => membership.join(lost.id, 2, 10, 1)).toThrow('from another incarnation on');
    expect([membership.epoch, membership.progress(lost.id).joinedFrom]).toEqual([2, 9]);
  });

  it('what it made before it was removed must be stable first', () => {
    const node = new ScriptedNode().connect('B', 'C');
    node.give('B', new PlayedStream('A').next([['set', 'k', 'had']]));
    const { membership } = node.core;
    membership.fence('A/a', 0, 1, false);
    membership.remove('A/a', 1, 1, 1, [[originFor('A'), 1]]);
    node.run(100);
    expect(membership.progress('A/a').isSettled).toBe(false);
    expect(() => membership.hold('A/a', 1, 1)).toThrow('what it made before it was removed is not stable yet');
    const applied = [[originFor('A'), 1]] as const;
    for (const name of ['B', 'C'] as const) node.giveRow(name, { applied });
    node.run(500);
    expect(membership.progress('A/a').isSettled).toBe(true);
    membership.hold('A/a', 1, 1);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('whoever ends in the middle goes on: step %i', (at) => {
    const { cluster, lost, survivors } = removed();
    let step = 0;
    const crash = (node: VirtualNode): void => {
      if (++step !== at) return;
      cluster.kill(node);
      cluster.run(300);
      cluster.restart(node);
    };
    const attempt = (operation: number): boolean => {
      const joining = new Joining(cluster, lost, survivors, operation);
      if (!cluster.runUntil(() => joining.areAllSettled())) return false;
      for (const node of survivors) {
        joining.hold(node);
        crash(node);
      }
      if (!cluster.runUntil(() => joining.areAllHeld(), 5_000)) return false;
      const incarnation = joining.incarnation();
      for (const node of survivors) {
        joining.join(node, incarnation);
        crash(node);
      }
      return cluster.runUntil(
        () => joining.progress().every((each) => each.joinedAtEpoch > 0 && each.isDurable),
        5_000,
      );
    };
    // a step that a crash took back is done again by the same command
    const isDone = attempt(2) || attempt(3);
    expect(isDone).toBe(true);
    cluster.restart(lost);
    const joining = new Joining(cluster, lost, survivors);
    expect(cluster.runUntil(() => lost.core.membership.mustStartAgain, 5_000)).toBe(true);
    crash(lost);
    cluster.runUntil(() => lost.core.membership.mustStartAgain, 5_000);
    joining.startAgain();
    crash(lost);
    cluster.run(30);
    crash(lost);
    cluster.run(100);
    crash(lost);
    expect(step).toBeGreaterThanOrEqual(10);
    expect(joining.isWhole()).toBe(true);
    expect(lost.get('shared')).toBe('old');
    expect(lost.core.membership.lost(0, 10).writes).toHaveLength(2);
  });

  it('removed and joined twice, each time what it alone had is kept', () => {
    const { cluster, lost, survivors } = removed();
    const first = new Joining(cluster, lost, survivors);
    expect(first.run()).toBe(true);
    cluster.restart(lost);
    expect(first.isWhole()).toBe(true);
    for (const other of survivors) cluster.cut(lost.id, other.id);
    lost.set('second', '2');
    cluster.run(500);
    cluster.kill(lost);
    cluster.healAll();
    expect(new Removal(cluster, lost, survivors, 5).run()).toBe(true);
    const second = new Joining(cluster, lost, survivors, 6);
    expect(second.run()).toBe(true);
    cluster.restart(lost);
    expect(second.isWhole()).toBe(true);
    expect([lost.core.membership.epoch, lost.get('second')]).toEqual([4, null]);
    const keys = lost.core.membership.lost(0, 10).writes.map(({ key }) => key);
    expect(keys.toSorted()).toEqual(['alone', 'second', 'shared']);
  });

  it('a disk that slept through two removals lists what it had beyond the first', () => {
    const { cluster, lost, survivors } = removed();
    const slept = lost.disk.copy();
    const first = new Joining(cluster, lost, survivors);
    expect(first.run()).toBe(true);
    cluster.restart(lost, { emptyDisk: true });
    expect(first.isWhole()).toBe(true);
    lost.set('third', '3');
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    cluster.kill(lost);
    expect(new Removal(cluster, lost, survivors, 5).run()).toBe(true);
    const second = new Joining(cluster, lost, survivors, 6);
    expect(second.run()).toBe(true);
    cluster.restart(lost, { backup: slept });
    expect(second.isWhole()).toBe(true);
    expect([lost.get('third'), lost.get('shared')]).toEqual(['3', 'old']);
    expect(
      lost.core.membership
        .lost(0, 10)
        .writes.map(({ key }) => key)
        .toSorted(),
    ).toEqual(['alone', 'shared']);
  });

  it('a member refuses who is not of the joined life, its rows, and what is beyond the cut', () => {
    const node = new ScriptedNode().connect('B', 'C');
    const removal = { node: numberOf('A'), epoch: 1, incarnation: 1, cut: [[originFor('A'), 1]] as const };
    const a = new PlayedStream('A');
    node.give('B', a.next([['set', 'k', 'had']]));
    node.give('B', { type: 'membership', epoch: 1, removals: [removal], joins: [] });
    const join = { node: numberOf('A'), epoch: 2, incarnation: 5, cut: removal.cut };
    node.give('B', { type: 'membership', epoch: 2, removals: [], joins: [join] });
    expect(node.core.membership.epoch).toBe(2);
    const isTaken = (hello: { incarnation: number; beganAtEpoch: number }): boolean => {
      node.connectAs('A', hello);
      node.run(20);
      const before = node.closed.length;
      const isUp = node.core.peers(0).find(({ id }) => id === 'A/a')?.connected === true;
      if (!isUp) expect(before).toBeGreaterThanOrEqual(0);
      return isUp;
    };
    expect(isTaken({ incarnation: 6, beganAtEpoch: 0 })).toBe(false);
    expect(isTaken({ incarnation: 4, beganAtEpoch: 2 })).toBe(false);
    node.give('B', a.next([['set', 'k', 'beyond']]));
    expect(node.get('k')).toBe('had');
    node.giveRow('B', { of: 'A', incarnation: 4 });
    expect(node.core.membership.list().find(({ id }) => id === 'A/a')?.silentMs).toBeNull();
    expect(isTaken({ incarnation: 6, beganAtEpoch: 2 })).toBe(true);
    const again = new PlayedStream('A', 6);
    node.give('A', again.next([['set', 'k', 'new life']]));
    expect(node.get('k')).toBe('new life');
  });

  it('who learns of a join from a peer counts the node from then on', () => {
    const node = new ScriptedNode().connect('B', 'C');
    const removal = { node: numberOf('A'), epoch: 1, incarnation: 1, cut: [] };
    node.give('B', { type: 'membership', epoch: 1, removals: [removal], joins: [] });
    const b = new PlayedStream('B');
    const write = (): void => {
      node.give('B', b.next([['set', 'k', 'v']]));
      for (let round = 0; round < 3; round++) {
        for (const name of ['B', 'C'] as const) node.giveRow(name, { applied: [...node.core.vector().dots()] });
        node.run(200);
      }
    };
    write();
    expect(node.core.telemetry(0).logTransactions).toBe(0);
    const join = { node: numberOf('A'), epoch: 2, incarnation: 5, cut: [] };
    node.give('B', { type: 'membership', epoch: 2, removals: [], joins: [join] });
    write();
    expect(node.core.telemetry(0).logTransactions).toBe(1);
  });

  it('what a peer cannot say of the members ends its connection', () => {
    const removal = { epoch: 1, incarnation: 1, cut: [] };
    for (const [removals, joins] of [
      [[{ ...removal, node: numberOf('B') }], []],
      [[{ ...removal, node: 999 as NodeNumber }], []],
      [[], [{ ...removal, node: 999 as NodeNumber }]],
    ] as const) {
      const node = new ScriptedNode().connect('B', 'C');
      node.give('B', { type: 'membership', epoch: 1, removals, joins });
      expect([node.closed.length, node.core.membership.epoch]).toEqual([1, 0]);
    }
  });

  it('a node that is itself joined goes on as it is only with nothing, and with an incarnation that may come in', () => {
    const join = { node: numberOf('R'), epoch: 2, incarnation: 5, cut: [] };
    const frame = { type: 'membership', epoch: 2, removals: [], joins: [join] } as const;
    const isToStartAgain = (incarnation: number, before: (node: ScriptedNode) => void): boolean => {
      const node = new ScriptedNode({ incarnation }).connect('B');
      before(node);
      node.give('B', frame);
      return node.core.membership.mustStartAgain;
    };
    const nothing = (): void => {};
    expect(isToStartAgain(5, nothing)).toBe(false);
    expect(isToStartAgain(4, nothing)).toBe(true);
    expect(isToStartAgain(5, (node) => node.give('B', new PlayedStream('B').next([['set', 'k', 'v']])))).toBe(true);
  });

  it('a node that joins as it runs says hello anew, and takes no vector from before for what it needs', () => {
    const node = new ScriptedNode().connect('B');
    node.run(20);
    const removal = { node: numberOf('R'), epoch: 1, incarnation: 0, cut: [] };
    node.give('B', { type: 'membership', epoch: 1, removals: [removal], joins: [] });
    node.run(100);
    const join = { node: numberOf('R'), epoch: 2, incarnation: 1, cut: [] };
    node.give('B', { type: 'membership', epoch: 2, removals: [], joins: [join] });
    expect([node.closed, node.peers.size]).toEqual([
      ['joined again: a hello tells of it', 'joined again: a hello tells of it'],
      0,
    ]);
    node.run(5_000);
    expect(node.core.refusal(true, false)?.code).toBe('LOADING');
    const b = new PlayedStream('B');
    const write = b.next([['set', 'k', 'v']]);
    node.connectAs('B', { applied: [b.dot] });
    expect(node.take('hello').at(-1)?.frame.beganAtEpoch).toBe(2);
    node.run(100);
    expect(node.core.refusal(true, false)?.code).toBe('LOADING');
    node.give('B', write);
    node.run(100);
    expect(node.core.refusal(true, false)).toBeNull();
  });

  it('what is told of a change is told once it is on disk', () => {
    const node = new ScriptedNode({ hasStore: true }).connect('A', 'B', 'C');
    const { membership } = node.core;
    const commit = (): void => {
      expect(node.core.takeStoreBatch()).not.toBeNull();
      node.core.storeCommitted();
    };
    const a = new PlayedStream('A');
    node.give('A', a.next([['set', 'k', '1']]));
    commit();
    membership.fence('A/a', 0, 1, false);
    expect(membership.progress('A/a').isDurable).toBe(false);
    commit();
    expect(membership.progress('A/a').isDurable).toBe(true);
    node.give('B', a.next([['set', 'k', '2']]));
    expect(membership.progress('A/a').isDurable).toBe(false);
    commit();
    expect(membership.progress('A/a').isDurable).toBe(true);
    membership.remove('A/a', 1, 1, 1, [a.dot]);
    commit();
    for (const name of ['B', 'C'] as const) node.giveRow(name, { applied: [a.dot] });
    node.run(100);
    expect([node.core.vector().floor(numberOf('A')), membership.progress('A/a').isSettled]).toEqual([2, false]);
    commit();
    expect(membership.progress('A/a').isSettled).toBe(true);
    const join = { node: numberOf('R'), epoch: 2, incarnation: 9, cut: [] };
    node.give('B', { type: 'membership', epoch: 2, removals: [], joins: [join] });
    expect(membership.mustStartAgain).toBe(false);
    commit();
    expect(membership.mustStartAgain).toBe(true);
  });

  it('a snapshot of a node that waits is gone with its fence', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const stamp = stampOfMs(node.now().wallMs + 1_000);
    const dot = [originFor('A'), 1] as const;
    node.give('A', { type: 'truncated' });
    node.give('A', { type: 'snapshot-begin', vector: [dot], running: [], stable: [], flush: null, stamp });
    const string: [string, number, number, number, null] = ['v', stamp, ...dot, null];
    node.give('A', { type: 'snapshot-entries', entries: [['k', [string, null, null, null]]] });
    node.give('A', { type: 'snapshot-end', count: 1 });
    node.core.membership.fence('A/a', 0, 1, false);
    node.run(3_000);
    expect([node.get('k'), node.core.membership.progress('A/a').has]).toEqual([null, []]);
  });

  it('what a node acknowledged in an earlier life does not count from the hold on', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    const b = new PlayedStream('B');
    const gone = b.next([
      ['set', 'k', 'v'],
      ['del', 'k'],
    ]);
    node.give('B', gone);
    const say = (...names: ('A' | 'B' | 'C')[]): void => {
      for (let round = 0; round < 3; round++) {
        for (const name of names) node.giveRow(name, { applied: [...node.core.vector().dots()] });
        node.run(200);
      }
    };
    say('A', 'B');
    const { membership } = node.core;
    membership.fence('A/a', 0, 1, false);
    membership.remove('A/a', 1, 0, 1, []);
    membership.hold('A/a', 1, 2);
    say('B', 'C');
    expect(node.core.telemetry(0).tombstones).toBe(1);
    membership.release('A/a', 2);
    say('B', 'C');
    expect(node.core.telemetry(0).tombstones).toBe(0);
  });
});
