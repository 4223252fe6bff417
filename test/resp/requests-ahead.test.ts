import { describe, expect, test } from 'vitest';
import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import { RequestArgs } from '../../src/wire/resp/request-args.ts';
import { Parsed, RequestParser } from '../../src/wire/resp/request-parser.ts';
import { REQUESTS_AHEAD_MAX, RequestsAhead, type AheadListener } from '../../src/wire/resp/requests-ahead.ts';
import { multibulk } from './parse-all.ts';

/** Notes what it is told, and hashes each key to its length. */
class Listener implements AheadListener {
  readonly told: string[][] = [];

  found(ahead: RequestsAhead): void {
    const range = new ByteRange();
    const keys: string[] = [];
    for (let request = 0; request < ahead.count; request++) {
      if (!ahead.argument(request, 1, range)) continue;
      keys.push(range.toLatin1());
      ahead.keyHashes[request] = range.length;
    }
    this.told.push(keys);
  }
}

const limits = { bulkBytesMax: 1024 * 1024 };

/** The next request with the hash of its key, null where there is none. */
function nextOf(parser: RequestParser): [words: string[], keyHash: number] | null {
  const args = new RequestArgs();
  if (parser.next(args) !== Parsed.Request) return null;
  return [Array.from({ length: args.count }, (_, at) => args.text(at)), args.keyHash];
}

function feed(parser: RequestParser, text: string): void {
  const bytes = latin1Bytes(text);
  parser.feed(bytes, 0, bytes.length);
}

describe('requests that came together', () => {
  test('are told before the first is given, and each comes with the hash of its own key', () => {
    const listener = new Listener();
    const parser = new RequestParser(limits, new RequestsAhead(listener));
    feed(
      parser,
      multibulk('GET', 'a') + multibulk('PING') + multibulk('SET', 'bcd', 'v') + '*2\r\n$3\r\nGET\r\n$2\r\ne',
    );
    expect(nextOf(parser)).toEqual([['GET', 'a'], 1]);
    expect(listener.told).toEqual([['a', 'bcd']]);
    expect(nextOf(parser)).toEqual([['PING'], 0]);
    expect(nextOf(parser)).toEqual([['SET', 'bcd', 'v'], 3]);
    expect(nextOf(parser)).toBeNull();
    parser.keep();
    feed(parser, 'f\r\n');
    // one alone is worth no look ahead, and has nobody else's hash
    expect(nextOf(parser)).toEqual([['GET', 'ef'], 0]);
    expect(listener.told).toHaveLength(1);
  });

  test('are found in pieces of so many', () => {
    const listener = new Listener();
    const parser = new RequestParser(limits, new RequestsAhead(listener));
    const keys = Array.from({ length: REQUESTS_AHEAD_MAX * 2 + 1 }, (_, at) => 'k'.repeat(at + 1));
    feed(parser, keys.map((key) => multibulk('GET', key)).join(''));
    const last = keys.length;
    for (const key of keys) expect(nextOf(parser)).toEqual([['GET', key], key.length === last ? 0 : key.length]);
    expect(listener.told.map(({ length }) => length)).toEqual([REQUESTS_AHEAD_MAX, REQUESTS_AHEAD_MAX]);
  });

  test('end where a large or an inline request stands between them', () => {
    const listener = new Listener();
    const parser = new RequestParser(limits, new RequestsAhead(listener));
    const long = 'v'.repeat(100_000);
    feed(parser, multibulk('SET', 'a', long) + multibulk('GET', 'bb') + multibulk('GET', 'ccc') + 'GET d\r\n');
    expect(nextOf(parser)).toEqual([['SET', 'a', long], 0]);
    expect(nextOf(parser)).toEqual([['GET', 'bb'], 2]);
    expect(nextOf(parser)).toEqual([['GET', 'ccc'], 3]);
    expect(nextOf(parser)).toEqual([['GET', 'd'], 0]);
  });

  test('one that is put back is given again, also where another connection was served meanwhile', () => {
    const ahead = new RequestsAhead(new Listener());
    const first = new RequestParser(limits, ahead);
    const second = new RequestParser(limits, ahead);
    feed(first, multibulk('GET', 'a') + multibulk('GET', 'bb') + multibulk('GET', 'ccc'));
    expect(nextOf(first)).toEqual([['GET', 'a'], 1]);
    expect(nextOf(first)).toEqual([['GET', 'bb'], 2]);
    first.putBack();
    first.keep();
    feed(second, multibulk('SET', 'x', 'y') + multibulk('DEL', 'zzzz'));
    expect(nextOf(second)).toEqual([['SET', 'x', 'y'], 1]);
    expect(nextOf(first)).toEqual([['GET', 'bb'], 2]);
    expect(nextOf(second)).toEqual([['DEL', 'zzzz'], 0]);
    expect(nextOf(first)).toEqual([['GET', 'ccc'], 0]);
    expect(nextOf(first)).toBeNull();
  });
});

describe('a look at requests whose turn is later', () => {
  const shownFrom = (parser: RequestParser, from: number, count = Infinity): string[] => {
    const shown: string[] = [];
    parser.look(from, new RequestsAhead(), new RequestArgs(), (args) => {
      shown.push(args.text(1));
      return shown.length < count;
    });
    return shown;
  };

  test('shows each that has come whole from a number on, and leaves them where they are', () => {
    const parser = new RequestParser(limits);
    const keys = Array.from({ length: REQUESTS_AHEAD_MAX * 2 + 3 }, (_, at) => `k${at}`);
    feed(parser, keys.map((key) => multibulk('GET', key)).join('') + '*2\r\n$3\r\nGET\r\n$2\r\nl');
    expect(shownFrom(parser, 0)).toEqual(keys);
    expect(shownFrom(parser, 18)).toEqual(keys.slice(18));
    expect(shownFrom(parser, 1, 2)).toEqual(['k1', 'k2']);
    expect(nextOf(parser)).toEqual([['GET', 'k0'], 0]);
    // in the midst of what was found together
    expect(shownFrom(parser, 0)).toEqual(keys.slice(1));
    expect(nextOf(parser)).toEqual([['GET', 'k1'], 0]);
    parser.putBack();
    parser.keep();
    expect(shownFrom(parser, 1, 1)).toEqual(['k2']);
    for (const key of keys.slice(1)) expect(nextOf(parser)).toEqual([['GET', key], 0]);
    expect(nextOf(parser)).toBeNull();
    expect(shownFrom(parser, 0)).toEqual([]);
    feed(parser, 'm\r\n');
    expect(nextOf(parser)).toEqual([['GET', 'lm'], 0]);
  });
});
