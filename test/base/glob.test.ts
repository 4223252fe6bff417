import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { Glob } from '../../src/base/glob.ts';

function matches(pattern: string, text: string, nocase = false): boolean {
  return new Glob(latin1Range(pattern), { nocase }).matches(latin1Range(text));
}

/** Redis's rules, written down as plain recursion: slow, and easy to believe. */
function oracle(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const first = pattern[0];
  if (first === '*') return oracle(pattern.slice(1), text) || (text !== '' && oracle(pattern, text.slice(1)));
  if (text === '') return false;
  if (first === '?') return oracle(pattern.slice(1), text.slice(1));
  if (first === '[') {
    const { accepted, rest } = oracleClass(pattern.slice(1), text.charCodeAt(0));
    return accepted && oracle(rest, text.slice(1));
  }
  const escaped = first === '\\' && pattern.length > 1;
  return pattern[escaped ? 1 : 0] === text[0] && oracle(pattern.slice(escaped ? 2 : 1), text.slice(1));
}

function oracleClass(after: string, code: number): { accepted: boolean; rest: string } {
  let body = after;
  const negated = body.startsWith('^');
  if (negated) body = body.slice(1);
  let found = false;
  while (body !== '' && body[0] !== ']') {
    if (body[0] === '\\' && body.length > 1) {
      if (body.charCodeAt(1) === code) found = true;
      body = body.slice(2);
    } else if (body[1] === '-' && body.length > 2) {
      const ends = [body.charCodeAt(0), body.charCodeAt(2)].sort((a, b) => a - b);
      if (code >= (ends[0] as number) && code <= (ends[1] as number)) found = true;
      body = body.slice(3);
    } else {
      if (body.charCodeAt(0) === code) found = true;
      body = body.slice(1);
    }
  }
  return { accepted: found !== negated, rest: body.slice(1) };
}

describe('glob', () => {
  test.each([
    ['*', '', true],
    ['*', 'anything', true],
    ['', '', true],
    ['', 'a', false],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'hxllo', false],
    ['[\\]]', ']', true],
    ['[]a]', 'a', false],
    ['[^]', 'a', true],
    ['[abc', 'c', true],
    ['a\\', 'a\\', true],
    ['*foo*bar*', 'xxfoo--bar', true],
    ['*foo*bar*', 'xxbar--foo', false],
    ['__proto__', '__proto__', true],
  ])('%s against %s is %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  test('nocase folds ASCII letters only, in literals and classes', () => {
    expect(matches('MaxMemory*', 'maxmemory-policy', true)).toBe(true);
    expect(matches('[A-C]x', 'bX', true)).toBe(true);
    expect(matches('\u00c0', '\u00e0', true)).toBe(false);
  });

  test('equals the recursive rules on random patterns', () => {
    const letters = fc.constantFrom('a', 'b', '*', '?', '[', ']', '^', '-', '\\', 'c');
    const pattern = fc.array(letters, { maxLength: 9 }).map((parts) => parts.join(''));
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ']', '-', '\\', '^'), { maxLength: 7 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, text, (globPattern, subject) => {
        expect(matches(globPattern, subject)).toBe(oracle(globPattern, subject));
      }),
      { numRuns: 20_000 },
    );
  });

  test('a thousand stars over a hundred thousand bytes ends', () => {
    const text = 'a'.repeat(100_000);
    expect(matches(`${'a*'.repeat(1000)}b`, text)).toBe(false);
    expect(matches('*?'.repeat(50_000), 'a'.repeat(50_000))).toBe(true);
  });
});
