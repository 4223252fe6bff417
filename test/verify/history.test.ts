import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CausewayError } from '../../src/errors.ts';
import {
  HISTORY_LINE_CHARS_MAX,
  type Operation,
  parseHistory,
  printHistory,
  printOperation,
} from '../../src/verify/history.ts';
import { operation } from './operations.ts';

const LINE = {
  client: 'c1',
  region: 'eu-west-1',
  op: 'write',
  key: 'k',
  value: 'v',
  start: 1,
  end: 2,
  ok: true,
  level: 'causal',
};

function problemOf(text: string): CausewayError {
  try {
    parseHistory(text);
  } catch (error) {
    if (error instanceof CausewayError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

const time = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const times = fc.tuple(time, time).map(([one, two]) => ({ start: Math.min(one, two), end: Math.max(one, two) }));
const text = fc.string({ unit: 'binary', maxLength: 12 });
const integer = fc.maxSafeInteger().map(String);
const ending = fc.constantFrom({ ok: true }, { ok: false }, { ok: false, error: 'NOQUORUM' }, { ok: null });
const effect = fc.oneof(
  fc.record({ op: fc.constant('read'), value: fc.option(text), ok: fc.constant(true) }),
  fc.tuple(fc.record({ op: fc.constant('write'), expires: time }, { requiredKeys: ['op'] }), ending),
  fc.tuple(fc.record({ op: fc.constant('cas'), expected: fc.option(text) }), ending),
  fc.record({ op: fc.constant('incr'), value: integer, result: integer, ok: fc.constant(true) }),
  fc.tuple(fc.record({ op: fc.constant('incr'), value: integer }), ending),
  fc.tuple(fc.record({ op: fc.constant('del') }), ending),
);
const operations = fc
  .array(
    fc.tuple(
      effect,
      times,
      fc.record(
        {
          client: fc.constantFrom('a', 'b'),
          region: fc.constantFrom('x', 'y'),
          key: text,
          level: fc.constantFrom('weak', 'eventual', 'causal', 'session', 'strong'),
          dot: fc.constantFrom('us-east-1/a#3:17'),
        },
        { requiredKeys: ['client', 'region', 'key', 'level'] },
      ),
    ),
    { maxLength: 20 },
  )
  .map((made) =>
    made
      .map(([what, when, who], index): Operation => {
        const fields = Array.isArray(what) ? { ...what[0], ...what[1] } : what;
        const unique = fields.op === 'write' || fields.op === 'cas' ? { value: `v${index}` } : {};
        return { value: null, ...fields, ...unique, ...when, ...who };
      })
      .sort((left, right) => left.end - right.end),
  );

describe('a history file', () => {
  it('gives what was printed', () => {
    fc.assert(
      fc.property(operations, (made) => {
        expect(parseHistory(printHistory(made))).toEqual(made);
      }),
      { numRuns: 500 },
    );
  });

  it('is printed in the order of ends, fields in theirs', () => {
    const late = operation({ op: 'read', key: 'k', start: 1, end: 9 });
    const soon = operation({ op: 'del', key: 'k', start: 2, end: 8, dot: 'a:1' });
    expect(printHistory([late, soon])).toBe(`${printOperation(soon)}\n${printOperation(late)}\n`);
    expect(printOperation({ ...soon, stray: 1 } as Operation)).toBe(
      '{"client":"c1","region":"eu-west-1","op":"del","key":"k","value":null,"start":2,"end":8,"ok":true,"level":"causal","dot":"a:1"}',
    );
  });

  it('may name whole numbers as numbers, and a del no value', () => {
    const { value: _value, ...line } = LINE;
    const [written, added, removed] = parseHistory(
      [
        { ...line, value: 7 },
        { ...line, op: 'incr', value: -2, result: 5 },
        { ...line, op: 'del' },
      ]
        .map((each) => JSON.stringify(each))
        .join('\r\n'),
    );
    expect([written?.value, added?.value, added?.result, removed?.value]).toEqual(['7', '-2', '5', null]);
  });

  it('may be empty', () => {
    expect(parseHistory('')).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['text', 'hello', 'line 2: not JSON: "hello"'],
    ['a cut line', '{"client":"c1"', 'line 2: not JSON'],
    ['an empty line', '', 'line 2: empty'],
    ['a list', [], 'line 2: not a JSON object'],
    ['null', 'null', 'line 2: not a JSON object'],
    ['deep nesting', '['.repeat(200_000), 'line 2: not JSON'],
    ['an unknown field', { ...LINE, expect: 'x' }, 'line 2: no field is called "expect"'],
    ['a field with a name of objects', '{"__proto__":1}', 'line 2: no field is called "__proto__"'],
    ['no client', { ...LINE, client: undefined }, 'line 2: client: expected a text that is not empty, got nothing'],
    ['an empty client', { ...LINE, client: '' }, 'line 2: client: expected a text that is not empty, got "\\"\\""'],
    ['no key', { ...LINE, key: undefined }, 'line 2: key: expected'],
    ['a number as a key', { ...LINE, key: 5 }, 'line 2: key: expected a text, got "5"'],
    ['an unknown operation', { ...LINE, op: 'append' }, 'line 2: op: expected "read" or "write" or "cas"'],
    ['an unknown level', { ...LINE, level: 'serial' }, 'line 2: level: expected "weak" or'],
    ['an outcome in words', { ...LINE, ok: 'yes' }, 'line 2: ok: expected true or false or null'],
    ['no outcome', { ...LINE, ok: undefined }, 'line 2: ok: expected'],
    ['a time in words', { ...LINE, start: '1' }, 'line 2: start: expected nanoseconds'],
    ['a time before all time', { ...LINE, start: -1 }, 'line 2: start: expected nanoseconds'],
    ['no end', { ...LINE, end: null }, 'line 2: end: expected nanoseconds'],
    ['an end before its start', { ...LINE, start: 3 }, 'line 2: end: expected not before start'],
    ['an order that is not that of ends', { ...LINE, start: 0, end: 1 }, 'line 2: ends before the line above it'],
    ['a value in parts', { ...LINE, value: {} }, 'line 2: value: expected a text, a whole number or null'],
    ['a broken number', { ...LINE, value: 1.5 }, 'line 2: value: expected a text, a whole number or null'],
    ['nothing written', { ...LINE, value: null }, 'line 2: value: expected what is written'],
    ['a read of who knows what', { ...LINE, op: 'read', value: undefined }, 'line 2: value: expected what was found'],
    ['a del with a value', { ...LINE, op: 'del' }, 'line 2: value: expected null for a del'],
    ['a sum of words', { ...LINE, op: 'incr', value: 'one' }, 'line 2: value: expected a whole number'],
    ['a cas from nowhere', { ...LINE, op: 'cas' }, 'line 2: expected: expected what must be there'],
    ['a write with a condition', { ...LINE, expected: 'x' }, 'line 2: expected: expected absent'],
    ['a write with a sum', { ...LINE, result: '1' }, 'line 2: result: expected absent'],
    ['a broken sum', { ...LINE, op: 'incr', value: '1', result: '1.5' }, 'line 2: result: expected a whole number'],
    ['a sum of null', { ...LINE, op: 'incr', value: '1', result: null }, 'line 2: result: expected a whole number'],
    [
      'a sum that nobody was told',
      { ...LINE, op: 'incr', value: '1', result: '1', ok: null },
      'line 2: result: expected absent',
    ],
    ['a read that expires', { ...LINE, op: 'read', expires: 5 }, 'line 2: expires: expected absent'],
    ['an expiry in words', { ...LINE, expires: 'soon' }, 'line 2: expires: expected nanoseconds'],
    ['an error of what was done', { ...LINE, error: 'ERR' }, 'line 2: error: expected absent'],
    ['a dot without its place', { ...LINE, dot: 'us-east-1/a#3' }, 'line 2: dot: expected origin:sequence'],
    ['a value written twice', { ...LINE, value: 'first' }, 'line 2: writes "first" to "k", as line 1 did'],
    ['a cas to a value written before', { ...LINE, op: 'cas', expected: null, value: 'first' }, 'as line 1 did'],
  ])('is refused for %s', (_what, second, message) => {
    const line = typeof second === 'string' ? second : JSON.stringify(second);
    const error = problemOf(`${JSON.stringify({ ...LINE, value: 'first' })}\n${line}\n`);
    expect(error.code).toBe('HISTORY');
    expect(error.message).toContain(message);
  });

  it('is taken where what was refused is written again, and the same value to another key', () => {
    const lines = [
      { ...LINE, ok: false },
      { ...LINE, ok: false },
      { ...LINE, ok: true },
      { ...LINE, key: 'l' },
    ];
    expect(parseHistory(lines.map((line) => JSON.stringify(line)).join('\n'))).toHaveLength(4);
  });

  it('has lines of bounded length, and says little of them', () => {
    expect(problemOf('x'.repeat(HISTORY_LINE_CHARS_MAX + 1))).toMatchObject({
      code: 'LIMIT',
      message: expect.stringContaining('line 1:'),
    });
    expect(problemOf('x'.repeat(HISTORY_LINE_CHARS_MAX)).message.length).toBeLessThan(200);
  });
});
