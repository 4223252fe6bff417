import { describe, expect, test } from 'vitest';
import { problemText } from '../../src/classes/class-problems.ts';
import { CLASS_PATTERN_BYTES_MAX, CLASS_PATTERNS_MAX, CLASSES_FILE_CHARS_MAX } from '../../src/classes/limits.ts';
import { parseClasses, readClasses } from '../../src/classes/read-classes.ts';
import { CausewayError } from '../../src/errors.ts';
import { BROKEN_FILES } from './broken-files.ts';

const problemsOf = (text: string): string[] =>
  readClasses(text).problems.map((problem) => `${problem.severity} ${problemText('f.yaml', problem)}`);

describe('C1: a broken file', () => {
  test.each(BROKEN_FILES)('$what is refused with file, line, path and what was expected', ({ text, says }) => {
    let message = '';
    try {
      parseClasses(text, 'f.yaml');
    } catch (error) {
      expect(error).toBeInstanceOf(CausewayError);
      expect((error as CausewayError).code).toBe('CONFIG');
      ({ message } = error as CausewayError);
    }
    for (const words of says) expect(message).toContain(words);
    expect(message.split('\n').every((line) => /^f\.yaml:\d+:\d+: /.test(line))).toBe(true);
  });

  test.each([
    [
      'characters',
      `#${'x'.repeat(CLASSES_FILE_CHARS_MAX)}\nclasses: []`,
      `expected at most ${CLASSES_FILE_CHARS_MAX} characters`,
    ],
    [
      'patterns',
      JSON.stringify({ classes: [{ match: Array.from({ length: CLASS_PATTERNS_MAX + 1 }, (_, at) => `k${at}:*`) }] }),
      `expected at most ${CLASS_PATTERNS_MAX} patterns in all, got ${CLASS_PATTERNS_MAX + 1}`,
    ],
    [
      'bytes in all patterns',
      JSON.stringify({ classes: [{ match: Array.from({ length: 100 }, (_, at) => `${at}${'?*'.repeat(60)}`) }] }),
      'expected patterns of at most 4096 bytes in all, got',
    ],
    [
      'bytes in a pattern',
      JSON.stringify({ classes: [{ match: ['é'.repeat(CLASS_PATTERN_BYTES_MAX / 2 + 1)] }] }),
      `expected a pattern of at most ${CLASS_PATTERN_BYTES_MAX} bytes, got ${CLASS_PATTERN_BYTES_MAX + 2}`,
    ],
    ['aliases', `a: &a [1]\nclasses: [${'*a, '.repeat(200)}]`, ''],
  ])('too many %s', (_, text, words) => {
    expect(() => parseClasses(text, 'f.yaml')).toThrow(words);
  });

  test('names such as __proto__ are unknown keys like any other', () => {
    expect(problemsOf('__proto__: {}\nclasses: []\n')).toEqual([
      'error f.yaml:1:1: unknown key "__proto__"; the file has classes, and a version where it is raised',
    ]);
  });
});

describe('a file that is taken', () => {
  test('as in the design, without its strong keys and resolvers', () => {
    const policy = parseClasses(
      `classes:
  - match: ["quote:*", "chain:*"]
    consistency: causal
    ttl: 5m
    conflict: lww
  - match: ["prefs:*"]
    consistency: session
  - match: ["scratch:*"]
    consistency: weak
`,
      'f.yaml',
    );
    expect(
      policy.classes.map(({ name, consistency, ttlMs, conflict }) => [name, consistency, ttlMs, conflict]),
    ).toEqual([
      ['quote:*', 'causal', 300_000, { kind: 'lww' }],
      ['prefs:*', 'session', null, { kind: 'lww' }],
      ['scratch:*', 'weak', null, { kind: 'lww' }],
      ['default', 'causal', null, { kind: 'lww' }],
    ]);
  });

  test('says of patterns that get no keys, or not all', () => {
    const text =
      'classes:\n  - match: ["quote:*"]\n  - match: ["quote:x*"]\n  - match: ["*:usd", "q?ote:*"]\n  - match: ["*"]\n';
    expect(problemsOf(text)).toEqual([
      'warning f.yaml:3:13: classes[1].match[0]: no key gets here by "quote:x*": "quote:*" of classes[0].match[0] comes first and has them all',
      'warning f.yaml:4:13: classes[2].match[0]: keys that match "*:usd" and "quote:*" of classes[0].match[0] (and of 1 more) are of the earlier class',
    ]);
    expect(readClasses(text).policy).not.toBeNull();
  });
});
