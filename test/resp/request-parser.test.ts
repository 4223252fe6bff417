import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Bytes } from '../../src/base/bytes.ts';
import { RequestArgs } from '../../src/wire/resp/request-args.ts';
import { Parsed, RequestParser } from '../../src/wire/resp/request-parser.ts';
import { multibulk, parseAll } from './parse-all.ts';

describe('requests', () => {
  test('multibulk, pipelined, binary-safe, with empty arguments', () => {
    const stream = multibulk('SET', 'k\r\n\0\xff', '') + multibulk('GET', 'k');
    expect(parseAll([stream])).toEqual({
      requests: [
        ['SET', 'k\r\n\0\xff', ''],
        ['GET', 'k'],
      ],
      failure: '',
    });
  });

  test('empty requests and lines are skipped', () => {
    expect(parseAll(['*0\r\n*-1\r\n*-2\r\n\r\n\n  \r\n' + multibulk('PING')]).requests).toEqual([['PING']]);
  });

  test.each([
    ['ping\r\n', ['ping']],
    ['ping\n', ['ping']],
    ['  set  a   b \r\n', ['set', 'a', 'b']],
    ['set "a b" \'c d\'\r\n', ['set', 'a b', 'c d']],
    ['set "\\x41\\n\\r\\t\\b\\a\\q\\"" x\r\n', ['set', 'A\n\r\t\b\x07q"', 'x']],
    ["set 'it\\'s' 'a\\nb'\r\n", ['set', "it's", 'a\\nb']],
    ['set a"b c"\r\n', ['set', 'ab c']],
    ['set ""\r\n', ['set', '']],
    ['set "\\x4"\r\n', ['set', 'x4']],
  ])('inline %j', (line, expected) => {
    expect(parseAll([line]).requests).toEqual([expected]);
  });

  test.each(['set "a\r\n', "set 'a\r\n", 'set "a"b\r\n', "set 'a'b\r\n", 'set "a\\"\r\n'])(
    'inline %j is refused',
    (line) => {
      expect(parseAll([line])).toEqual({ requests: [], failure: 'Protocol error: unbalanced quotes in request' });
    },
  );

  test.each([
    ['*abc\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['* 1\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*-\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*99999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\r\nfoo\r\n', "expected '$', got 'f'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$-10\r\n', 'invalid bulk length'],
    ['*1\r\n$1048577\r\n', 'invalid bulk length'],
    ['*1\r\n$blabla\r\n', 'invalid bulk length'],
    ['*1\r\n$00\r\n', 'invalid bulk length'],
    ['*1\r\n$\r\n', 'invalid bulk length'],
    [`*${'1'.repeat(65_536)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(65_536)}`, 'too big bulk count string'],
    ['a'.repeat(65_537), 'too big inline request'],
    ['\x16\x03\x01', 'this port does not speak TLS'],
  ])('broken stream %#', (stream, failure) => {
    expect(parseAll([multibulk('PING') + stream])).toEqual({
      requests: [['PING']],
      failure: `Protocol error: ${failure}`,
    });
  });

  test('before authentication the limits are small', () => {
    const options = { authenticated: false };
    expect(parseAll([multibulk(...Array.from({ length: 10 }, () => 'x'))], options).failure).toBe('');
    expect(parseAll(['*11\r\n'], options).failure).toBe('Protocol error: unauthenticated multibulk length');
    expect(parseAll(['*1\r\n$16384\r\n'], options).failure).toBe('');
    expect(parseAll(['*1\r\n$16385\r\n'], options).failure).toBe('Protocol error: unauthenticated bulk length');
  });

  test('a declared length allocates nothing', () => {
    const before = process.memoryUsage().arrayBuffers;
    const parsers = Array.from({ length: 200 }, () => {
      const parser = new RequestParser({ bulkBytesMax: 512 * 1024 * 1024 });
      const bytes = latin1Bytes('*1000000\r\n$500000000\r\nx');
      parser.feed(bytes, 0, bytes.length);
      parser.next(new RequestArgs());
      parser.keep();
      return parser;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 1024 * 1024);
    expect(parsers.every((parser) => parser.pendingBytes === 23)).toBe(true);
  });

  test('a request that was put back is given again', () => {
    const parser = new RequestParser({ bulkBytesMax: 1024 });
    const args = new RequestArgs();
    const bytes = latin1Bytes('get a\r\n' + multibulk('GET', 'b') + '*2\r\n$3\r\nGET');
    parser.feed(bytes, 0, bytes.length);
    expect(parser.next(args)).toBe(Parsed.Request);
    expect(parser.next(args)).toBe(Parsed.Request);
    parser.putBack();
    parser.keep();
    const rest = latin1Bytes('\r\n$1\r\nc\r\n');
    parser.feed(rest, 0, rest.length);
    expect(parser.next(args)).toBe(Parsed.Request);
    expect([args.count, args.text(1)]).toEqual([2, 'b']);
    expect(parser.next(args)).toBe(Parsed.Request);
    expect([args.count, args.text(1)]).toEqual([2, 'c']);
    expect(parser.next(args)).toBe(Parsed.Incomplete);
  });

  test('a large argument arrives whole, in small pieces and at linear cost', () => {
    const value = 'v'.repeat(8 * 1024 * 1024);
    const stream = latin1Bytes(multibulk('SET', 'k', value) + multibulk('PING'));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += 16_384) pieces.push(stream.subarray(at, at + 16_384));
    const { requests, failure } = parseAll(pieces, { bulkBytesMax: 16 * 1024 * 1024 });
    expect(failure).toBe('');
    expect(requests.map((request) => request.map((arg) => arg.length))).toEqual([[3, 1, value.length], [4]]);
  });

  test('many arguments in one-byte pieces are not looked at again and again', () => {
    const args = Array.from({ length: 20_000 }, (_, index) => String(index));
    const stream = latin1Bytes(multibulk(...args));
    const pieces = Array.from(stream, (byte) => Uint8Array.of(byte));
    expect(parseAll(pieces).requests).toEqual([args]);
  });
});

/** Streams that are mostly well formed, with something odd here and there. */
const streams = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .array(fc.string({ unit: 'binary-ascii', maxLength: 12 }), { minLength: 1, maxLength: 5 })
          .map((args) => multibulk(...args)),
      },
      {
        weight: 3,
        arbitrary: fc.constantFrom('ping\r\n', 'set "a b" c\n', '\r\n', '*0\r\n', '*-3\r\n', "x 'y\\'z'\r\n"),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '*x\r\n',
          '*1\r\n+',
          '$',
          '*3\r\n$1\r\nabcd',
          '*1\r\n$-1\r\n',
          '"',
          '\0\r\n',
          '\x16',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 20 }) },
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

function cut(stream: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b);
  return [...at, stream.length].map((end, index) => stream.slice(index === 0 ? 0 : at[index - 1], end));
}

describe('however a stream is cut', () => {
  test('it means the same at every single byte boundary', () => {
    const stream = `${multibulk('SET', 'key', 'a\r\nb')}set "x y" 'z'\r\n\r\n*0\r\n${multibulk('GET', '')}*1\r\n$x\r\n`;
    const whole = parseAll([stream]);
    for (let at = 0; at <= stream.length; at++) {
      for (const headroom of [0, 4096]) {
        expect(parseAll([stream.slice(0, at), stream.slice(at)], { headroom })).toEqual(whole);
      }
    }
    expect(parseAll(stream.split(''))).toEqual(whole);
    expect(whole.requests.length).toBe(3);
  });

  test('it means the same for random streams and cuts', () => {
    fc.assert(
      fc.property(
        streams,
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom(0, 7, 4096),
        (stream, places, headroom) => {
          expect(parseAll(cut(stream, places), { headroom })).toEqual(parseAll([stream]));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (pieces) => {
        const { requests, failure } = parseAll(pieces);
        expect(Array.isArray(requests) && (failure === '' || failure.startsWith('Protocol error: '))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});
