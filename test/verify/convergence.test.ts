import { describe, expect, it } from 'vitest';
import { checkBounds } from '../../src/verify/bounds.ts';
import { checkConvergence } from '../../src/verify/convergence.ts';
import type { FinalState } from '../../src/verify/final-states.ts';
import type { Operation } from '../../src/verify/history.ts';
import { history } from './operations.ts';

const finals = (...states: Record<string, string | null>[]): FinalState[] =>
  states.map((values, at) => ({ node: `n${at}`, values: new Map(Object.entries(values)) }));

describe('the checker of convergence', () => {
  it.each<[string, string, Record<string, string | null>[]]>([
    ['the same everywhere', 'p: w x=1 | q: w x=2', [{ x: '1' }, { x: '1' }]],
    ['what was written last', 'p: w x=1, w x=2 | q: r x=2, w x=3', [{ x: '3' }, { x: '3' }]],
    ['nothing where something may have been removed', 'p: w x=1, d x?', [{}, {}]],
    ['a write that nobody acknowledged, gone', 'p: w x=1, w x=2?', [{ x: '1' }, { x: '1' }]],
    ['nothing everywhere, said or not', 'p: w x=1, d x', [{ x: null }, {}]],
    ['what the history does not name', 'p: w x=1', [{ z: 'v' }, { z: 'v' }]],
    ['a sum, which nobody wrote', 'p: i n=1, i n=1', [{ n: '2' }, { n: '2' }]],
    ['a write of unknown end', 'p: w x=1?', [{ x: '1' }, { x: '1' }]],
    ['what was written, and refused when it was tried again', 'p: w x=1, w x=1!', [{ x: '1' }, { x: '1' }]],
    ['a refused write that was written again', 'p: w x=1!, w x=1', [{ x: '1' }, { x: '1' }]],
  ])('takes %s', (_what, text, states) => {
    expect(checkConvergence(history(text), finals(...states))).toMatchObject({ holds: true, found: 0 });
  });

  it.each<[string, string, string, Record<string, string | null>[], string, number[]]>([
    [
      'Differ',
      'values that differ',
      'p: w x=1 | q: w x=2',
      [{ x: '1' }, { x: '2' }, { x: '1' }],
      'nodes differ at "x": n0, n2: "1"; n1: "2"',
      [0, 1],
    ],
    ['Differ', 'a key that one lacks', 'p: w x=1', [{ x: '1' }, {}], 'nodes differ at "x": n0: "1"; n1: nothing', [0]],
    ['Differ', 'a key that the history does not name', '', [{ z: '1' }, { z: '2' }], 'nodes differ at "z"', []],
    [
      'ThinAir',
      'what nobody wrote, by all',
      'p: w x=1',
      [{ x: '9' }, { x: '9' }],
      'n0, n1 shows "9" at "x" in the end, which nobody wrote',
      [],
    ],
    [
      'Refused',
      'what was refused, by all',
      'p: w x=1, w x=2!',
      [{ x: '2' }, { x: '2' }],
      'whose writer was told that it was not done (operation 2)',
      [1],
    ],
    [
      'Vanished',
      'nothing where something was acknowledged, by all',
      'p: w x=1, d y | q: w x=2, d x!',
      [{}, { x: null }],
      'n0, n1 shows nothing at "x" in the end, although "1" was written and acknowledged (operation 1), and nothing removed it',
      [0],
    ],
    [
      'Replaced',
      'what its own writer replaced, by all',
      'p: w x=1, w x=2',
      [{ x: '1' }, { x: '1' }],
      'although p, which knew of that, replaced it by "2" (operation 2)',
      [0, 1],
    ],
    [
      'Replaced',
      'what was replaced by who had seen it by way of another key',
      'p: w x=1, w y=1 | q: r y=1, w x=2 | z: r x=1',
      [
        { x: '1', y: '1' },
        { x: '1', y: '1' },
      ],
      'although q, which knew of that, replaced it by "2" (operation 4)',
      [0, 3],
    ],
  ])('finds %s: %s', (pattern, _what, text, states, told, operations) => {
    const { violations, found } = checkConvergence(text === '' ? [] : history(text), finals(...states));
    expect(found).toBe(1);
    expect(violations).toEqual([{ pattern, text: expect.stringContaining(told), operations }]);
  });

  it('leaves out keys that never leave their node, and compares nothing of one node', () => {
    const weak = history('p: w x=1').map((each): Operation => ({ ...each, level: 'weak' }));
    expect(checkConvergence(weak, finals({ x: '1', y: '1' }, { y: '1' }))).toMatchObject({ holds: true, checked: 1 });
    expect(checkConvergence([], finals({ x: '1' }))).toMatchObject({ checked: 0 });
    expect(checkConvergence([], finals({ x: '1' }, { x: '1' }))).toMatchObject({ checked: 1, unit: 'keys on 2 nodes' });
  });
});

describe('the checker of bounds', () => {
  const sample = (value: number, node = 'n0', what = 'log bytes') => ({ node, what, value, limit: 100 });

  it('takes what is within its limit', () => {
    expect(checkBounds([sample(0), sample(100), { ...sample(0), limit: 0 }])).toMatchObject({
      promise: 'bounds',
      holds: true,
      checked: 3,
      unit: 'samples of 1 nodes',
    });
  });

  it('tells the worst of each node and measure', () => {
    const samples = [sample(101), sample(300), sample(200), sample(101, 'n1'), sample(150, 'n1', 'held transactions')];
    const { violations, found } = checkBounds(samples);
    expect(found).toBe(3);
    expect(violations.map(({ text }) => text)).toEqual([
      'n0 had 300 log bytes, and may have 100',
      'n1 had 101 log bytes, and may have 100',
      'n1 had 150 held transactions, and may have 100',
    ]);
  });

  it('takes what is no number for past its limit', () => {
    expect(checkBounds([sample(Number.NaN)])).toMatchObject({ found: 1 });
  });
});
