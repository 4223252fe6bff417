import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { Glob } from '../../src/base/glob.ts';
import { KeyPattern, patternFault } from '../../src/classes/key-pattern.ts';
import { utf8Bytes } from '../../src/classes/utf8.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const patternOf = (text: string): KeyPattern => new KeyPattern(text, utf8Bytes(text));
const matches = (pattern: KeyPattern, key: string): boolean => pattern.matches(latin1Range(key).buf, 0, key.length);

/** All texts of up to four of three letters: they tell all patterns of four parts below apart, but for long stars. */
const TEXTS = [''];
for (const text of TEXTS) if (text.length < 4) TEXTS.push(...['a', 'b', 'c'].map((letter) => text + letter));

const part = fc.constantFrom('a', 'b', '*', '?', '[ab]', '[^a]', '\\a', '[b-c]');
const pattern = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''));

describe('a pattern', () => {
  test('matches what the glob matcher matches, whichever way it is compiled', () => {
    fc.assert(
      fc.property(pattern, (text) => {
        const glob = new Glob(latin1Range(text));
        const compiled = patternOf(text);
        for (const key of TEXTS) expect(matches(compiled, key), `${text} on ${key}`).toBe(glob.matchesText(key));
      }),
      runOptions(200, 20_000),
    );
  });

  test('that covers another matches all that the other does; two overlap that share a text, and no others', () => {
    const seen = { covering: 0, overlapping: 0, apart: 0 };
    fc.assert(
      fc.property(pattern, pattern, (left, right) => {
        const [a, b] = [patternOf(left), patternOf(right)];
        const both = TEXTS.filter((key) => matches(a, key) && matches(b, key));
        if (a.covers(b)) {
          seen.covering++;
          expect(both, `${left} covers ${right}`).toEqual(TEXTS.filter((key) => matches(b, key)));
        }
        if (both.length > 0) {
          seen.overlapping++;
          expect(a.overlaps(b), `${left} and ${right} share ${both[0]}`).toBe(true);
        } else if (!left.includes('*') || !right.includes('*')) {
          // what both match is as long as the one without a star, so all of it was tried
          seen.apart++;
          expect(a.overlaps(b), `${left} and ${right} share nothing`).toBe(false);
        }
        expect(a.covers(a)).toBe(true);
      }),
      runOptions(400, 20_000),
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  test.each([
    ['quote:*', 'quote:x*', true],
    ['quote:x*', 'quote:*', false],
    ['*', 'a', true],
    ['a*', '*', false],
    ['a?c', 'abc', true],
    ['[ab]*', 'a*', true],
    ['a\\*', 'a*', false],
    ['*a', 'b*a', true],
  ])('%s covers %s: %s', (left, right, isCovered) => {
    expect(patternOf(left).covers(patternOf(right))).toBe(isCovered);
  });

  test('of many stars gives up on a long key in linear time', () => {
    expect(matches(patternOf(`${'a*'.repeat(60)}b`), 'a'.repeat(100_000))).toBe(false);
  });

  test.each([
    ['a[b', 'has a "[" without its "]"; write \\[ for the character itself'],
    ['a\\', 'ends with a backslash that has nothing to quote'],
    ['[]', null],
    ['a\\[b', null],
    ['[a-z]*', null],
  ])('%s: %s', (text, fault) => {
    expect(patternFault(utf8Bytes(text))).toBe(fault);
  });
});
