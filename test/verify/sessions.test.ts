import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/verify/history.ts';
import { checkSessions } from '../../src/verify/sessions.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { histories } from './any-history.ts';
import { history } from './operations.ts';
import { slowOrder, type SlowOrder } from './slow-causal-convergence.ts';
import { cannotBeGone } from './slow-causal-convergence.ts';

const brokenIn = (made: readonly Operation[]): string[] =>
  checkSessions(made)
    .filter(({ holds }) => !holds)
    .map(({ promise }) => promise);

describe('the checker of session guarantees', () => {
  it.each([
    ['own writes read', 'p: w x=1, r x=1, w x=2, r x=2'],
    ['an own write replaced by a concurrent one', 'p: w x=1, r x=2 | q: w x=2'],
    ['reads that go on', 'p: w x=1, w x=2 | q: r x=1, r x=2, r x=2'],
    ['reads that go between concurrent writes', 'p: w x=1 | q: w x=2 | r: r x=1, r x=2, r x=1'],
    ['an old value where nothing of the writer is known', 'p: w x=1, w x=2 | q: r x=1'],
    ['an old value where only the older is known', 'p: w x=1, w y=1, w x=2 | q: r y=1, r x=1'],
    ['a cause that is known to who wrote later, not before', 'p: w x=1 | q: w y=1, r x=1 | r: r y=1, r x=-'],
    ['nothing after an own del', 'p: w x=1, d x, r x=-'],
    ['an own write of unknown end that is not read', 'p: w x=1, w x=2?, r x=1'],
  ])('takes %s', (_what, text) => {
    expect(brokenIn(history(text))).toEqual([]);
  });

  it.each<[string, string, string, string, number[]]>([
    [
      'read your writes',
      'nothing after an own write',
      'p: w x=1, r x=-',
      'p read nothing from "x" (operation 2), although it had itself written the newer "1" (operation 1)',
      [0, 1],
    ],
    [
      'read your writes',
      'a value that an own write replaced',
      'q: w x=1 | p: r x=1, w x=2, w x=3, r x=1',
      'p read "1" from "x" (operation 5), although it had itself written the newer "3" (operation 4)',
      [3, 4],
    ],
    [
      'read your writes',
      'a value that an own del removed',
      'q: w x=1 | p: r x=1, d x, r x=1',
      'p read "1" from "x" (operation 4), although it had itself deleted it (operation 3)',
      [2, 3],
    ],
    [
      'monotonic reads',
      'reads that go back',
      'p: w x=1, w x=2 | q: r x=2, r x=1',
      'q read "1" from "x" (operation 4), although it had read the newer "2" before (operation 3)',
      [1, 2, 3],
    ],
    [
      'monotonic reads',
      'reads that go back to nothing',
      'p: w x=1 | q: r x=1, r x=-',
      'q read nothing from "x" (operation 3), although it had read the newer "1" before (operation 2)',
      [0, 1, 2],
    ],
    [
      'monotonic reads',
      'reads that go back behind one that is concurrent with the last',
      'p: w x=1, w x=2 | s: w x=3 | q: r x=2, r x=3, r x=1',
      'q read "1" from "x" (operation 6), although it had read the newer "2" before (operation 4)',
      [1, 3, 5],
    ],
    [
      'monotonic writes',
      'the later of two writes without the earlier',
      'p: w x=1, w y=1 | q: r y=1, r x=-',
      'q read nothing from "x" (operation 4), although it had read "1" from "y" (operation 3), which p wrote after it had written the newer "1" (operation 1)',
      [0, 1, 2, 3],
    ],
    [
      'monotonic writes',
      'what was deleted before the write that was read',
      'p: w x=1, d x, w y=1 | q: r y=1, r x=1',
      'q read "1" from "x" (operation 5), although it had read "1" from "y" (operation 4), which p wrote after it had deleted it (operation 2)',
      [1, 2, 3, 4],
    ],
    [
      'writes follow reads',
      'an answer without its question',
      'p: w x=1 | q: r x=1, w y=1 | r: r y=1, r x=-',
      'r read nothing from "x" (operation 5), although it had read "1" from "y" (operation 4), which q wrote after it had read the newer "1" (operation 2)',
      [0, 1, 2, 3, 4],
    ],
  ])('finds %s broken by %s', (promise, _what, text, told, operations) => {
    const broken = checkSessions(history(text)).filter(({ holds }) => !holds);
    expect(broken.map((verdict) => verdict.promise)).toEqual([promise]);
    expect(broken[0]?.violations).toEqual([expect.objectContaining({ text: told, operations })]);
  });

  it('knows the order of one origin by its dots', () => {
    const [one, two, ...reads] = history('p: w x=1 | q: w x=2 | r: r x=2, r x=1') as [Operation, Operation];
    const withDots = (first: string, second: string): Operation[] => [
      { ...one, dot: first },
      { ...two, dot: second },
      ...reads,
    ];
    expect(brokenIn([one, two, ...reads])).toEqual([]);
    expect(brokenIn(withDots('a#1:9', 'a#1:10'))).toEqual(['monotonic reads']);
    expect(brokenIn(withDots('a#1:10', 'a#1:9'))).toEqual([]);
    expect(brokenIn(withDots('a#1:9', 'b#1:10'))).toEqual([]);
    expect(brokenIn(withDots('a#1:9', 'a#2:10'))).toEqual([]);
  });

  it('takes what expires as gone from then on, and before by as much as clocks may differ', () => {
    const [write, read] = history('p: w x=1, r x=-') as [Operation, Operation];
    const broken = (expires: number, clockSkew?: number): string[] =>
      checkSessions([{ ...write, expires }, read], clockSkew)
        .filter(({ holds }) => !holds)
        .map(({ promise }) => promise);
    expect(read.end).toBe(25);
    expect(broken(100)).toEqual([]);
    expect(broken(100, 75)).toEqual([]);
    expect(broken(100, 74)).toEqual(['read your writes']);
  });

  it('says nothing of sums, which are nobody’s writes', () => {
    const verdicts = checkSessions(history('p: i n=1, i n=1, r n=1'));
    expect(verdicts.map(({ checked, holds }) => `${checked} ${holds}`)).toEqual(Array.from(verdicts, () => '0 true'));
  });

  it('leaves reads of any age out, and counts what it compared', () => {
    const made = history('p: w x=1, w x=2 | q: r x=2, r x=1');
    const old = made.map((each, at): Operation => (at === 3 ? { ...each, level: 'eventual' } : each));
    expect(brokenIn(old)).toEqual([]);
    const checked = (text: string): number[] => checkSessions(history(text)).map((verdict) => verdict.checked);
    expect(checked('p: w x=1, r x=1, r y=- | q: w y=1')).toEqual([1, 0, 0, 0]);
    expect(checked('p: w x=1, w y=1 | q: r y=1, r x=1, r x=1')).toEqual([0, 1, 2, 0]);
    expect(checked('p: w x=1 | q: r x=1, w y=1 | r: r y=1, r x=1')).toEqual([0, 0, 0, 1]);
  });
});

/** The definitions as they stand, over all pairs, triples and so on. */
function slowGuarantees(all: readonly Operation[]): string[] {
  const order = slowOrder(all);
  const { history: taken, sourceOf } = order;
  const broken = new Set<string>();
  const [indices, sure] = [taken.map((_, at) => at), (at: number): boolean => taken[at]?.ok === true];
  const isInSession = (earlier: number, later: number): boolean =>
    sure(earlier) && earlier < later && taken[earlier]?.client === taken[later]?.client;
  const isWrite = (at: number): boolean => sure(at) && taken[at]?.op !== 'read';
  for (const read of indices.filter((at) => sure(at) && (taken[at]?.op === 'read' || taken[at]?.op === 'cas'))) {
    const tooOld = (write: number | undefined): boolean => write !== undefined && isTooOld(all, order, read, write);
    const before = indices.filter((at) => isInSession(at, read));
    if (before.some((at) => isWrite(at) && tooOld(at))) broken.add('read your writes');
    if (before.some((at) => tooOld(sourceOf[at]))) broken.add('monotonic reads');
    for (const by of before) {
      const write = sourceOf[by] ?? -1;
      if (write < 0 || taken[write]?.client === taken[read]?.client) continue;
      const earlier = indices.filter((at) => isInSession(at, write));
      if (earlier.some((at) => isWrite(at) && tooOld(at))) broken.add('monotonic writes');
      if (earlier.some((at) => tooOld(sourceOf[at]))) broken.add('writes follow reads');
    }
  }
  return [...broken];
}

function isTooOld(
  all: readonly Operation[],
  { history: taken, sourceOf, causal }: SlowOrder,
  read: number,
  write: number,
): boolean {
  if (write < 0 || taken[write]?.key !== taken[read]?.key) return false;
  const source = sourceOf[read];
  if (source === undefined) return taken[write]?.op !== 'del' && cannotBeGone(all, taken, causal, write);
  return source >= 0 && source !== write && causal.has(source, write);
}

describe('the fast checker', () => {
  it('judges as the definitions do', () => {
    const seen: Record<string, number> = { holds: 0 };
    fc.assert(
      fc.property(histories, (made) => {
        if (slowOrder(made).causal.isCyclic) return;
        const slow = slowGuarantees(made).sort();
        for (const promise of slow.length === 0 ? ['holds'] : slow) seen[promise] = (seen[promise] ?? 0) + 1;
        expect(brokenIn(made).sort()).toEqual(slow);
      }),
      runOptions(6_000, 40_000),
    );
    expect(Object.keys(seen)).toHaveLength(5);
    for (const [what, count] of Object.entries(seen)) expect(count, `nothing shown: ${what}`).toBeGreaterThan(10);
  });
});
