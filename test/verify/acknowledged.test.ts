import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAcknowledged } from '../../src/verify/acknowledged.ts';
import type { FinalState } from '../../src/verify/final-states.ts';
import type { Operation } from '../../src/verify/history.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { history, operation } from './operations.ts';
import { triesEveryOrder } from './slow-linearizability.ts';

const strong = (text: string): Operation[] => history(text).map((each): Operation => ({ ...each, level: 'strong' }));

const finalOf = (value: string | null): FinalState => ({ node: 'eu-west-1/a', values: new Map([['x', value]]) });

describe('the checker of acknowledged strong writes', () => {
  it.each<[string, string, (string | null)[]]>([
    ['the last write in the end', 'p: w x=1, w x=2', ['2']],
    ['nothing after a del', 'p: w x=1, d x', [null]],
    ['nothing after a del of unknown end', 'p: w x=1, d x?', [null]],
    ['a del of unknown end that comes after a write', 'p: d x?, w x=1', [null]],
    ['a write of unknown end in the end', 'p: w x=1, w x=2?, w x=3', ['2']],
    ['reads of one value after the other', 'p: w x=1 | q: r x=1, r x=1 | p: w x=2 | q: r x=2', ['2']],
    ['a swap that failed', 'p: w x=1, c x=1>2 | q: c x=1>3!', ['2']],
    ['two swaps of nothing', 'p: c x=->1, d x, c x=->2', ['2']],
    ['a refused write that was written again', 'p: w x=1!, w x=1, r x=1', ['1']],
    ['nothing, written by nobody', 'p: r x=-', [null]],
  ])('takes %s', (_what, text, finals) => {
    expect(checkAcknowledged(strong(text), finals.map(finalOf))).toMatchObject({ holds: true, found: 0 });
  });

  it.each<[string, string, string, (string | null)[], string, number[]]>([
    [
      'LostWrite',
      'the write before in the end',
      'p: w x=1, w x=2',
      ['1'],
      'eu-west-1/a shows "1" at "x" in the end, although "2" of p came later and was acknowledged (operation 2)',
      [1],
    ],
    ['LostWrite', 'a del that is lost', 'p: w x=1, d x', ['1'], 'although the deletion of p came later', [1]],
    ['LostWrite', 'a swap that is lost', 'p: w x=1, c x=1>2', ['1'], 'although "2" of p came later', [1]],
    ['LostWrite', 'nothing in the end', 'p: w x=1', [null], 'shows nothing at "x" in the end, although "1" of p', [0]],
    ['LostWrite', 'nothing after a write after the del', 'p: d x, w x=1', [null], 'although "1" of p', [1]],
    [
      'LostWrite',
      'a write of unknown end that was over, since it was seen',
      'p: w x=1? | q: r x=1 | p: w x=2',
      ['1'],
      'although "2" of p',
      [2],
    ],
    ['ThinAir', 'a value of nobody', 'p: w x=1', ['9'], 'shows "9" at "x" in the end, which nobody wrote', []],
    [
      'CameBack',
      'a value that comes back',
      'p: w x=1, w x=2 | q: r x=1, r x=2, r x=1',
      ['2'],
      'q read "1" (operation 3), then q read "2" (operation 4), then q read "1" (operation 5) again, although it was written once',
      [2, 3, 4],
    ],
    [
      'CameBack',
      'a value that comes back from nothing',
      'p: w x=1, d x? | q: r x=1, r x=-, r x=1',
      ['1'],
      'q read nothing',
      [2, 3, 4],
    ],
    [
      'SwappedTwice',
      'two swaps of one value',
      'p: w x=1, c x=1>2 | q: c x=1>3',
      ['3'],
      'p swapped "1" for "2" (operation 2) and q swapped "1" for "3" (operation 3): both succeeded, and it was written once',
      [1, 2],
    ],
    [
      'RefusedButDone',
      'a refused write that is seen',
      'p: w x=1, w x=2! | q: r x=2',
      ['1'],
      'q read "2" (operation 3), although its writer was told that it was not done (operation 2)',
      [1, 2],
    ],
    [
      'RefusedButDone',
      'a refused write in the end',
      'p: w x=1, w x=2!',
      ['2'],
      'eu-west-1/a shows "2" at "x" in the end, although its writer was told that it was not done (operation 2)',
      [1],
    ],
  ])('finds %s: %s', (pattern, _what, text, finals, told, operations) => {
    const { violations, found } = checkAcknowledged(strong(text), finals.map(finalOf));
    expect(found).toBe(1);
    expect(violations).toEqual([{ pattern, text: expect.stringContaining(told), operations }]);
  });

  it('judges strong keys that are neither counted nor expire, and counts what was acknowledged', () => {
    const lost = strong('p: w x=1, w x=2, w x=3?, w x=4!');
    const finals = [finalOf('1')];
    expect(checkAcknowledged(lost, finals)).toMatchObject({
      holds: false,
      checked: 2,
      unit: 'acknowledged strong writes on 1 keys',
    });
    const checked = (made: readonly Operation[]): number => checkAcknowledged(made, finals).checked;
    expect(checked(lost.map((each): Operation => ({ ...each, level: 'causal' })))).toBe(0);
    expect(checked([...lost, ...strong('p: i x=1')])).toBe(0);
    expect(checked(lost.map((each, at) => (at === 0 ? { ...each, expires: 9 } : each)))).toBe(0);
  });

  it('says nothing of what is linearizable, over random histories', () => {
    const step = fc.record({
      op: fc.constantFrom<Operation['op'][]>('read', 'read', 'write', 'cas', 'del'),
      from: fc.nat(4),
      start: fc.nat(10),
      takes: fc.constantFrom(1, 3, 6),
      ok: fc.constantFrom(true, true, true, false, null),
    });
    const seen = { broken: 0, linearizable: 0 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), fc.nat(6), (steps, last) => {
        const found = (from: number): string | null => (from === 0 ? null : `v${from - 1}`);
        const made = steps.map(({ op, from, start, takes, ok }, at): Operation => {
          const fields = { key: 'x', op, level: 'strong', client: `c${at}`, start, end: start + takes } as const;
          if (op === 'read') return operation({ ...fields, value: found(from) });
          if (op === 'del') return operation({ ...fields, ok: ok ?? null });
          if (op === 'write') return operation({ ...fields, value: `v${at}`, ok });
          return operation({ ...fields, value: `v${at}`, expected: found(from), ok });
        });
        const end = operation({ key: 'x', op: 'read', level: 'strong', value: found(last), start: 99, end: 99 });
        const { holds } = checkAcknowledged(made, [finalOf(end.value)]);
        const isLinearizable = triesEveryOrder([...made, end]);
        seen[isLinearizable ? 'linearizable' : 'broken'] += holds === isLinearizable ? 1 : 0;
        if (isLinearizable) expect(holds).toBe(true);
      }),
      runOptions(4_000, 40_000),
    );
    expect(seen.linearizable).toBeGreaterThan(100);
    expect(seen.broken).toBeGreaterThan(100);
  });
});
