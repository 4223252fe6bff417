import { describe, expect, it } from 'vitest';
import type { NodeMeta } from '../../src/causal/peer-frames.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { Agreeing, agreementOf, changeAt, stateAt } from '../members/agreeing.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';

const states = (at: readonly VirtualNode[], of: VirtualNode): unknown[] => at.map((node) => stateAt(node, of));

describe('D7: the members agree', () => {
  it('a lost node is removed at the highest that any survivor has, asked at any of them', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    for (const other of [c, d]) cluster.cut(lost.id, other.id);
    cluster.cut(b.id, c.id);
    cluster.cut(b.id, d.id);
    // only b has it
    lost.set('k', 'v');
    expect(cluster.runUntil(() => b.get('k') === 'v')).toBe(true);
    cluster.kill(lost);
    cluster.healAll();
    expect(run.begin(d, 'remove', [lost])).toBeNull();
    expect(run.agreesAt(1, [b, c, d])).toBe(true);
    expect(states([b, c, d], lost)).toEqual(['removed', 'removed', 'removed']);
    expect([b, c, d].map((node) => node.get('k'))).toEqual(['v', 'v', 'v']);
    expect(new Set([b, c, d].map((node) => JSON.stringify(node.core.membership.progress(lost.id).has))).size).toBe(1);
    // what was removed is forgotten, and votes no more
    const isForgotten = (): boolean => [b, c, d].every((node) => node.vector().floor(lost.member.nodeNumber) > 1);
    expect(cluster.runUntil(isForgotten, 30_000)).toBe(true);
    expect(cluster.runUntil(() => !agreementOf(b).status().voters.includes(lost.id), 10_000)).toBe(true);
  });

  it('a survivor that is away holds the removal up, by name; fenced it stays, and goes on when that one is back', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    cluster.kill(lost);
    cluster.kill(d);
    expect(run.begin(b, 'remove', [lost])).toBeNull();
    const waitsForD = (): boolean =>
      [b, c].every((node) => JSON.stringify(changeAt(node)?.waiting) === JSON.stringify([d.id]));
    expect(cluster.runUntil(waitsForD, 10_000)).toBe(true);
    cluster.run(20_000);
    expect(changeAt(b)).toEqual({ kind: 'remove', nodes: [lost.id], step: 'fence', waiting: [d.id] });
    expect(states([b, c], lost)).toEqual(['fenced', 'fenced']);
    cluster.restart(lost);
    cluster.run(3_000);
    expect(b.core.peers(0).find((peer) => peer.id === lost.id)?.connected).toBe(false);
    cluster.kill(lost);
    cluster.restart(d);
    expect(run.agreesAt(1, [b, c, d])).toBe(true);
    expect(changeAt(b)).toBeNull();
  });

  it('a minority decides nothing: NOQUORUM, and nothing is fenced', () => {
    const run = new Agreeing({ regions: ['a', 'b', 'c'] });
    const { cluster } = run;
    const [a, b, c] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    cluster.kill(b);
    cluster.kill(c);
    cluster.run(10_000);
    expect(run.begin(a, 'remove', [b])).toContain('NOQUORUM');
    expect(states([a], b)).toEqual(['silent']);
    // and of two sides of a cut only the larger one
    cluster.restart(b);
    cluster.restart(c);
    expect(cluster.runUntil(() => cluster.areReady() && agreementOf(a).status().leader !== null, 30_000)).toBe(true);
    cluster.cut('a', 'b');
    cluster.cut('a', 'c');
    cluster.run(10_000);
    expect(run.begin(b, 'remove', [a])).toBeNull();
    expect(run.begin(a, 'remove', [b])).toMatch(/^(NOQUORUM|UNCERTAIN)/);
    expect(run.agreesAt(1, [b, c])).toBe(true);
    cluster.healAll();
    expect(cluster.runUntil(() => a.core.membership.epoch === 1, 20_000)).toBe(true);
    expect(a.core.refusal(true, true)?.message).toBe('a/a is removed from the cluster at epoch 1');
    expect(cluster.runUntil(() => b.core.membership.epoch === 1 && changeAt(b) === null)).toBe(true);
    cluster.run(10_000);
    expect([b, c].map((node) => node.core.membership.epoch)).toEqual([1, 1]);
  });

  it('a region of several nodes goes in one change and one epoch, and comes again in one', () => {
    const run = new Agreeing({ regions: ['a', 'b', 'c'], nodesPerRegion: 2 });
    const { cluster } = run;
    const gone = cluster.nodes.filter((node) => node.member.region === 'c');
    const kept = cluster.nodes.filter((node) => node.member.region !== 'c');
    const [first] = kept as [VirtualNode];
    for (const node of gone) node.set(`of ${node.id}`, '1');
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    for (const node of gone) cluster.kill(node);
    expect(run.begin(first, 'remove', gone)).toBeNull();
    expect(run.agreesAt(1, kept)).toBe(true);
    for (const node of gone) expect(states(kept, node)).toEqual(kept.map(() => 'removed'));
    const isSettled = (): boolean =>
      kept.every((node) => gone.every((each) => node.core.membership.progress(each.id).isSettled));
    expect(cluster.runUntil(isSettled, 60_000)).toBe(true);
    expect(run.begin(first, 'join', gone)).toBeNull();
    expect(run.agreesAt(2, kept)).toBe(true);
    for (const node of gone) cluster.restart(node);
    const isWhole = (): boolean => {
      for (const node of gone) {
        if (!node.isRunning || !node.core.membership.mustStartAgain) continue;
        cluster.kill(node);
        cluster.restart(node);
      }
      return (
        cluster.areReady() && cluster.areEqual() && cluster.nodes.every((node) => node.core.membership.epoch === 2)
      );
    };
    expect(cluster.runUntil(isWhole, 60_000)).toBe(true);
    expect(gone.map((node) => node.get('of c/a'))).toEqual(['1', '1']);
    // it votes again
    const votes = (): boolean => cluster.nodes.every((node) => agreementOf(node).status().voters.includes('c/a'));
    expect(cluster.runUntil(votes, 30_000)).toBe(true);
  });

  it('a change needs the epoch before it, and nobody begins another meanwhile; taken back, nothing is left of it', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [a, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    cluster.kill(a);
    cluster.kill(d);
    expect(run.begin(b, 'remove', [a], 1)).toContain('epoch 1 was expected, it is 0');
    expect(run.begin(b, 'join', [a])).toContain('a node is a member already');
    expect(() => run.begin(b, 'remove', [{ id: 'x/a' } as VirtualNode])).toThrow("no node 'x/a'");
    expect(run.begin(b, 'remove', [a])).toBeNull();
    expect(run.begin(c, 'remove', [a])).toBeNull();
    expect(run.begin(c, 'remove', [b])).toContain('a removal is under way');
    expect(cluster.runUntil(() => states([b, c], a).every((state) => state === 'fenced'))).toBe(true);
    expect(run.takeBack(c)).toBeNull();
    expect(cluster.runUntil(() => states([b, c], a).every((state) => state !== 'fenced'))).toBe(true);
    expect(() => run.takeBack(c)).toThrow('no change of the members is under way');
    cluster.restart(a);
    cluster.restart(d);
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 30_000)).toBe(true);
    expect(cluster.nodes.map((node) => node.core.membership.epoch)).toEqual([0, 0, 0, 0]);
    expect(states([b, c], a)).toEqual(['live', 'live']);
  });

  it('whoever of the survivors is killed in between, the leader too, the change comes to its end by itself', () => {
    for (const victim of ['leader', 'follower'] as const) {
      for (const step of ['fence', 'even', 'after'] as const) {
        const run = new Agreeing({ regions: ['a', 'b', 'c', 'd'] });
        const { cluster } = run;
        const { leader } = run;
        const lost = cluster.nodes.find((node) => node !== leader) as VirtualNode;
        const kept = cluster.nodes.filter((node) => node !== lost);
        const other = kept.find((node) => node !== leader) as VirtualNode;
        lost.set('k', 'v');
        cluster.run(500);
        cluster.kill(lost);
        run.ask(other, 'remove', [lost]);
        const isThere = (): boolean =>
          step === 'after' ? leader.core.membership.epoch === 1 : changeAt(leader)?.step === step;
        expect(cluster.runUntil(isThere, 10_000)).toBe(true);
        const killed = victim === 'leader' ? leader : other;
        cluster.kill(killed);
        cluster.run(200);
        cluster.restart(killed);
        expect(run.agreesAt(1, kept, 60_000)).toBe(true);
        expect(states(kept, lost)).toEqual(['removed', 'removed', 'removed']);
      }
    }
  });

  it('voters without which those left could decide nothing are not removed while they run', () => {
    const run = new Agreeing({ regions: ['a', 'b', 'c'] });
    const { cluster } = run;
    const [a, b, c] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    expect(run.begin(a, 'remove', [b, c])).toContain('could decide nothing');
    expect(states([a], b)).toEqual(['live']);
  });

  it('all survivors die in the middle and come again: fence, cut and change are on disk', () => {
    for (const step of ['fence', 'even'] as const) {
      const run = new Agreeing();
      const { cluster } = run;
      const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
      lost.set('k', 'v');
      cluster.run(500);
      cluster.kill(lost);
      if (step === 'fence') cluster.kill(d);
      run.ask(b, 'remove', [lost]);
      expect(cluster.runUntil(() => changeAt(b)?.step === step && stateAt(b, lost) === 'fenced', 10_000)).toBe(true);
      if (step === 'fence') cluster.run(1_000);
      const kept = [b, c, d];
      for (const node of kept) if (node.isRunning) cluster.kill(node);
      cluster.restart(lost);
      for (const node of kept) cluster.restart(node);
      if (step === 'fence') expect(stateAt(b, lost)).toBe('fenced');
      expect(run.agreesAt(1, kept, 60_000)).toBe(true);
      expect(kept.map((node) => node.get('k'))).toEqual(['v', 'v', 'v']);
    }
  });

  it('two that are left agree no more without the other: one goes on alone, and later the group with what that one did', () => {
    const run = new Agreeing({ regions: ['a', 'b', 'c'] });
    const { cluster } = run;
    const [a, b, c] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    expect(agreementOf(a).isInCharge).toBe(true);
    cluster.kill(c);
    expect(run.begin(a, 'remove', [c])).toBeNull();
    expect(run.agreesAt(1, [a, b])).toBe(true);
    expect(cluster.runUntil(() => !agreementOf(a).status().voters.includes(c.id), 10_000)).toBe(true);
    cluster.kill(b);
    cluster.run(10_000);
    expect(run.begin(a, 'remove', [b])).toContain('NOQUORUM');
    expect(agreementOf(a).isInCharge).toBe(false);
    const { membership } = a.core;
    membership.fence(b.id, 1, 7, true);
    const { incarnation, has } = membership.progress(b.id);
    membership.remove(b.id, 2, incarnation, 7, has);
    expect(cluster.runUntil(() => membership.progress(b.id).isSettled, 30_000)).toBe(true);
    membership.hold(b.id, 2, 8);
    membership.join(b.id, 3, incarnation + 1, 8);
    cluster.restart(b);
    const isBack = (): boolean => {
      if (b.isRunning && b.core.membership.mustStartAgain) {
        cluster.kill(b);
        cluster.restart(b);
      }
      return [a, b].every((node) => node.core.membership.epoch === 3 && agreementOf(node).status().leader !== null);
    };
    expect(cluster.runUntil(isBack, 60_000)).toBe(true);
    expect(cluster.runUntil(() => membership.progress(c.id).isSettled, 30_000)).toBe(true);
    expect(run.begin(b, 'join', [c])).toBeNull();
    expect(run.agreesAt(4, [a, b])).toBe(true);
    expect(agreementOf(b).isInCharge).toBe(true);
  });

  it('a node that is removed while it runs writes nothing more that anybody takes, whoever asks', () => {
    const run = new Agreeing();
    const { cluster, leader } = run;
    const kept = cluster.nodes.filter((node) => node !== leader);
    const [first] = kept as [VirtualNode];
    const answers = run.ask(leader, 'remove', [leader]);
    expect(run.agreesAt(1, kept, 60_000)).toBe(true);
    leader.set('late', '1');
    cluster.run(5_000);
    expect(kept.map((node) => node.get('late'))).toEqual(kept.map(() => null));
    expect(cluster.runUntil(() => leader.core.membership.epoch === 1, 30_000)).toBe(true);
    expect(leader.core.refusal(true, true)?.message).toContain('removed from the cluster at epoch 1');
    expect(agreementOf(first).status().leader).not.toBe(leader.id);
    expect(answers.length).toBeLessThanOrEqual(1);
  });

  it('no step is over before it is done, and on disk, at every member that stays', () => {
    const seen = new Set<string>();
    const run = new Agreeing({ diskMs: 40, delayMs: (from, to) => 5 + ((from.nodeNumber * 7 + to.nodeNumber) % 60) });
    const { cluster } = run;
    const [lost, ...kept] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    const [b, c, d] = kept;
    const onDisk = (node: VirtualNode): NodeMeta => peerCodec.decodeMeta(node.disk.meta ?? new Uint8Array(0));
    cluster.observer = {
      settled: (node) => {
        const step = changeAt(node)?.step ?? `epoch ${node.core.membership.epoch}`;
        seen.add(step);
        const pending = kept.map((each) => onDisk(each).membership?.pending?.kind);
        if (step === 'even') expect(pending).toEqual(['fence', 'fence', 'fence']);
        // all that any of them had
        if (step === 'epoch 1') expect(kept.map((each) => each.disk.entries.has('k'))).toEqual([true, true, true]);
        if (step === 'hold')
          expect(kept.map((each) => each.core.membership.progress(lost.id).isSettled)).toEqual([true, true, true]);
        if (step !== 'epoch 2') return;
        for (const each of kept) expect(onDisk(each).membership).toMatchObject({ epoch: expect.any(Number) as number });
        expect(
          pending.every((kind, at) => kind === 'hold' || onDisk(kept[at] as VirtualNode).membership?.epoch === 2),
        ).toBe(true);
      },
    };
    for (const other of [c, d]) cluster.cut(lost.id, other.id);
    for (const other of [c, d]) cluster.cut(b.id, other.id);
    lost.set('k', 'v');
    expect(cluster.runUntil(() => b.get('k') === 'v')).toBe(true);
    cluster.kill(lost);
    cluster.healAll();
    const isLed = (): boolean => kept.every((node) => agreementOf(node).status().leader !== null);
    expect(cluster.runUntil(isLed, 20_000)).toBe(true);
    expect(run.begin(b, 'remove', [lost])).toBeNull();
    // asked at once, it waits for the earlier lives to be let go
    expect(run.agreesAt(1, kept)).toBe(true);
    expect(run.begin(c, 'join', [lost])).toBeNull();
    expect(run.agreesAt(2, kept, 60_000)).toBe(true);
    expect([...seen].toSorted()).toEqual(['epoch 0', 'epoch 1', 'epoch 2', 'even', 'fence', 'hold', 'settle']);
  });

  it('a fence that is not on disk is not reported', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    const store = c.core.takeStoreBatch.bind(c.core);
    const { delayMs } = cluster;
    // only b gets it in time
    cluster.delayMs = (from, to) => (from.id === lost.id && to.id !== b.id ? 60_000 : delayMs(from, to));
    lost.set('k', 'v');
    expect(cluster.runUntil(() => b.get('k') === 'v')).toBe(true);
    cluster.kill(lost);
    // the disk of c takes nothing more
    c.core.takeStoreBatch = () => null;
    expect(run.begin(d, 'remove', [lost])).toBeNull();
    expect(cluster.runUntil(() => changeAt(b)?.waiting.join() === c.id, 10_000)).toBe(true);
    cluster.run(5_000);
    expect(changeAt(b)).toMatchObject({ step: 'fence', waiting: [c.id] });
    c.core.takeStoreBatch = store;
    expect(run.agreesAt(1, [b, c, d])).toBe(true);
    expect([b, c, d].map((node) => node.get('k'))).toEqual(['v', 'v', 'v']);
  });
});
