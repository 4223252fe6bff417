import { expect, test } from 'vitest';
import { RecentNames } from '../../src/base/recent-names.ts';

function names(max: { names: number; chars: number }): {
  readonly recent: RecentNames<number>;
  readonly gone: [string, number][];
} {
  const gone: [string, number][] = [];
  return { recent: new RecentNames(max, (name, value) => gone.push([name, value])), gone };
}

test('of too many names those go that were set longest ago, and are told', () => {
  const { recent, gone } = names({ names: 3, chars: 1_000 });
  for (const [at, name] of ['a', 'b', 'c', 'a', 'd'].entries()) recent.set(name, at);
  expect([...recent]).toEqual([
    ['c', 2],
    ['a', 3],
    ['d', 4],
  ]);
  expect([gone, recent.size, recent.has('b'), recent.get('a')]).toEqual([[['b', 1]], 3, false, 3]);
});

test('of names that are too long in all so many go that the rest has room; what was taken out counts no more', () => {
  const { recent, gone } = names({ names: 100, chars: 10 });
  for (const name of ['aaaa', 'bbbb', 'cc']) recent.set(name, 0);
  expect(gone).toEqual([]);
  recent.set('ddddd', 0);
  expect(gone.map(([name]) => name)).toEqual(['aaaa', 'bbbb']);
  expect([recent.delete('ddddd'), recent.delete('ddddd')]).toEqual([true, false]);
  recent.set('eeeeeeee', 0);
  expect([...recent].map(([name]) => name)).toEqual(['cc', 'eeeeeeee']);
  recent.clear();
  recent.set('ffffffffff', 0);
  expect([...recent].map(([name]) => name)).toEqual(['ffffffffff']);
  // one that has no room by itself is not kept
  recent.set('ggggggggggg', 0);
  expect(recent.size).toBe(0);
});
