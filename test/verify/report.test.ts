import { describe, expect, it } from 'vitest';
import { checkCausalConvergence } from '../../src/verify/causal-convergence.ts';
import type { Operation } from '../../src/verify/history.ts';
import { reportLines } from '../../src/verify/report.ts';
import { quoted, who } from '../../src/verify/told.ts';
import type { Verdict } from '../../src/verify/verdict.ts';
import { history, operation } from './operations.ts';

const verdict = (given: Partial<Verdict>): Verdict => ({
  promise: 'causal',
  holds: true,
  checked: 12_345,
  unit: 'operations of 9 sessions',
  violations: [],
  found: 0,
  undecided: [],
  ...given,
});

describe('a report', () => {
  it.each<[string, Partial<Verdict>, string[]]>([
    ['what holds', {}, ['causal: holds; 12,345 operations of 9 sessions']],
    ['what nothing was there of', { checked: 0, unit: 'operations of 0 sessions' }, ['causal: nothing to check']],
    [
      'what is not decided',
      { undecided: ['"k" is not decided: 9 operations'], checked: 1_234_567 },
      [
        'causal: nothing wrong found, but not all is decided; 1,234,567 operations of 9 sessions',
        '  not decided: "k" is not decided: 9 operations',
      ],
    ],
    [
      'what nothing could be decided of',
      { undecided: ['too many'], checked: 0 },
      ['causal: nothing wrong found, but not all is decided; 0 operations of 9 sessions', '  not decided: too many'],
    ],
    [
      'what is broken',
      { holds: false, found: 1_002, violations: [{ pattern: 'Bad', text: 'it is', operations: [] }] },
      ['causal: BROKEN; 1,002 violations in 12,345 operations of 9 sessions', '  Bad: it is', '  and 1,001 more'],
    ],
  ])('of %s', (_what, given, lines) => {
    expect(reportLines([verdict(given)], [])).toEqual(lines);
  });

  it('shows the operations that show what is wrong', () => {
    const stale = history('p: w x=1, w x=2, r x=1');
    expect(reportLines([checkCausalConvergence(stale)], stale)).toEqual([
      'causal: BROKEN; 1 violation in 3 operations of 1 sessions',
      '  WriteCORead: p read "1" from "x" (operation 3), although that was replaced by "2" (operation 2), which p itself had done',
      '    operation 1: p in eu-west-1 wrote "x": "1" (causal, at 0.000 to 0.000 ms)',
      '    operation 2: p in eu-west-1 wrote "x": "2" (causal, at 0.000 to 0.000 ms)',
      '    operation 3: p in eu-west-1 read "x": "1" (causal, at 0.000 to 0.000 ms)',
    ]);
  });

  it.each<[Partial<Operation> & Pick<Operation, 'op'>, string]>([
    [
      { op: 'read', value: null, start: 1_500_000, end: 2_000_500 },
      'c1 in eu-west-1 read "k": nothing (causal, at 1.500 to 2.001 ms)',
    ],
    [
      { op: 'write', value: 'v', ok: null, dot: 'us-east-1/a#3:17' },
      'wrote "k": "v" (causal, at 0.000 to 0.000 ms, "us-east-1/a#3:17"; outcome unknown)',
    ],
    [
      { op: 'cas', expected: null, value: 'v', ok: false },
      'swapped "k": nothing for "v" (causal, at 0.000 to 0.000 ms; not done)',
    ],
    [{ op: 'incr', value: '2', result: '7' }, 'added 2 to "k": 7 ('],
    [{ op: 'del', ok: false, error: 'NOQUORUM' }, 'deleted "k" (causal, at 0.000 to 0.000 ms; not done, NOQUORUM)'],
  ])('tells of %o', (given, text) => {
    const broken = verdict({
      holds: false,
      found: 1,
      violations: [{ pattern: 'Bad', text: 'it is', operations: [0] }],
    });
    expect(reportLines([broken], [operation({ key: 'k', ...given })])[2]).toContain(text);
  });

  it('writes out a few operations of many', () => {
    const many = Array.from({ length: 40 }, () => operation({ op: 'del', key: 'k' }));
    const operations = [...many.keys()];
    const lines = reportLines(
      [verdict({ holds: false, found: 1, violations: [{ pattern: 'B', text: 't', operations }] })],
      many,
    );
    expect(lines).toHaveLength(15);
    expect(lines.at(-1)).toBe('    and 28 operations more');
  });

  it('lets no name and no value do anything to a terminal', () => {
    const evil = '\u001b[2J\u009b2J\u202e\n\u2028';
    expect(quoted(evil)).toBe(String.raw`"\u001b[2J\u009b2J\u202e\n\u2028"`);
    expect(who(evil)).toBe(quoted(evil));
    expect(who('eu-west-1/a')).toBe('eu-west-1/a');
    expect(quoted('x'.repeat(1_000)).length).toBeLessThan(60);
    const made = history('p: w x=1, r x=-').map((each): Operation => ({
      ...each,
      client: evil,
      region: evil,
      key: evil,
      dot: `${evil}:1`,
    }));
    const refused = { ...(made[0] as Operation), value: evil, ok: false, error: evil };
    const lines = reportLines(
      [checkCausalConvergence([...made, refused, { ...refused, op: 'read', ok: true }])],
      [...made, refused],
    );
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => !/^[\x20-\x7e]+$/.test(line))).toEqual([]);
  });
});
