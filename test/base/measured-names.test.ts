import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NameMap } from '../../src/base/measured-names.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constantFrom('put', 'put', 'delete'), name: fc.string({ maxLength: 3 }) }),
    fc.constant({ what: 'clear', name: '' }),
  ),
);

describe('names that are counted', () => {
  test('have the characters of all that are there', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const map = new NameMap<string>();
        const plain = new Set<string>();
        for (const { what, name } of list) {
          if (what === 'put') {
            map.set(name, what);
            plain.add(name);
          } else if (what === 'delete') {
            expect(map.delete(name)).toBe(plain.delete(name));
          } else {
            map.clear();
            plain.clear();
          }
          const chars = [...plain].reduce((sum, each) => sum + each.length, 0);
          expect(map.chars).toBe(chars);
          expect([...map.keys()]).toEqual([...plain]);
        }
      }),
    );
  });
});
