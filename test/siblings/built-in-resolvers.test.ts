import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { builtInResolvers } from '../../src/classes/built-in-resolvers.ts';
import type { BuiltInResolver } from '../../src/classes/key-class.ts';
import { RESOLVER_INPUT_CHARS_MAX } from '../../src/classes/limits.ts';
import type { SiblingView } from '../../src/classes/resolver.ts';
import { siblingsOf } from './sibling-views.ts';

const resolve = (name: BuiltInResolver, ...values: string[]): string =>
  Buffer.from(builtInResolvers[name](siblingsOf(...values)), 'latin1').toString();

const refusal = (name: BuiltInResolver, ...values: string[]): unknown => {
  try {
    return resolve(name, ...values);
  } catch (error) {
    return error;
  }
};

describe('newest-by-field', () => {
  test.each([
    ['of each field the latest write that names it', ['{"a":1,"b":1}', '{"b":2}', '{"c":3}'], '{"a":1,"b":2,"c":3}'],
    ['fields by name, whatever their order was', ['{"b":1}', '{"a":1}'], '{"a":1,"b":1}'],
    ['values as a whole', ['{"a":{"x":1}}', '{"a":{"y":1}}'], '{"a":{"y":1}}'],
    [
      'numbers beyond doubles as they are',
      ['{"a":12345678901234567890}', '{"b":1.0}'],
      '{"a":12345678901234567890,"b":1}',
    ],
    ['names that objects have anyway', ['{"__proto__":1}', '{"constructor":2}'], '{"__proto__":1,"constructor":2}'],
    ['text beyond ASCII, escaped or not', ['{"\\u00e9":"é"}', '{"k":"\\ud83d\\ude00"}'], '{"k":"😀","é":"é"}'],
    ['spaces gone, a name twice once', ['{ "a" : [ 1 , 2 ] , "a" : 3 }', '{}'], '{"a":3}'],
  ])('%s', (_, values, expected) => {
    expect(resolve('newest-by-field', ...values)).toBe(expected);
  });

  test.each([
    ['an array', '[1]', 'a value is not a JSON object: no JSON: no { at character 1'],
    ['no JSON', '{"a":}', 'a value is not a JSON object: no JSON: no value at character 6'],
    ['more than one value', '{}{}', 'more after its end'],
    ['a wrong escape', '{"a":"\\x"}', 'a text with a wrong escape'],
    ['nested without end', `{"a":${'['.repeat(100_000)}`, 'nested more than 128 deep'],
    ['too large', `{"a":"${'x'.repeat(RESOLVER_INPUT_CHARS_MAX)}"}`, 'above the 1048576 that a resolver is given'],
  ])('refuses %s', (_, value, reason) => {
    expect(refusal('newest-by-field', '{}', value)).toMatchObject({
      kind: 'shape',
      message: expect.stringContaining(reason),
    });
  });

  test('refuses bytes that are no UTF-8', () => {
    const siblings = siblingsOf('{}', '{}').map((sibling) => ({ ...sibling, value: '{"a":"\xff"}' }));
    expect(() => builtInResolvers['newest-by-field'](siblings)).toThrow('a value is not UTF-8');
  });

  // with work that grows with the square of a number's length this takes minutes
  test('takes numbers of any length', { timeout: 20_000 }, () => {
    const zeros = '0'.repeat(200_000);
    const long = `1${zeros}1`;
    const power = `1e${'7'.repeat(200_000)}`;
    expect(resolve('union', `[${long},${power},1e${zeros}2,1${zeros}e-200000]`, '[1]')).toBe(
      `[${long},${power},100,1]`,
    );
  });

  test('takes one text as long as all may be', () => {
    const text = 'x'.repeat(RESOLVER_INPUT_CHARS_MAX - 20);
    expect(resolve('newest-by-field', `{"a":"${text}"}`, '{"b":1}')).toBe(`{"a":"${text}","b":1}`);
  });
});

describe('max and min', () => {
  test.each([
    ['max', ['9', '10', '2'], '10'],
    ['min', ['9', '10', '2'], '2'],
    ['max', ['9007199254740993', '9007199254740992'], '9007199254740993'],
    ['max', ['0.1', '0.30000000000000001', '0.3'], '0.30000000000000001'],
    ['min', ['-1e3', '-999'], '-1e3'],
  ] as const)('%s of %j is %s', (name, values, expected) => {
    expect(resolve(name, ...values)).toBe(expected);
  });

  test('of equal numbers show the latest as it was written', () => {
    expect(resolve('max', '1.0', '1')).toBe('1');
    expect(resolve('min', '1', '1.0')).toBe('1.0');
  });

  test.each(['ten', '', 'NaN', 'Infinity', '1 '])('refuse %j', (value) => {
    expect(refusal('max', '1', value)).toMatchObject({ kind: 'shape', message: 'a value is not a decimal number' });
  });
});

describe('union', () => {
  test.each([
    [['["a","b"]', '["b","c"]'], '["a","b","c"]'],
    [['[1.0]', '[1, 10e-1, "1"]'], '[1,"1"]'],
    [['[{"a":1,"b":2}]', '[{"b":2,"a":1}]'], '[{"a":1,"b":2}]'],
    [['[]', '[]'], '[]'],
    [['[12345678901234567890]', '[12345678901234567891]'], '[12345678901234567890,12345678901234567891]'],
  ])('of %j is %s', (values, expected) => {
    expect(resolve('union', ...values)).toBe(expected);
  });

  test('refuses what is no array', () => {
    expect(refusal('union', '[]', '{}')).toMatchObject({
      message: expect.stringContaining('a value is not a JSON array'),
    });
  });
});

// What each takes, to merge at random.
const json = fc.jsonValue({ maxDepth: 2 });
const VALUES = {
  'newest-by-field': fc
    .dictionary(fc.constantFrom('a', 'b', 'é', '__proto__'), json)
    .map((value) => JSON.stringify(value)),
  union: fc.array(json, { maxLength: 4 }).map((value) => JSON.stringify(value)),
  max: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
  min: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
} satisfies Record<BuiltInResolver, fc.Arbitrary<string>>;

describe.each(Object.keys(VALUES) as BuiltInResolver[])('%s, of any values that it takes', (name) => {
  const values = fc.array(VALUES[name], { minLength: 2, maxLength: 5 });
  const show = (siblings: readonly SiblingView[]): string => builtInResolvers[name](siblings);

  test('is idempotent: what it shows, beside what it was made of, changes nothing', () => {
    fc.assert(
      fc.property(values, (texts) => {
        const shown = resolve(name, ...texts);
        expect(resolve(name, ...texts, shown)).toBe(shown);
        expect(resolve(name, shown, shown)).toBe(shown);
      }),
    );
  });

  test('is associative: some merged before the others give the same', () => {
    fc.assert(
      fc.property(values, fc.nat(), (texts, at) => {
        const split = 1 + (at % (texts.length - 1));
        const onlyFirst = split === 1 ? (texts[0] ?? '') : resolve(name, ...texts.slice(0, split));
        expect(resolve(name, onlyFirst, ...texts.slice(split))).toBe(resolve(name, ...texts));
      }),
    );
  });

  test('gives the same text for the same siblings, and leaves them as they are', () => {
    fc.assert(
      fc.property(values, (texts) => {
        const siblings = siblingsOf(...texts);
        const before = JSON.stringify(siblings);
        expect(show(siblings)).toBe(show(siblingsOf(...texts)));
        expect(JSON.stringify(siblings)).toBe(before);
      }),
    );
  });
});
