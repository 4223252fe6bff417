import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Of, latin1Range } from '../../src/base/bytes.ts';
import { Glob } from '../../src/base/glob.ts';
import { ClassPolicy, DEFAULT_POLICY, type ClassDefinition } from '../../src/classes/class-policy.ts';
import { KeyPattern } from '../../src/classes/key-pattern.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { rulesDigest } from '../../src/classes/rules-digest.ts';
import { utf8Bytes } from '../../src/classes/utf8.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const policyOf = (text: string) => parseClasses(text, 'classes.yaml');
const fileOf = (...classes: readonly object[]): string => JSON.stringify({ classes });

const part = fc.constantFrom('a', 'b', '*', '?', '[ab]');
const patterns = fc.uniqueArray(
  fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
  { minLength: 1, maxLength: 6 },
);

describe('C1: the class of a key', () => {
  test('is that of the first pattern that matches, else the default', () => {
    let defaults = 0;
    fc.assert(
      fc.property(patterns, fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 }), (texts, key) => {
        const policy = policyOf(fileOf(...texts.map((text) => ({ match: [text] }))));
        const expected = texts.find((text) => new Glob(latin1Range(text)).matchesText(key)) ?? 'default';
        if (expected === 'default') defaults++;
        // somewhere in a larger buffer, as keys of requests are
        const bytes = latin1Range(`x${key}y`);
        bytes.set(bytes.buf, 1, 1 + key.length);
        expect(policy.classOf(bytes).name).toBe(expected);
        expect(policy.classOfText(key).name).toBe(expected);
      }),
      runOptions(400, 20_000),
    );
    expect(defaults).toBeGreaterThan(10);
  });

  test('patterns are UTF-8, as keys are', () => {
    const policy = policyOf(fileOf({ match: ['größe:€:😀*'] }));
    const key = utf8Bytes('größe:€:😀1');
    expect(key).toEqual(new TextEncoder().encode('größe:€:😀1'));
    expect(policy.classOfText(latin1Of(key, 0, key.length)).name).toBe('größe:€:😀*');
  });

  test('without a file every key is causal, the latest write stays, nothing expires', () => {
    expect(DEFAULT_POLICY.classOf(latin1Range('any'))).toEqual({
      name: 'default',
      index: 0,
      patterns: [],
      consistency: 'causal',
      ttlMs: null,
      conflict: { kind: 'lww' },
    });
  });
});

type Described = { readonly match: readonly string[] } & Partial<Omit<ClassDefinition, 'patterns'>>;

/** A policy with any rules, also those that no file may name yet. */
function policyWith(...classes: readonly Described[]): ClassPolicy {
  return new ClassPolicy(
    classes.map(({ match, consistency = 'causal', ttlMs = null, conflict = { kind: 'lww' } }) => {
      return { patterns: match.map((text) => new KeyPattern(text, utf8Bytes(text))), consistency, ttlMs, conflict };
    }),
  );
}

describe('C4: the digest of the rules', () => {
  const digestOf = (...classes: readonly Described[]): string => rulesDigest(policyWith(...classes));
  const base: Described[] = [
    { match: ['quote:*'], ttlMs: 300_000 },
    { match: ['a:*', 'b:*'], conflict: { kind: 'siblings' } },
    { match: ['scratch:*'], consistency: 'weak' },
  ];

  test('is the same for what all need not agree on: ttl, level, grouping, order within a rule, plain classes elsewhere', () => {
    const same: Described[] = [
      { match: ['scratch:*'], consistency: 'weak', ttlMs: 3_600_000 },
      { match: ['b:*'], conflict: { kind: 'siblings' }, consistency: 'session' },
      { match: ['new:*'], consistency: 'eventual' },
      { match: ['a:*'], conflict: { kind: 'siblings' }, ttlMs: 1_000 },
    ];
    expect(digestOf(...same.slice(1), ...same.slice(0, 1))).toBe(digestOf(...base));
    expect(digestOf()).toBe(rulesDigest(DEFAULT_POLICY));
    expect(digestOf({ match: ['x*'], ttlMs: 1_000 })).toBe(rulesDigest(DEFAULT_POLICY));
  });

  test.each<readonly [string, readonly Described[]]>([
    ['a weak class more', [...base, { match: ['tmp:*'], consistency: 'weak' }]],
    ['a class that is not weak any more', base.slice(0, 2)],
    [
      'another rule',
      [
        base[0] as Described,
        { match: ['a:*', 'b:*'], conflict: { kind: 'resolver', name: 'max', module: null } },
        base[2] as Described,
      ],
    ],
    [
      'a pattern less',
      [base[0] as Described, { match: ['a:*'], conflict: { kind: 'siblings' } }, base[2] as Described],
    ],
    ['a plain class that takes keys away', [{ match: ['a:1*'] }, ...base]],
  ])('differs with %s', (_, classes) => {
    expect(digestOf(...classes)).not.toBe(digestOf(...base));
  });

  test('holds the order of regions, where that decides', () => {
    const digestFor = (...regions: string[]): string =>
      digestOf({ match: ['a:*'], conflict: { kind: 'region-priority', regions } });
    expect(digestFor('us-east-1', 'eu-west-1')).not.toBe(digestFor('eu-west-1', 'us-east-1'));
  });

  test('holds the code of a resolver module', () => {
    const policy = policyWith({
      match: ['m:*'],
      conflict: { kind: 'resolver', name: './merge.js', module: './merge.js' },
    });
    const digests = ['1', '2'].map((code) => rulesDigest(policy, new Map([['./merge.js', code]])));
    expect(new Set([...digests, rulesDigest(policy)]).size).toBe(3);
  });
});
