import { describe, expect, test } from 'vitest';
import { judgeSources, type SourceOrder, type SourceRun } from './sim-sources.ts';

const ORDERED: SourceOrder = { ofWrites: true, ofFills: true };

const run = (changes: Partial<SourceRun>): SourceRun => ({
  shown: [
    { node: 'a', key: 'src:0', value: 'w1' },
    { node: 'a', key: 'ext:0', value: 'v3' },
    { node: 'b', key: 'ext:0', value: null },
  ],
  values: new Map([
    ['src:0', 'w1'],
    ['src:once2', 'w2'],
    ['ext:0', 'v4'],
  ]),
  written: [{ key: 'src:once2', value: 'w2' }],
  invalidated: [{ key: 'ext:0', version: 3 }],
  ...changes,
});

describe('the checker of sources', () => {
  test('finds nothing in a good end', () => {
    expect(judgeSources(run({}), ORDERED)).toEqual([]);
  });

  test('a losing write that stays in the source', () => {
    const values = new Map([...run({}).values, ['src:0', 'loser']]);
    expect(judgeSources(run({ values }), ORDERED)).toEqual(['F5: a shows src:0 w1, and the source has loser']);
    expect(judgeSources(run({ values }), { ...ORDERED, ofWrites: false })).toEqual([]);
  });

  test('a write that was answered and never stored, and a removal', () => {
    const values = new Map([['src:0', 'w1']]);
    expect(judgeSources(run({ values }), ORDERED)).toEqual([
      'F5: src:once2 was answered as w2, and the source has null',
    ]);
    expect(judgeSources(run({ written: [{ key: 'src:once2', value: null }] }), ORDERED)).toEqual([
      'F5: src:once2 was answered as null, and the source has w2',
    ]);
  });

  test('a fill from before an invalidation, at one node', () => {
    const invalidated = [{ key: 'ext:0', version: 4 }];
    expect(judgeSources(run({ invalidated }), ORDERED)).toEqual(['V8: a shows ext:0 v3, which was invalidated at v4']);
    expect(judgeSources(run({ invalidated }), { ...ORDERED, ofFills: false })).toEqual([]);
  });
});
