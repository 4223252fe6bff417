import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LinkedList, type Place } from '../../src/base/linked-list.ts';
import { runOptions } from '../support/fast-check-runs.ts';

function valuesOf(list: LinkedList<number>): number[] {
  const values: number[] = [];
  for (let next = list.shift(); next !== undefined; next = list.shift()) values.push(next);
  return values;
}

test('a linked list is an array of which anything is taken out', () => {
  const action = fc.oneof(
    fc.record({ is: fc.constantFrom('append' as const, 'insert' as const), value: fc.nat(20) }),
    fc.record({ is: fc.constant('leave' as const), value: fc.nat(20) }),
    fc.record({ is: fc.constant('shift' as const), value: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const list = new LinkedList<number>();
      const expected: Place<number>[] = [];
      const all: Place<number>[] = [];
      for (const { is, value } of actions) {
        if (is === 'append') expected.push(list.append(value));
        else if (is === 'insert') {
          const before = expected.findIndex((other) => other.value > value);
          const place = list.insert(value, (other, mine) => other > mine);
          expected.splice(before === -1 ? expected.length : before, 0, place);
        } else if (is === 'leave') {
          const place = all[value % Math.max(1, all.length)];
          place?.leave();
          if (place !== undefined && expected.includes(place)) expected.splice(expected.indexOf(place), 1);
        } else expect(list.shift()).toBe(expected.shift()?.value);
        for (const place of expected) if (!all.includes(place)) all.push(place);
        expect([list.first, list.last, list.isEmpty]).toEqual([
          expected[0]?.value,
          expected.at(-1)?.value,
          expected.length === 0,
        ]);
      }
      expect(valuesOf(list)).toEqual(expected.map(({ value }) => value));
    }),
    runOptions(500, 10_000),
  );
});
