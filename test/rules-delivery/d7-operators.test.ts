import { describe, expect, it } from 'vitest';
import { four } from '../members/four-members.ts';
import { Removal } from '../members/removal.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

describe('D7: two operators, and two nodes', () => {
  it('who takes a fence over is the one whose removal counts; what the first one sends is refused', () => {
    const { cluster, lost, survivors } = four();
    const [b, c, d] = survivors;
    cluster.kill(lost);
    const first = new Removal(cluster, lost, survivors, 1);
    for (const node of survivors) first.fence(node);
    expect(cluster.runUntil(() => first.areAllFenced())).toBe(true);
    const cut = first.cut();
    // a second operator takes it back: it takes it over everywhere first
    for (const node of survivors) node.core.membership.fence(lost.id, 0, 2, false);
    expect(() => first.remove(b, cut)).toThrow('another operator has taken this change over');
    expect(() => b.core.membership.release(lost.id, 1)).toThrow('another operator');
    for (const node of survivors) expect(node.core.membership.release(lost.id, 2)).toBe(true);
    expect(() => first.remove(c, cut)).toThrow('it is not fenced here');
    expect([b, c, d].map((node) => node.core.membership.epoch)).toEqual([0, 0, 0]);
  });

  it('a removal that has begun to be written down cannot be taken back', () => {
    const { cluster, lost, survivors } = four();
    const [b, c] = survivors;
    cluster.kill(lost);
    const first = new Removal(cluster, lost, survivors, 1);
    for (const node of survivors) first.fence(node);
    expect(cluster.runUntil(() => first.areAllFenced())).toBe(true);
    for (const node of survivors.slice(1)) cluster.cut(b.id, node.id);
    first.remove(b, first.cut());
    expect(() => b.core.membership.fence(lost.id, 1, 2, false)).toThrow('removed from the cluster at epoch 1');
    // the fence stays where it is, under the second operator's number or the first one's
    c.core.membership.fence(lost.id, 0, 2, false);
    expect(c.core.membership.progress(lost.id)).toMatchObject({ state: 'fenced', operation: 2 });
    cluster.healAll();
    expect(cluster.runUntil(() => survivors.every((node) => node.core.membership.epoch === 1))).toBe(true);
    expect(c.core.membership.progress(lost.id)).toMatchObject({ state: 'removed', operation: 0 });
  });

  it('who restarts still knows whose change it is', () => {
    const { cluster, lost, survivors } = four();
    const [b] = survivors;
    cluster.kill(lost);
    b.core.membership.fence(lost.id, 0, 41, false);
    expect(cluster.runUntil(() => b.core.membership.progress(lost.id).isDurable)).toBe(true);
    cluster.kill(b);
    cluster.restart(b);
    expect(b.core.membership.progress(lost.id)).toMatchObject({ state: 'fenced', operation: 41 });
    expect(() => b.core.membership.release(lost.id, 42)).toThrow('another operator');
  });

  it('one of two is not removed but alone; who both do it are told that there are two clusters', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b'] });
    cluster.run(1_000);
    const [a, b] = cluster.nodes as [VirtualNode, VirtualNode];
    cluster.cut('a', 'b');
    expect(() => a.core.membership.fence('b/a', 0, 1, false)).toThrow('no majority of the 2 members');
    const removes = (at: VirtualNode, of: VirtualNode): void => {
      at.core.membership.fence(of.id, 0, 1, true);
      const { incarnation, has } = at.core.membership.progress(of.id);
      at.core.membership.remove(of.id, 1, incarnation, 1, has);
    };
    removes(a, b);
    removes(b, a);
    a.set('k', 'a');
    b.set('k', 'b');
    const reasons: string[] = [];
    for (const { core } of cluster.nodes) {
      const take = core.takeOutputs.bind(core);
      core.takeOutputs = () => {
        const outputs = take();
        reasons.push(...outputs.closes.map(({ reason }) => reason));
        return outputs;
      };
    }
    cluster.healAll();
    cluster.run(2_000);
    expect([a.get('k'), b.get('k')]).toEqual(['a', 'b']);
    expect(reasons.join('\n')).toContain('it says the same of this node: there are two clusters now');
  });

  it('of three, two may remove the third, and of what is left one may not remove the other', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [a, b, c] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    cluster.kill(c);
    expect(new Removal(cluster, c, [a, b]).run()).toBe(true);
    expect(() => a.core.membership.fence('b/a', 1, 1, false)).toThrow('no majority of the 2 members');
  });
});
