import { describe, expect, it } from 'vitest';
import { badPatterns, type Operation } from '../support/causal-checker.ts';

/** `p: w x=1, r y=- | q: …` – each session's operations; `-` is the initial value. */
function history(text: string): Operation[] {
  return text.split('|').flatMap((part) => {
    const [session = '', operations = ''] = part.split(':');
    return operations.split(',').map((operation): Operation => {
      const [, kind, key = '', value = ''] = /^\s*([wr]) (\w+)=(\S+)\s*$/.exec(operation) ?? [];
      if (kind === undefined) throw new Error(`cannot read "${operation}"`);
      return {
        session: session.trim(),
        kind: kind === 'w' ? 'write' : 'read',
        key,
        value: value === '-' ? null : value,
      };
    });
  });
}

describe('the checker of causal convergence', () => {
  it.each([
    ['one session', 'p: w x=1, r x=1, w x=2, r x=2'],
    [
      'concurrent writes seen one after the other, the same way by all',
      'p: w x=1 | q: w x=2, r x=2 | r: r x=1, r x=2 | s: r x=1, r x=2',
    ],
    ['old values of what is not related', 'p: w x=1, w y=1 | q: r x=1, r y=-'],
    ['nothing seen', 'p: w x=1 | q: r x=-, r x=-'],
    ['a chain over three', 'p: w x=1 | q: r x=1, w y=1 | r: r y=1, r x=1'],
  ])('takes %s', (_what, text) => {
    expect(badPatterns(history(text))).toEqual([]);
  });

  it.each([
    ['CyclicCO', 'a cycle of reading each other', 'p: r x=1, w y=1 | q: r y=1, w x=1'],
    ['CyclicCO', 'a session that reads its own future', 'p: r x=1, w x=1'],
    ['ThinAirRead', 'a value that nobody wrote', 'p: w x=1 | q: r x=7'],
    [
      'WriteCOInitRead',
      'the initial value after an effect of the write was seen',
      'p: w x=1 | q: r x=1, w y=1 | r: r y=1, r x=-',
    ],
    ['WriteCOInitRead', 'own writes not read', 'p: w x=1, r x=-'],
    ['WriteCORead', 'an overwritten value after the overwrite was seen', 'p: w x=1, w x=2, w y=1 | q: r y=1, r x=1'],
    ['WriteCORead', 'reads that go back', 'p: w x=1, w x=2 | q: r x=2, r x=1'],
    [
      'CyclicCF',
      'two that order concurrent writes each its own way, for good',
      'p: w x=1, r x=1, r x=2 | q: w x=2, r x=2, r x=1',
    ],
    ['CyclicCF', 'last delivered wins', 'p: w x=1 | q: w x=2 | r: r x=1, r x=2 | s: r x=2, r x=1'],
    [
      'CyclicCF',
      'orders of two variables that do not fit',
      'p: w x=1, w y=1 | q: w y=2, w x=2 | r: r y=1, r y=2, r x=2, r x=1',
    ],
  ] as const)('finds %s: %s', (pattern, _what, text) => {
    expect(badPatterns(history(text))).toContain(pattern);
  });

  it('refuses a history that it cannot judge', () => {
    expect(() => badPatterns(history('p: w x=1, w x=1'))).toThrow('twice');
  });
});
