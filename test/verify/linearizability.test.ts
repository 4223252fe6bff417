import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/verify/history.ts';
import { checkLinearizability } from '../../src/verify/linearizability.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import { operation } from './operations.ts';
import { triesEveryOrder, withExpiries } from './slow-linearizability.ts';

type Ending = Partial<Operation>;

const UNKNOWN: Ending = { ok: null };

function timed(start: number, end: number, rest: Partial<Operation> & Pick<Operation, 'op'>): Operation {
  return operation({ key: 'k', level: 'strong', start, end, client: `c${start}`, ...rest });
}

const read = (start: number, end: number, value: string | null): Operation => timed(start, end, { op: 'read', value });
const write = (start: number, end: number, value: string, ending: Ending = {}): Operation =>
  timed(start, end, { op: 'write', value, ...ending });
const del = (start: number, end: number, ending: Ending = {}): Operation => timed(start, end, { op: 'del', ...ending });
const incr = (start: number, end: number, value: string, result?: string): Operation =>
  timed(start, end, { op: 'incr', value, ...(result === undefined ? UNKNOWN : { result }) });
const cas = (start: number, end: number, expected: string | null, value: string, ok: boolean | null): Operation =>
  timed(start, end, { op: 'cas', expected, value, ok });

describe('the checker of linearizability', () => {
  test.each<[string, Operation[]]>([
    ['nothing', []],
    ['an absent key', [read(0, 1, null)]],
    ['one after the other', [write(0, 1, 'a'), read(2, 3, 'a'), del(4, 5), read(6, 7, null)]],
    ['a read beside a write sees it', [write(0, 10, 'a'), read(1, 2, 'a'), read(3, 4, 'a')]],
    ['a read beside a write does not', [write(0, 10, 'a'), read(1, 2, null), read(3, 4, 'a')]],
    ['a read at the moment at which a write ends', [write(0, 5, 'a'), read(5, 6, null)]],
    ['a write that nobody was told of happened', [write(0, 1, 'a', UNKNOWN), read(5, 6, 'a')]],
    ['a write that nobody was told of did not', [write(0, 1, 'a', UNKNOWN), read(5, 6, null)]],
    ['a write that nobody was told of happens late', [incr(0, 1, '1'), incr(5, 6, '1', '1'), incr(7, 8, '1', '3')]],
    ['a refused write that is not seen', [write(0, 1, 'a', { ok: false }), read(2, 3, null)]],
    ['sums', [incr(0, 9, '5', '7'), incr(0, 9, '2', '2'), read(10, 11, '7')]],
    [
      'one of two swaps wins',
      [write(0, 1, 'a'), cas(2, 9, 'a', 'b', false), cas(2, 9, 'a', 'c', true), read(10, 11, 'c')],
    ],
    ['sums that rise and fall', [incr(0, 1, '3', '3'), incr(2, 3, '-1', '2'), read(4, 5, '2')]],
    [
      'a read that was not answered',
      [write(0, 1, 'a'), { ...read(2, 3, null), ok: null }, { ...read(2, 3, null), ok: false }],
    ],
    ['a swap of an absent key', [cas(0, 1, null, 'a', true), cas(2, 3, null, 'b', false)]],
    ['a swap that nobody was told of', [write(0, 1, 'a'), cas(2, 2, 'a', 'b', null), read(3, 4, 'a'), read(5, 6, 'b')]],
    [
      'a swap that failed for a write that nobody was told of',
      [write(0, 1, 'a'), write(2, 3, 'b', UNKNOWN), cas(4, 5, 'a', 'c', false)],
    ],
    [
      'a swap that was refused tells nothing',
      [write(0, 1, 'a'), { ...cas(2, 3, 'a', 'b', false), error: 'NOQUORUM' }, read(4, 5, 'a')],
    ],
    ['a del that nobody was told of', [write(0, 1, 'a'), del(2, 3, UNKNOWN), read(4, 5, 'a'), read(6, 7, null)]],
    [
      'swaps of unknown end that build on each other',
      [write(0, 1, 'a'), cas(2, 3, 'a', 'b', null), cas(2, 3, 'b', 'c', null), read(4, 5, 'c')],
    ],
  ])('takes %s', (_what, history) => {
    expect(checkLinearizability(history)).toMatchObject({ holds: true, undecided: [] });
    expect(triesEveryOrder(history)).toBe(true);
  });

  test.each<[string, Operation[]]>([
    ['a stale read', [write(0, 1, 'a'), write(2, 3, 'b'), read(4, 5, 'a')]],
    ['a value that nobody wrote', [write(0, 1, 'a'), read(2, 3, 'x')]],
    ['a value before it was written', [read(0, 1, 'a'), write(2, 3, 'a')]],
    ['a value of unknown end before it was written', [read(0, 1, 'a'), write(2, 3, 'a', UNKNOWN)]],
    ['new, then old again, beside the write', [write(0, 20, 'a'), read(1, 2, 'a'), read(3, 4, null)]],
    ['a lost acknowledged write', [write(0, 1, 'a'), read(2, 3, null)]],
    ['a refused write that is seen', [write(0, 1, 'a', { ok: false }), read(2, 3, 'a')]],
    ['a lost increment', [incr(0, 9, '1', '1'), incr(0, 9, '1', '1')]],
    ['an increment applied twice', [incr(0, 1, '1', '1'), read(2, 3, '2')]],
    ['one of unknown end that counts twice', [incr(0, 1, '1'), read(2, 3, '2')]],
    ['an increment of what is no number', [write(0, 1, 'a'), incr(2, 3, '1', '1')]],
    ['one of unknown end that goes away again', [write(0, 1, 'a', UNKNOWN), read(2, 3, 'a'), read(4, 5, null)]],
    ['two winners', [write(0, 1, 'a'), cas(2, 9, 'a', 'b', true), cas(2, 9, 'a', 'c', true)]],
    ['a loser without a winner', [write(0, 1, 'a'), cas(2, 3, 'a', 'b', false)]],
    ['a deleted key that comes back', [write(0, 1, 'a'), del(2, 3), read(4, 5, 'a')]],
    [
      'two readers that see two writes in two orders',
      [write(0, 50, 'a'), write(0, 50, 'b'), read(1, 2, 'a'), read(3, 4, 'b'), read(5, 6, 'a')],
    ],
    [
      'a swap of unknown end from what was replaced before it began',
      [write(0, 1, 'a'), write(2, 3, 'b'), cas(4, 5, 'a', 'c', null), read(6, 7, 'c')],
    ],
    [
      'a write of unknown end that is seen, after one that was seen after it',
      [write(0, 1, 'a', UNKNOWN), read(2, 3, 'a'), write(4, 5, 'b'), read(6, 7, 'a')],
    ],
  ])('refuses %s', (_what, history) => {
    expect(checkLinearizability(history)).toMatchObject({ holds: false, found: 1 });
    expect(triesEveryOrder(history)).toBe(false);
  });

  test('adds exactly, past what a number holds', () => {
    const first = incr(0, 1, '9007199254740993', '9007199254740993');
    expect(checkLinearizability([first, incr(2, 3, '2', '9007199254740995')]).holds).toBe(true);
    expect(checkLinearizability([first, incr(2, 3, '2', '9007199254740996')]).holds).toBe(false);
  });

  test('refuses a history that it cannot judge', () => {
    expect(() => checkLinearizability([write(0, 1, 'a'), write(2, 3, 'a')])).toThrow('values are unique');
  });

  test('does not count reads that were not answered', () => {
    const made = [write(0, 1, 'a'), { ...read(2, 3, null), ok: null }, { ...read(2, 3, null), ok: false }];
    expect(checkLinearizability(made)).toMatchObject({ holds: true, checked: 1 });
  });

  test('looks at strong keys alone, and at strong reads alone of what was read', () => {
    const stale = [write(0, 1, 'a'), write(2, 3, 'b'), read(4, 5, 'a')];
    const weaker = (index: number): Operation[] =>
      stale.map((each, at): Operation => (at >= index ? { ...each, level: 'causal' } : each));
    expect(checkLinearizability(weaker(0))).toMatchObject({ holds: true, checked: 0 });
    expect(checkLinearizability(weaker(2))).toMatchObject({ holds: true, checked: 2 });
    // what changes a strong key counts, whatever it is called
    expect(checkLinearizability([...weaker(0).slice(0, 2), stale[2] as Operation])).toMatchObject({ holds: false });
  });

  const passing = (start: number, end: number, value: string, expires: number, ending: Ending = {}): Operation =>
    write(start, end, value, { ...ending, expires });

  test.each<[string, Operation[]]>([
    ['is there until its time and then not', [passing(0, 1, 'a', 50), read(40, 41, 'a'), read(60, 61, null)]],
    ['goes at the time by a clock that is ahead', [passing(0, 1, 'a', 50), read(40, 45, null)]],
    ['goes late', [passing(0, 1, 'a', 50), read(90, 91, 'a'), read(92, 93, null)]],
    ['is written anew', [passing(0, 1, 'a', 50), read(60, 61, null), passing(62, 63, 'b', 100), read(64, 65, 'b')]],
    ['is written over for ever', [passing(0, 1, 'a', 50), write(2, 3, 'b'), read(90, 91, 'b')]],
    ['is found gone by a swap', [passing(0, 1, 'a', 50), cas(60, 61, null, 'b', true), read(62, 63, 'b')]],
    ['is found gone by a swap that fails', [passing(0, 1, 'a', 50), cas(60, 61, 'a', 'b', false), read(62, 63, null)]],
    ['is swapped and goes all the same', [passing(0, 1, 'a', 50), cas(2, 3, 'a', 'b', true), read(60, 61, null)]],
    [
      'was perhaps never written, and goes',
      [passing(0, 1, 'a', 50, UNKNOWN), read(20, 21, 'a'), read(60, 61, null), read(70, 71, null)],
    ],
  ])('takes a value that %s', (_what, history) => {
    expect(checkLinearizability(history, 10)).toMatchObject({ holds: true, undecided: [], checked: history.length });
    expect(triesEveryOrder(withExpiries(history, 10))).toBe(true);
  });

  test.each<[string, Operation[]]>([
    ['goes before its time', [passing(0, 1, 'a', 50), read(30, 35, null)]],
    ['comes back', [passing(0, 1, 'a', 50), read(60, 61, null), read(70, 71, 'a')]],
    ['takes one with it that was written over it', [passing(0, 1, 'a', 50), write(2, 3, 'b'), read(60, 61, null)]],
    ['goes before a swap of it', [passing(0, 1, 'a', 50), read(60, 61, null), cas(62, 63, 'a', 'b', true)]],
    [
      'goes before its time after a swap',
      [passing(0, 1, 'a', 50), cas(2, 3, 'a', 'b', true), read(30, 31, null), read(60, 61, null)],
    ],
    ['goes with another that was there first', [write(0, 1, 'z'), passing(2, 3, 'a', 50), read(60, 61, 'z')]],
  ])('refuses a value with an expiry that %s', (_what, history) => {
    expect(checkLinearizability(history, 10)).toMatchObject({ holds: false, found: 1, undecided: [] });
    expect(triesEveryOrder(withExpiries(history, 10))).toBe(false);
  });

  test('takes any time for right at which a value goes where clocks may differ by any', () => {
    expect(checkLinearizability([passing(0, 1, 'a', 50), read(2, 3, null)])).toMatchObject({ holds: true, checked: 2 });
    const back = [passing(0, 1, 'a', 50), read(2, 3, null), read(4, 5, 'a')];
    expect(checkLinearizability(back)).toMatchObject({ holds: false });
  });

  test('says of a key that is added to and expires that it does not judge it', () => {
    const verdict = checkLinearizability([
      passing(0, 1, '7', 5),
      incr(2, 3, '1', '8'),
      { ...read(2, 3, null), key: 'l' },
    ]);
    expect(verdict).toMatchObject({ holds: true, checked: 1, unit: 'strong operations on 1 keys' });
    expect(verdict.undecided).toEqual(['"k" is added to and expires, which is not judged (2 operations)']);
  });
});

describe('what is told', () => {
  test.each<[string, Operation[], string, number[]]>([
    [
      'a stale read among others',
      [
        read(0, 1, null),
        write(2, 3, 'a'),
        read(4, 5, 'a'),
        write(6, 7, 'b'),
        read(8, 9, 'b'),
        read(10, 11, 'a'),
        write(12, 13, 'c'),
      ],
      '"k": c10 read "a" (operation 6), although "b" had taken its place before that began (operation 4)',
      [1, 3, 5],
    ],
    ['thin air', [write(0, 1, 'a'), read(2, 3, 'x')], '"k": c2 read "x" (operation 2), which nobody wrote', [1]],
    [
      'a refused write',
      [write(0, 1, 'a', { ok: false }), read(2, 3, 'a')],
      '"k": c2 read "a" (operation 2), whose writer was told that it was not done (operation 1)',
      [0, 1],
    ],
    [
      'the future',
      [read(0, 1, 'a'), write(2, 3, 'a')],
      '"k": c0 read "a" (operation 1) before that was written (operation 2)',
      [0, 1],
    ],
    [
      'a lost write',
      [write(0, 1, 'a'), read(2, 3, 'a'), read(4, 5, null)],
      '"k": c4 read nothing (operation 3), although "a" was there before (operation 1) and nobody deleted it',
      [0, 2],
    ],
    [
      'what expires early',
      [write(0, 1, 'a', { expires: 50 }), read(2, 3, null), read(60, 61, null)],
      '"k": c2 read nothing (operation 2), although "a" was there before (operation 1) and nobody deleted it',
      [0, 1],
    ],
    [
      'two winners',
      [write(0, 1, 'a'), cas(2, 9, 'a', 'b', true), cas(3, 9, 'a', 'c', true)],
      '"k": c2 swapped "a" for "b" (operation 2), and so did c3 (operation 3), although "a" was written once',
      [1, 2],
    ],
    [
      'two orders of two writes, among others',
      [
        write(0, 1, 'z'),
        read(2, 3, 'z'),
        write(10, 50, 'a'),
        write(11, 50, 'b'),
        read(12, 13, 'a'),
        read(14, 15, 'b'),
        read(16, 17, 'b'),
        read(18, 19, 'a'),
        read(60, 61, 'b'),
      ],
      '"k": no order of these, each at some moment between its begin and its end, gives what was answered, the last that c18 read "a" (operation 8)',
      [2, 3, 4, 6, 7],
    ],
    [
      'what was gone beside a del, there again and gone again',
      [write(0, 1, 'a'), del(2, 9), read(3, 4, null), read(5, 6, 'a'), read(7, 8, null)],
      '"k": no order of these, each at some moment between its begin and its end, gives what was answered, the last that c5 read "a" (operation 4)',
      [0, 1, 2, 3],
    ],
    [
      'increments',
      [incr(0, 9, '1', '1'), incr(1, 9, '1', '1')],
      '"k": no order of these, each at some moment between its begin and its end, gives what was answered, the last that c1 added 1 and was told 1 (operation 2)',
      [0, 1],
    ],
    [
      'a loser without a winner',
      [write(0, 1, 'a'), cas(2, 3, 'a', 'b', false)],
      '"k": no order of these, each at some moment between its begin and its end, gives what was answered, the last that c2 found something else than "a" (operation 2)',
      [0, 1],
    ],
  ])('of %s', (_what, history, text, operations) => {
    expect(checkLinearizability(history, 10).violations).toEqual([{ pattern: 'NotLinearizable', text, operations }]);
  });

  test('is short, however long the count', () => {
    const counted = Array.from({ length: 400 }, (_, at) => incr(at * 10, at * 10 + 5, '1', String(at + 1)));
    counted[300] = incr(3_000, 3_005, '1', '300');
    const [violation] = checkLinearizability(counted).violations;
    expect(violation?.operations).toHaveLength(12);
    expect(violation?.operations.at(-1)).toBe(300);
    expect(violation?.text).toContain('no order of these and 289 before them');
  });
});

describe('the search', () => {
  const SKEW = 1;
  const anyOperation = fc
    .record({
      op: fc.constantFrom<Operation['op'][]>('read', 'write', 'incr', 'cas', 'del'),
      from: fc.nat(4),
      start: fc.nat(8),
      takes: fc.constantFrom(1, 3, 6),
      ok: fc.constantFrom(true, true, false, null),
      sum: fc.constantFrom('1', '2', '3', '4', '5', undefined),
      lives: fc.constantFrom(undefined, undefined, 2, 5),
    })
    .map((made) => made);

  function historyOf(
    made: readonly (typeof anyOperation extends fc.Arbitrary<infer T> ? T : never)[],
    counts: boolean,
  ): Operation[] {
    // values of writes are unique; those that are found may be any of them
    const valueAt = (at: number): string => (counts ? String(at + 1) : `v${at}`);
    const found = (from: number): string | null => (from === 0 ? null : valueAt(from - 1));
    return made.flatMap(({ op, from, start, takes, ok, sum, lives }, at): Operation[] => {
      const end = start + takes;
      if (op === 'read') return [read(start, end, found(from))];
      const expiry = counts || lives === undefined ? {} : { expires: start + lives };
      if (op === 'write') return [write(start, end, valueAt(at), { ok, ...expiry })];
      if (op === 'del') return [del(start, end, { ok: ok === false ? true : ok })];
      if (op === 'cas') return [cas(start, end, found(from), valueAt(at), ok)];
      if (!counts) return [];
      return [
        ok === null
          ? incr(start, end, '1')
          : timed(start, end, {
              op: 'incr',
              value: String((from % 2) + 1),
              ...(sum === undefined ? {} : { result: sum }),
            }),
      ];
    });
  }

  test.each([true, false])('judges as trying every order does, with sums: %s', (counts) => {
    let [holds, breaks] = [0, 0];
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 7 }), (made) => {
        const history = historyOf(made, counts);
        const isRight = triesEveryOrder(withExpiries(history, SKEW));
        if (isRight) holds++;
        else breaks++;
        const verdict = checkLinearizability(history, SKEW);
        expect(verdict).toMatchObject({ holds: isRight, undecided: [] });
        // what is told is broken by itself, but that increments and refused writes are told by their last
        const told = verdict.violations[0]?.operations.map((at) => history[at] as Operation) ?? [];
        const isCount = told.some(({ op }) => op === 'incr');
        if (!isRight && !isCount) expect(triesEveryOrder(withExpiries(told, SKEW))).toBe(false);
      }),
      runOptions(4_000, 40_000),
    );
    expect(holds).toBeGreaterThan(300);
    expect(breaks).toBeGreaterThan(300);
  });

  /** Clients of one register, or one counter, that is as it should be; some are never told how it ended. */
  function longHistory(
    random: SeededRandom,
    size: number,
    clients: number,
    unknowns: number,
    isCounter: boolean,
  ): Operation[] {
    const made: Operation[] = [];
    let [value, unknown] = [null as string | null, 0];
    const late: string[] = [];
    for (let at = 0; at < size; at++) {
      // each is done at its own moment, and lasts for as long as all clients have one
      const [start, end] = [
        at * 10 - Math.floor(random.unit() * 10 * clients),
        at * 10 + Math.floor(random.unit() * 10 * clients),
      ];
      const [chosen, isUnknown] = [random.unit(), random.unit() < (unknowns / size) * 2 && unknown < unknowns];
      if (late.length > 0 && random.unit() < 0.05) value = String(Number(value ?? '0') + Number(late.pop()));
      if (isCounter) {
        const amount = String(1 + Math.floor(random.unit() * 3));
        if (chosen < 0.4) made.push(read(start, end, value));
        else if (isUnknown) {
          unknown++;
          if (random.unit() < 0.5) late.push(amount);
          made.push(incr(start, start + 1, amount));
        } else {
          value = String(Number(value ?? '0') + Number(amount));
          made.push(incr(start, end, amount, value));
        }
      } else if (chosen < 0.5) made.push(read(start, end, value));
      else if (chosen < 0.6) made.push(cas(start, end, `never ${at}`, `not ${at}`, false));
      else if (chosen < 0.65) {
        made.push(del(start, end));
        value = null;
      } else if (isUnknown) {
        unknown++;
        if (random.unit() < 0.5) value = `v${at}`;
        made.push(write(start, start + 1, `v${at}`, UNKNOWN));
      } else {
        made.push(cas(start, end, value, `v${at}`, true));
        value = `v${at}`;
      }
    }
    return made;
  }

  test.each([true, false])('takes thousands of operations with tens of unknown end, a counter: %s', (isCounter) => {
    for (let seed = 1; seed <= 5; seed++) {
      const history = longHistory(new SeededRandom(seed), 4_000, 8, 40, isCounter);
      expect(history.filter(({ ok }) => ok === null).length).toBeGreaterThan(20);
      expect(checkLinearizability(history)).toMatchObject({ holds: true, checked: 4_000, undecided: [] });
      // one answer among thousands
      const place = history.findIndex(({ op, start }) => op === 'read' && start > 20_000);
      const wrongly = history.with(place, { ...(history[place] as Operation), value: isCounter ? '1' : 'v0' });
      expect(checkLinearizability(wrongly)).toMatchObject({ holds: false });
    }
  });

  test('gives up where there are too many orders, and says so', () => {
    const hard = Array.from({ length: 24 }, (_, at) => write(0, 100, `v${at}`));
    hard.push(...Array.from({ length: 24 }, (_, at) => cas(0, 100, `x${at}`, `y${at}`, true)));
    const verdict = checkLinearizability(hard, 0, 10_000);
    expect(verdict).toMatchObject({ holds: true, found: 0, checked: 0 });
    expect(verdict.undecided).toEqual([
      '"k" is not decided: 48 operations, 0 of them of unknown end, more orders than can be tried',
    ]);
  });
});
