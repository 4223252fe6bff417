import { describe, expect, test } from 'vitest';
import { Push, ReplyMap, type Reply } from '../../src/client/replies.ts';
import { NOT_YET, ReplyParser } from '../../src/client/reply-parser.ts';
import { ReplyError } from '../../src/wire/resp/reply-values.ts';

const BYTES_MAX = 1_000_000;

function parseAll(text: string, chunkBytes: number, bytesMax = BYTES_MAX): (Reply | Push)[] {
  const parser = new ReplyParser(bytesMax);
  const bytes = Buffer.from(text, 'latin1');
  const replies: (Reply | Push)[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    parser.push(bytes.subarray(at, at + chunkBytes));
    for (let reply = parser.next(); reply !== NOT_YET; reply = parser.next()) replies.push(reply);
  }
  return replies;
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

const STREAM: readonly (readonly [string, Reply | Push])[] = [
  ['+OK\r\n', 'OK'],
  ['-ERR no\r\n', new ReplyError('ERR', 'no')],
  [':42\r\n', 42],
  [':-9007199254740993\r\n', -9007199254740993n],
  ['$5\r\na\r\n\0b\r\n', bytes('a\r\n\0b')],
  ['$0\r\n\r\n', bytes('')],
  ['$-1\r\n', null],
  ['*-1\r\n', null],
  ['_\r\n', null],
  ['#t\r\n', true],
  [',1.5\r\n', 1.5],
  [',-inf\r\n', -Infinity],
  ['(3492890328409238509324850943850943825024385\r\n', 3492890328409238509324850943850943825024385n],
  ['=8\r\ntxt:text\r\n', 'text'],
  ['!6\r\nERR no\r\n', new ReplyError('ERR', 'no')],
  ['*3\r\n:1\r\n*0\r\n*2\r\n+a\r\n_\r\n', [1, [], ['a', null]]],
  ['%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n:2\r\n', new ReplyMap(['a', 1, 'b', [2]])],
  ['|1\r\n+ttl\r\n:9\r\n*1\r\n|1\r\n+x\r\n+y\r\n:7\r\n', [7]],
  ['>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n', new Push(['invalidate', [bytes('k')]])],
];

describe('replies', () => {
  const text = STREAM.map(([sent]) => sent).join('');
  const expected = STREAM.map(([, reply]) => reply);

  test.each([1, 2, 3, 7, 64, text.length])('are the same in chunks of %i bytes', (chunkBytes) => {
    expect(parseAll(text, chunkBytes)).toEqual(expected);
  });

  test('a long bulk string is put together once, and does not hold the chunks that it came in', () => {
    const body = 'x'.repeat(300_000);
    const [reply] = parseAll(`$${body.length}\r\n${body}\r\n`, 1000);
    expect(reply).toEqual(bytes(body));
    expect((reply as Uint8Array).buffer.byteLength).toBe(body.length);
  });
});

describe('what is no reply', () => {
  const HOSTILE: readonly (readonly [string, string, RegExp])[] = [
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n', /PROTOCOL.*not a reply/],
    ['an empty line', '\r\n', /PROTOCOL/],
    ['a bare line feed', '\n', /PROTOCOL.*empty/],
    ['a line without CR', '+OK\n', /PROTOCOL.*CR LF/],
    ['a line that does not end', `+${'x'.repeat(70_000)}`, /PROTOCOL.*longer than 65536/],
    ['a length of letters', '$abc\r\n', /PROTOCOL.*"abc"/],
    ['an empty length', '$\r\n', /PROTOCOL/],
    ['a negative length', '$-2\r\n', /PROTOCOL/],
    ['a length past all numbers', '$99999999999999999999\r\n', /PROTOCOL/],
    ['a length over the limit', `$${BYTES_MAX + 1}\r\n`, /LIMIT.*replyBytesMax/],
    ['a bulk string that is longer than it says', '$1\r\nabc\r\n', /PROTOCOL.*not as long/],
    ['an array of more than anybody has', '*4194305\r\n', /LIMIT.*elements/],
    ['arrays of many each', '*4000000\r\n*4000000\r\n', /LIMIT.*elements/],
    ['a map of more', '%3000000\r\n', /LIMIT.*elements/],
    ['depth', '*1\r\n'.repeat(40), /PROTOCOL.*deeply/],
    ['depth by attributes', '|1\r\n'.repeat(40), /PROTOCOL.*deeply/],
    ['a push within a reply', '*1\r\n>1\r\n+a\r\n', /PROTOCOL.*push/],
    ['a push of nothing', '>0\r\n', /PROTOCOL.*push/],
    ['an integer that is none', ':1.5\r\n', /PROTOCOL/],
    ['a boolean that is none', '#x\r\n', /PROTOCOL/],
    ['a double that is none', ',1,5\r\n', /PROTOCOL/],
    ['a streamed string, which nobody sends', '$?\r\n', /PROTOCOL/],
    ['many short replies in one', `*100000\r\n${'+xxxxxxxxxxxxxxxx\r\n'.repeat(100_000)}`, /LIMIT.*replyBytesMax/],
  ];

  test.each(HOSTILE)('%s', (_name, sent, error) => {
    for (const chunkBytes of [1024, sent.length]) {
      expect(() => parseAll(sent, chunkBytes)).toThrow(
        expect.toSatisfy((thrown: { code: string; message: string }) => error.test(`${thrown.code} ${thrown.message}`)),
      );
    }
  });
});
