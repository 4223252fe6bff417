import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCounters } from '../../src/verify/counters.ts';
import type { FinalState } from '../../src/verify/final-states.ts';
import type { Operation } from '../../src/verify/history.ts';
import type { Verdict } from '../../src/verify/verdict.ts';
import { history, operation } from './operations.ts';

const finalOf = (node: string, value: string | null): FinalState => ({ node, values: new Map([['n', value]]) });

function check(text: string, ...finals: readonly (string | null)[]): Verdict {
  return checkCounters(
    history(text),
    finals.map((value, at) => finalOf(`node${at}`, value)),
  );
}

describe('the checker of counters', () => {
  it.each<[string, string, (string | null)[]]>([
    ['no counter', 'p: w n=1, r n=1', ['1']],
    ['sums', 'p: i n=1, r n=1, i n=2, r n=3 | q: r n=0', ['3', '3']],
    ['what is acknowledged and no more', 'p: i n=5, i n=2?', ['5', '5']],
    ['what is acknowledged and what is not known', 'p: i n=5, i n=2?', ['7', '7']],
    ['what was refused and does not count', 'p: i n=5, i n=2!', ['5']],
    ['sums that fall', 'p: i n=5, r n=5, i n=-7, r n=-2 | q: r n=5, r n=-2', ['-2']],
    ['nothing as no more than 0', 'p: r n=-, i n=1! | q: r n=-', [null]],
    ['a cause that may not have been', 'p: i n=5?, w x=1 | q: r x=1, r n=-', [null]],
    ['a read before the effect of an addition', 'p: i n=5, w x=1 | q: r n=-, r x=1', ['5']],
    ['increments of others that come later', 'p: i n=1, r n=1 | q: i n=2, r n=2, r n=3', ['3']],
  ])('takes %s', (_what, text, finals) => {
    expect(check(text, ...finals)).toMatchObject({ holds: true, found: 0, undecided: [] });
  });

  it.each<[string, string, string, (string | null)[], string, number[]]>([
    [
      'LostIncrement',
      'a node that shows less than was acknowledged',
      'p: i n=5, i n=2, i n=1?',
      ['7', '6'],
      'node1 shows "6" at "n" in the end, and should show at least 7: 2 increments are acknowledged and 1 of unknown end',
      [],
    ],
    [
      'DoubledIncrement',
      'a node that shows more than can be',
      'p: i n=5, i n=2?',
      ['8'],
      'node0 shows "8" at "n" in the end, and should show at most 7: 1 increments are acknowledged and 1 of unknown end',
      [],
    ],
    [
      'LostIncrement',
      'a counter that is gone',
      'p: i n=5',
      [null],
      'node0 shows nothing at "n" in the end, and should show at least 5: 1 increments are acknowledged and 0 of unknown end',
      [],
    ],
    [
      'LostIncrement',
      'a sum below all that was taken away',
      'p: i n=-5, i n=-2?',
      ['-8'],
      'should show at least -7',
      [],
    ],
    [
      'DoubledIncrement',
      'a sum above, of what was taken away',
      'p: i n=-5, i n=-2?',
      ['-4'],
      'should show at most -5',
      [],
    ],
    ['NotANumber', 'a counter that is none', 'p: i n=5', ['five'], 'which is no whole number', []],
    [
      'TooHigh',
      'a read of more than was begun',
      'p: i n=5 | q: r n=6 | p: i n=1',
      ['6'],
      'q read "6" from "n" (operation 2), although no more than 5 had been added by then',
      [1],
    ],
    ['TooHigh', 'a read of what was refused', 'p: i n=5! | q: r n=5', ['0'], 'no more than 0 had been added', [1]],
    [
      'TooLow',
      'a read of less than can be left',
      'p: i n=-5 | q: r n=-6 | p: i n=-1',
      ['-6'],
      'q read "-6" from "n" (operation 2), although no less than -5 can have been left by then',
      [1],
    ],
    [
      'WentBack',
      'own increments not seen',
      'p: i n=1, i n=1, r n=1',
      ['2'],
      'p read "1" from "n" (operation 3), although it must see at least 2 (operation 2)',
      [1, 2],
    ],
    [
      'WentBack',
      'reads that go back',
      'p: i n=1, i n=1 | q: r n=2, r n=1',
      ['2'],
      'q read "1" from "n" (operation 4), although it must see at least 2 (operation 3)',
      [2, 3],
    ],
    [
      'WentBack',
      'what was read and added since',
      'p: i n=3 | q: r n=3, i n=1, r n=3',
      ['4'],
      'it must see at least 4',
      [2, 3],
    ],
    [
      'MissedCause',
      'what was added before something that it has read',
      'p: i n=5, w x=1 | q: r x=1, r n=-',
      ['5'],
      'q read nothing from "n" (operation 4), although what it knew of comes after additions of 5 (operation 1)',
      [0, 3],
    ],
    [
      'MissedCause',
      'what several had added before, over sessions and keys',
      'p: i n=5, w x=1 | q: r x=1, i n=2, w y=1 | z: r y=1, r n=6',
      ['7'],
      'z read "6" from "n" (operation 7), although what it knew of comes after additions of 7 (operation 1, operation 4)',
      [0, 3, 6],
    ],
    ['NotANumber', 'a read of what is none', 'p: i n=1 | q: r n=x', ['1'], 'q read "x" from "n"', [1]],
  ])('finds %s: %s', (pattern, _what, text, finals, told, operations) => {
    const { violations, found } = check(text, ...finals);
    expect(found).toBe(1);
    expect(violations).toEqual([{ pattern, text: expect.stringContaining(told), operations }]);
  });

  it('judges the sums that increments answer', () => {
    const incr = (client: string, start: number, result: string): Operation =>
      operation({ client, op: 'incr', key: 'n', value: '2', result, start, end: start + 1 });
    const patterns = (...made: Operation[]): string[] =>
      checkCounters(made, []).violations.map(({ pattern }) => pattern);
    expect(patterns(incr('p', 0, '2'), incr('p', 2, '4'))).toEqual([]);
    expect(patterns(incr('p', 0, '2'), incr('p', 2, '2'))).toEqual(['WentBack']);
    expect(patterns(incr('p', 0, '1'))).toEqual(['WentBack']);
    expect(patterns(incr('p', 0, '4'), incr('q', 2, '4'))).toEqual(['TooHigh']);
    // one that began while this was under way may be in it
    expect(patterns({ ...incr('p', 0, '4'), end: 3 }, incr('q', 2, '2'))).toEqual([]);
  });

  it('leaves out what is of any age, and what is not shared; names what is not only added to', () => {
    const low = history('p: i n=1, r n=0').map((each): Operation => ({ ...each, level: 'eventual' }));
    expect(checkCounters(low, [])).toMatchObject({ holds: true, checked: 0 });
    const weak = history('p: i n=1, r n=0').map((each): Operation => ({ ...each, level: 'weak' }));
    expect(checkCounters(weak, [finalOf('a', null)])).toMatchObject({
      holds: true,
      checked: 0,
      unit: 'sums of 0 counters',
    });
    const undecided = ['"n" is not only added to, so that its sum is not known'];
    expect(check('p: i n=1, d n, r n=-', null)).toMatchObject({ holds: true, checked: 0, undecided });
    expect(check('p: i n=1, w n=7?', '7')).toMatchObject({ holds: true, checked: 0, undecided });
    expect(check('p: i n=1, w n=7!', '7')).toMatchObject({ holds: false, undecided: [] });
  });

  it('counts what it judged', () => {
    expect(check('p: i n=1, r n=1 | q: r n=0, i m=1', '1', '1')).toMatchObject({
      checked: 6,
      unit: 'sums of 2 counters',
    });
  });

  it('takes any end between, and nothing outside', () => {
    const amounts = fc.array(
      fc.record({ value: fc.integer({ min: -5, max: 5 }), ok: fc.constantFrom(true, null, false) }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(amounts, fc.integer({ min: -12, max: 12 }), (made, final) => {
        const operations = made.map(({ value, ok }) => operation({ op: 'incr', key: 'n', value: String(value), ok }));
        const sumOf = (chosen: readonly { value: number }[]): number =>
          chosen.reduce((sum, { value }) => sum + value, 0);
        const done = sumOf(made.filter(({ ok }) => ok === true));
        const perhaps = made.filter(({ ok }) => ok === null);
        const low = done + sumOf(perhaps.filter(({ value }) => value < 0));
        const high = done + sumOf(perhaps.filter(({ value }) => value > 0));
        expect(checkCounters(operations, [finalOf('a', String(final))]).holds).toBe(low <= final && final <= high);
      }),
    );
  });
});
