import { describe, expect, it } from 'vitest';
import type { VectorEntries } from '../../src/causal/peer-frames.ts';
import { NAMES, numberOf, originFor, PlayedStream, ScriptedNode, type Name } from '../support/scripted-node.ts';

/** C writes w and then learns of A's DEL d; its row, which says so, overtakes w on the other connection. */
function schedule(): { write: ReturnType<PlayedStream['next']>; removal: ReturnType<PlayedStream['next']>[] } {
  const c = new PlayedStream('C');
  const write = c.next([['set', 'k', 'w']], [], 10);
  const a = new PlayedStream('A');
  return { write, removal: [a.next([['set', 'k', 'v']], [], 20), a.next([['del', 'k']], [], 30)] };
}

const A2: VectorEntries = [[originFor('A'), 2]];
const C1: VectorEntries = [[originFor('C'), 1]];

/** R with d applied, and rows of all that say they have all, durably. */
function withRows(rows: readonly Name[], options: { hasStore?: boolean } = {}): ScriptedNode {
  const node = new ScriptedNode(options).connect('A', 'B', 'C');
  for (const frame of schedule().removal) node.give('A', frame);
  node.giveRow('A', { applied: A2 });
  node.giveRow('B', { applied: A2 });
  for (const name of rows) node.giveRow(name, { applied: [...A2, ...C1] });
  node.run(1_000);
  return node;
}

const tombstones = (node: ScriptedNode): number => node.core.telemetry(0).tombstones;

describe('D5: a row counts only when everything its member had made is here', () => {
  it("C's row overtakes C's write: the tombstone stays, and the write does not come back from the dead", () => {
    const node = withRows(['C']);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 1]);
    node.give('C', schedule().write);
    expect(node.get('k')).toBeNull();
    // w, older, is covered by nobody's deps; once it is here the row counts and all of it goes
    node.run(1_000);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 0]);
  });

  it('in the other order too', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    node.give('C', schedule().write);
    for (const frame of schedule().removal) node.give('A', frame);
    expect(node.get('k')).toBeNull();
    for (const name of ['A', 'B', 'C'] as const) node.giveRow(name, { applied: [...A2, ...C1] });
    node.run(1_000);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 0]);
  });

  it('what a member made in an earlier life counts as made by it', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const frame of schedule().removal) node.give('A', frame);
    const incarnations = NAMES.flatMap((name) => [numberOf(name), name === 'C' ? 2 : 1]);
    node.giveRow('A', { applied: A2, incarnations });
    node.giveRow('B', { applied: A2, incarnations });
    node.giveRow('A', { of: 'C', incarnation: 2, applied: [...A2, ...C1], incarnations });
    node.run(1_000);
    expect(tombstones(node)).toBe(1);
    node.give('B', schedule().write);
    node.run(1_000);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 0]);
  });

  it('what a kill -9 took from a member, and another has, counts as made by it: its own row cannot tell', () => {
    const { write, removal } = schedule();
    const knowing = (life: number): number[] => NAMES.flatMap((name) => [numberOf(name), name === 'C' ? life : 1]);
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const frame of removal) node.give('A', frame);
    node.giveRow('A', { applied: A2, incarnations: knowing(2) });
    // C, in its second life, has forgotten w and acknowledged d; B, which has w, does not know yet that C began anew
    node.giveRow('A', { of: 'C', incarnation: 2, applied: A2, incarnations: knowing(2) });
    node.giveRow('B', { applied: A2, incarnations: knowing(1) });
    node.run(1_000);
    expect(tombstones(node)).toBe(1);
    node.giveRow('B', { applied: [...A2, ...C1], incarnations: knowing(2) });
    node.run(1_000);
    expect(tombstones(node)).toBe(1);
    node.give('B', write);
    node.run(1_000);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 0]);
  });

  it('a member that was never heard keeps everything unstable', () => {
    const node = withRows([]);
    expect([node.get('k'), tombstones(node)]).toEqual([null, 1]);
  });

  it('applied is not durable: a row counts with what survives a kill -9 there', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const frame of schedule().removal) node.give('A', frame);
    for (const name of ['A', 'B', 'C'] as const)
      node.giveRow(name, { applied: A2, durable: name === 'B' ? [[originFor('A'), 1]] : A2 });
    node.run(1_000);
    expect(tombstones(node)).toBe(1);
    node.giveRow('B', { applied: A2 });
    node.run(1_000);
    expect(tombstones(node)).toBe(0);
  });

  it('the own row says what the store has committed, no more', () => {
    const node = withRows(['C'], { hasStore: true });
    node.give('C', schedule().write);
    node.run(1_000);
    expect(tombstones(node)).toBe(1);
    const rows = (): VectorEntries =>
      node
        .take('rows')
        .flatMap(({ frame }) => frame.rows.filter((row) => row.node === 256))
        .at(-1)
        ?.durable.changesSince(node.core.vector().clone()) ?? [];
    expect(rows()).toEqual([]);
    expect(node.batch()).not.toBeNull();
    node.run(100);
    expect(tombstones(node)).toBe(1);
    node.core.storeCommitted();
    node.run(1_000);
    expect(tombstones(node)).toBe(0);
  });

  it('a member that always writes has a row that counts, though its newest row always overtakes its newest write', () => {
    const node = new ScriptedNode().connect('A', 'B', 'C');
    for (const frame of schedule().removal) node.give('A', frame);
    node.giveRow('A', { applied: A2 });
    node.giveRow('B', { applied: A2 });
    const c = new PlayedStream('C');
    const frames = Array.from({ length: 20 }, (_unused, at) => c.next([['set', 'c', `${at}`]]));
    for (const [at, frame] of frames.entries()) {
      node.giveRow('C', { applied: [...A2, [originFor('C'), at + 3]] });
      node.give('C', frame);
      node.run(40);
    }
    expect(tombstones(node)).toBe(0);
  });
});
