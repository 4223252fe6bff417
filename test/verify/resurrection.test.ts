import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/verify/history.ts';
import { checkResurrection } from '../../src/verify/resurrection.ts';
import type { Verdict } from '../../src/verify/verdict.ts';
import { history, operation } from './operations.ts';

const MS = 1e6;

const finalOf = (value: string | null): { node: string; values: Map<string, string | null> } => ({
  node: 'eu-west-1/a',
  values: new Map([['x', value]]),
});

function check(made: readonly Operation[], ...finals: (string | null)[]): Verdict {
  return checkResurrection(made, { finals: finals.map(finalOf), clockSkew: 50 * MS });
}

describe('the checker of removed values', () => {
  it.each<[string, string, (string | null)[]]>([
    ['nothing after a del', 'p: w x=1, r x=1, d x, r x=- | q: r x=-', [null]],
    ['a value written after the del', 'p: w x=1, d x, w x=2, r x=2', ['2']],
    ['an old value where the del is not known', 'p: w x=1, d x | q: r x=1, r x=-', [null]],
    ['a value that is concurrent with the del', 'p: w x=1 | q: d x | r: r x=-, r x=1', ['1']],
    ['nothing, then a new value', 'p: w x=1, r x=1, d x?, r x=-, w x=2, r x=2', ['2']],
    ['a value of nobody between, which tells nothing of a removal', 'p: w x=1, d x? | q: r x=1, r x=9, r x=1', []],
    ['a del that was refused', 'p: w x=1, d x!, r x=1', ['1']],
    ['a del of unknown end', 'p: w x=1, d x?, r x=1', ['1']],
  ])('takes %s', (_what, text, finals) => {
    expect(check(history(text), ...finals)).toMatchObject({ holds: true, found: 0 });
  });

  it.each<[string, string, string, (string | null)[], string, number[]]>([
    [
      'DeletedButRead',
      'a deleted value that is read',
      'p: w x=1, d x, r x=1',
      [],
      'p read "1" from "x" (operation 3), although it knew that this was deleted (operation 2)',
      [0, 1, 2],
    ],
    [
      'DeletedButRead',
      'a deleted value that is read where an effect of the del was seen',
      'p: w x=1, d x, w y=1 | q: r y=1, r x=1',
      [],
      'q read "1" from "x" (operation 5), although it knew that this was deleted (operation 2)',
      [0, 1, 4],
    ],
    [
      'DeletedButRead',
      'a deleted value in the end',
      'p: w x=1, d x',
      ['1'],
      'eu-west-1/a shows "1" at "x" in the end, although it was deleted (operation 2)',
      [0, 1],
    ],
    [
      'DeletedButRead',
      'a value of another session, which was read before',
      'p: w x=1 | q: r x=1, d x',
      ['1'],
      'in the end',
      [0, 2],
    ],
    [
      'CameBack',
      'a value that was seen gone',
      'p: w x=1 | q: r x=1, r x=-, r x=1 | r: d x',
      [],
      'q read "1" from "x" (operation 4) again, although it had seen "1" gone before (operation 3)',
      [0, 2, 3],
    ],
    [
      'CameBack',
      'one of several that were seen gone',
      'p: w x=1 | r: w x=2, d x? | q: r x=1, r x=-, r x=2, r x=1',
      [],
      'seen "1" gone',
      [0, 4, 6],
    ],
  ])('finds %s: %s', (pattern, _what, text, finals, told, operations) => {
    const { violations, found } = check(history(text), ...finals);
    expect(found).toBe(1);
    expect(violations).toEqual([{ pattern, text: expect.stringContaining(told), operations }]);
  });

  it('knows by dots of one origin which came first', () => {
    const withDots = (write: string, del: string): Operation[] => [
      operation({ client: 'p', op: 'write', key: 'x', value: '1', dot: write }),
      operation({ client: 'q', op: 'del', key: 'x', dot: del }),
    ];
    expect(check(withDots('a#1:1', 'a#1:2'), '1').found).toBe(1);
    expect(check(withDots('a#1:2', 'a#1:1'), '1').found).toBe(0);
    expect(check(withDots('a#1:1', 'b#1:2'), '1').found).toBe(0);
  });

  it('finds what is read after it expired, by more than clocks differ', () => {
    const write = operation({ client: 'p', op: 'write', key: 'x', value: '1', expires: 100 * MS });
    const read = (atMs: number): Operation =>
      operation({ client: 'q', op: 'read', key: 'x', value: '1', start: atMs * MS, end: (atMs + 500) * MS });
    expect(check([write, read(149)]).found).toBe(0);
    const [violation] = check([write, read(151)]).violations;
    expect(violation).toEqual({
      pattern: 'ExpiredButRead',
      text: 'q read "1" from "x" (operation 2), 51 ms after it had expired (operation 1)',
      operations: [0, 1],
    });
    // one clock is behind another: gone, and there again for a moment
    const gone = { ...read(120), value: null };
    expect(check([write, read(90), gone, read(130)]).found).toBe(0);
  });

  it('finds what is there in the end after it expired', () => {
    const write = operation({ op: 'write', key: 'x', value: '1', expires: 100 * MS });
    const at = (finalsAt: number): number =>
      checkResurrection([write], { finals: [finalOf('1')], finalsAt, clockSkew: 50 * MS }).found;
    expect([at(149 * MS), at(151 * MS)]).toEqual([0, 1]);
    expect(check([write], '1').found).toBe(0);
  });

  it('counts what it looked at, of keys from which something was removed', () => {
    const made = history('p: w x=1, r x=1, d x, r x=-, w y=1, r y=1');
    expect(check(made, null)).toMatchObject({
      checked: 3,
      unit: 'sightings of 1 keys from which something was removed',
    });
    expect(check(history('p: w x=1, r x=1'))).toMatchObject({ checked: 0 });
  });
});
