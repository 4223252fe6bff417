import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLinearizable, type KeyOperation } from '../support/strong-linearizability.ts';

type Result = string | null | boolean;

/** `kind value [was expected] [-> result]` between two times; no end for what nobody was told of. */
function op(beganMs: number, endedMs: number, kind: KeyOperation['kind'], value = '', result?: Result): KeyOperation {
  return { kind, value, beganMs, endedMs, ...(result === undefined ? {} : { result }) };
}

function swap(beganMs: number, endedMs: number, expected: string | null, value: string, did?: boolean): KeyOperation {
  return { kind: 'swap', expected, value, beganMs, endedMs, ...(did === undefined ? {} : { result: did }) };
}

describe('the checker of linearizability', () => {
  test.each<[string, KeyOperation[]]>([
    ['nothing', []],
    ['an absent key', [op(0, 1, 'get', '', null)]],
    [
      'one after the other',
      [op(0, 1, 'set', 'a'), op(2, 3, 'get', '', 'a'), op(4, 5, 'delete'), op(6, 7, 'get', '', null)],
    ],
    ['a read beside a write sees it', [op(0, 10, 'set', 'a'), op(1, 2, 'get', '', 'a'), op(3, 4, 'get', '', 'a')]],
    ['a read beside a write does not', [op(0, 10, 'set', 'a'), op(1, 2, 'get', '', null), op(3, 4, 'get', '', 'a')]],
    ['a write that nobody was told of happened', [op(0, Infinity, 'set', 'a'), op(5, 6, 'get', '', 'a')]],
    ['a write that nobody was told of did not', [op(0, Infinity, 'set', 'a'), op(5, 6, 'get', '', null)]],
    [
      'a write that nobody was told of happens late',
      [op(0, Infinity, 'add', '1'), op(5, 6, 'add', '1', '1'), op(7, 8, 'add', '1', '3')],
    ],
    ['sums', [op(0, 9, 'add', '5', '7'), op(0, 9, 'add', '2', '2'), op(10, 11, 'get', '', '7')]],
    [
      'one of two swaps wins',
      [op(0, 1, 'set', 'a'), swap(2, 9, 'a', 'b', false), swap(2, 9, 'a', 'c', true), op(10, 11, 'get', '', 'c')],
    ],
    ['a swap of an absent key', [swap(0, 1, null, 'a', true), swap(2, 3, null, 'b', false)]],
    [
      'a swap that nobody was told of',
      [op(0, 1, 'set', 'a'), swap(2, Infinity, 'a', 'b'), op(3, 4, 'get', '', 'a'), op(5, 6, 'get', '', 'b')],
    ],
  ])('takes %s', (_what, history) => {
    expect(isLinearizable(history)).toBe(true);
  });

  test.each<[string, KeyOperation[]]>([
    ['a stale read', [op(0, 1, 'set', 'a'), op(2, 3, 'set', 'b'), op(4, 5, 'get', '', 'a')]],
    ['a value that nobody wrote', [op(0, 1, 'set', 'a'), op(2, 3, 'get', '', 'x')]],
    ['a value before it was written', [op(0, 1, 'get', '', 'a'), op(2, 3, 'set', 'a')]],
    [
      'new, then old again, beside the write',
      [op(0, 20, 'set', 'a'), op(1, 2, 'get', '', 'a'), op(3, 4, 'get', '', null)],
    ],
    ['a lost acknowledged write', [op(0, 1, 'set', 'a'), op(2, 3, 'get', '', null)]],
    ['a lost increment', [op(0, 9, 'add', '1', '1'), op(0, 9, 'add', '1', '1')]],
    ['an increment applied twice', [op(0, 1, 'add', '1', '1'), op(2, 3, 'get', '', '2')]],
    ['one of unknown end that counts twice', [op(0, Infinity, 'add', '1'), op(2, 3, 'get', '', '2')]],
    [
      'one of unknown end that goes away again',
      [op(0, Infinity, 'set', 'a'), op(2, 3, 'get', '', 'a'), op(4, 5, 'get', '', null)],
    ],
    ['two winners', [op(0, 1, 'set', 'a'), swap(2, 9, 'a', 'b', true), swap(2, 9, 'a', 'c', true)]],
    ['a loser without a winner', [op(0, 1, 'set', 'a'), swap(2, 3, 'a', 'b', false)]],
    ['a deleted key that comes back', [op(0, 1, 'set', 'a'), op(2, 3, 'delete'), op(4, 5, 'get', '', 'a')]],
    [
      'two readers that see two writes in two orders',
      [
        op(0, 50, 'set', 'a'),
        op(0, 50, 'set', 'b'),
        op(1, 2, 'get', '', 'a'),
        op(3, 4, 'get', '', 'b'),
        op(5, 6, 'get', '', 'a'),
      ],
    ],
  ])('refuses %s', (_what, history) => {
    expect(isLinearizable(history)).toBe(false);
  });

  test('judges as trying every order does', () => {
    const operation = fc
      .record({
        kind: fc.constantFrom<KeyOperation['kind'][]>('get', 'set', 'add', 'swap', 'delete'),
        value: fc.constantFrom('1', '2'),
        expected: fc.constantFrom(null, '1', '2', '3'),
        beganMs: fc.nat(8),
        takesMs: fc.constantFrom(1, 3, 6, Infinity),
        found: fc.constantFrom(null, '1', '2', '3'),
        did: fc.boolean(),
      })
      .map(({ kind, value, expected, beganMs, takesMs, found, did }): KeyOperation => {
        const times = { beganMs, endedMs: beganMs + takesMs };
        const isKnown = takesMs < Infinity;
        const result = kind === 'swap' ? did : kind === 'get' || kind === 'add' ? found : undefined;
        return {
          kind,
          value,
          ...times,
          ...(kind === 'swap' ? { expected } : {}),
          ...(kind === 'get' ? { result: isKnown ? found : null } : isKnown && result !== undefined ? { result } : {}),
        };
      })
      .filter(({ kind, endedMs }) => kind !== 'get' || endedMs < Infinity);
    let holds = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (history) => {
        const isRight = triesEveryOrder(history, null);
        if (isRight) holds++;
        expect(isLinearizable(history)).toBe(isRight);
      }),
      { numRuns: 3_000 },
    );
    expect(holds).toBeGreaterThan(300);
  });
});

/** Slow and plain: each that nothing unfinished was over before may come next; of unknown ones any may never come. */
function triesEveryOrder(left: readonly KeyOperation[], value: string | null): boolean {
  if (left.every(({ endedMs }) => endedMs === Infinity)) return true;
  return left.some((next) => {
    if (left.some((other) => other.endedMs < next.beganMs)) return false;
    const after = plainStep(value, next);
    return (
      after !== 'wrong' &&
      triesEveryOrder(
        left.filter((other) => other !== next),
        after.value,
      )
    );
  });
}

function plainStep(
  value: string | null,
  { kind, value: to, expected, result }: KeyOperation,
): 'wrong' | { value: string | null } {
  if (kind === 'get') return result === value ? { value } : 'wrong';
  if (kind === 'set') return { value: to };
  if (kind === 'delete') return { value: null };
  if (kind === 'add') {
    const sum = String(Number(value ?? '0') + Number(to));
    return result === undefined || result === sum ? { value: sum } : 'wrong';
  }
  const did = (expected ?? null) === value;
  if (result !== undefined && result !== did) return 'wrong';
  return { value: did ? to : value };
}
