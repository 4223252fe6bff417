import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Numbered } from '../../src/base/numbered.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), gap: fc.oneof({ weight: 9, arbitrary: fc.nat(2) }, fc.nat(300)) }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(99) }),
);

test('it is a map whose numbers count up, whatever is added and taken away', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.array(step, { maxLength: 400 }), (start, steps) => {
      const numbered = new Numbered<string>();
      const map = new Map<number, string>();
      let next = start;
      for (const each of steps) {
        if (each.kind === 'add') {
          next += each.gap;
          numbered.add(next, String(next));
          map.set(next, String(next));
          next++;
        } else {
          const number = [...map.keys()][each.at] ?? next + each.at;
          numbered.delete(number);
          map.delete(number);
        }
        expect(numbered.size).toBe(map.size);
        expect(numbered.first).toBe(map.size === 0 ? null : Math.min(...map.keys()));
      }
      expect([...numbered.entries()]).toEqual([...map]);
      for (let number = start - 1; number <= next; number++) expect(numbered.get(number)).toBe(map.get(number));
    }),
    runOptions(200, 20_000),
  );
});

test('a number that has a value, or is below all others, is not given one', () => {
  const numbered = new Numbered<string>();
  numbered.add(7, 'seven');
  expect(() => numbered.add(7, 'again')).toThrow('numbers count up');
  expect(() => numbered.add(6, 'six')).toThrow('numbers count up');
  numbered.delete(7);
  numbered.add(6, 'six');
  expect([...numbered.entries()]).toEqual([[6, 'six']]);
});
