import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { VectorEntries } from '../../src/causal/peer-frames.ts';
import { numberOf, originFor, PlayedStream, ScriptedNode } from '../support/scripted-node.ts';

const CLAIMS: readonly (readonly [what: string, vector: VectorEntries])[] = [
  ['more of this life than was made', [[originFor('R'), 2]]],
  ['a life to come', [[originFor('R', 9), 1]]],
  ['a life to come as closed', [[originFor('R', 0), 9]]],
];

/** R has made one transaction. */
function written(): ScriptedNode {
  const node = new ScriptedNode();
  node.core.transact(node.now().wallMs, (tx) => tx.set(latin1Range('k'), 0, latin1Range('v'), Infinity));
  return node;
}

describe('D4: false claims about oneself are refused, and only those', () => {
  it.each(CLAIMS)('a hello that names %s ends the connection', (_what, applied) => {
    const node = written();
    node.connectAs('A', { applied });
    expect(node.closed[0]).toContain('never made');
    expect(node.peers.has('A')).toBe(false);
  });

  it.each(CLAIMS)('a want, a row and what a row says to be durable that name %s end it too', (_what, vector) => {
    for (const claim of [
      (node: ScriptedNode) => node.give('A', { type: 'want', nodes: [numberOf('R')], after: vector }),
      (node: ScriptedNode) => node.giveRow('A', { applied: vector }),
      (node: ScriptedNode) => node.giveRow('A', { durable: vector }),
      (node: ScriptedNode) => node.giveRow('A', { of: 'B', applied: vector }),
    ]) {
      const node = written().connect('A', 'B');
      claim(node);
      expect(node.closed).toHaveLength(1);
      expect(node.closed[0]).toContain('never made');
    }
  });

  it('what is true of oneself is taken', () => {
    const node = written().connect('A', 'B');
    node.give('A', { type: 'want', nodes: [numberOf('R')], after: [[originFor('R'), 1]] });
    node.giveRow('A', { applied: [[originFor('R'), 1]] });
    expect(node.closed).toEqual([]);
  });

  it('transactions of this node that it never made end the connection', () => {
    for (const incarnation of [1, 2]) {
      const node = written().connect('A');
      const forged = new PlayedStream('R', incarnation);
      node.give(
        'A',
        forged.next([
          ['set', 'k', 'forged'],
          ['set', 'k', 'forged'],
        ]),
      );
      expect(node.closed).toHaveLength(1);
      expect(node.get('k')).toBe('v');
    }
  });

  it('what is said of a third party holds its transactions back and never advances a vector', () => {
    const node = written().connect('A', 'B');
    const c = originFor('C');
    node.giveRow('A', { applied: [[c, 60]] });
    node.giveRow('A', {
      of: 'C',
      applied: [
        [c, 60],
        [originFor('C', 0), 1],
      ],
      durable: [[c, 60]],
    });
    const a = new PlayedStream('A');
    node.give('A', a.next([['set', 'a', '1']], [[c, 60]]));
    node.run(1_000);
    // nor does a row that says nothing but that lives are over
    node.giveRow('B', { of: 'C', incarnation: 2, applied: [[originFor('C', 0), 9]] });
    node.giveRow('B', { applied: [[originFor('C', 0), 9]] });
    node.run(1_000);
    expect([node.has(c), node.get('a'), node.core.vector().floor(numberOf('C'))]).toEqual([0, null, 0]);
    expect(node.closed).toEqual([]);
    // C → R was only slow
    const stream = new PlayedStream('C');
    for (let at = 0; at < 60; at++) node.give('B', stream.next([['set', 'c', `${at}`]]));
    expect([node.has(c), node.get('a')]).toEqual([60, '1']);
  });

  it('another cluster, a stranger, a superseded life and a second process of one life are refused with the reason', () => {
    const node = written().connect('A');
    node.disconnect('A');
    node.connectAs('A', { incarnation: 3 });
    node.disconnect('A');
    node.connectAs('A', { incarnation: 2 });
    expect(node.closed.at(-1)).toContain('superseded');
    node.connectAs('A', { incarnation: 3, startId: 'another process' });
    expect(node.closed.at(-1)).toContain('two processes');
  });
});
