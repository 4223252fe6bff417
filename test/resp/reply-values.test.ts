import { describe, expect, test } from 'vitest';
import { latin1Bytes, latin1Range } from '../../src/base/bytes.ts';
import { OutputChunks } from '../../src/wire/resp/output-chunks.ts';
import { ReplyError, readReplies } from '../../src/wire/resp/reply-values.ts';
import { ReplyWriter } from '../../src/wire/resp/reply-writer.ts';

/** What is read of what a writer wrote. */
function readBack(respVersion: 2 | 3, write: (reply: ReplyWriter) => void): unknown[] {
  const reply = new ReplyWriter(new OutputChunks());
  reply.respVersion = respVersion;
  write(reply);
  const { length } = reply;
  return readReplies(reply.detach().bytes, length);
}

describe('replies as values', () => {
  test('every kind of reply, in both protocols', () => {
    const writeAll = (reply: ReplyWriter): void => {
      reply.ok();
      reply.error('WRONGTYPE', 'of another type');
      reply.integer(-7);
      reply.integer(2n ** 60n);
      reply.bulk(latin1Range('a\r\nb'));
      reply.bulkText('');
      reply.null();
      reply.nullArray();
      reply.array(2);
      reply.integer(1);
      reply.array(0);
      reply.map(1);
      reply.bulkText('k');
      reply.integer(2);
      reply.set(1);
      reply.integer(3);
      reply.push(1);
      reply.integer(4);
      reply.verbatim('text');
    };
    const both = [
      'OK',
      new ReplyError('WRONGTYPE', 'of another type'),
      -7,
      2n ** 60n,
      latin1Bytes('a\r\nb'),
      new Uint8Array(0),
      null,
      null,
      [1, []],
      [latin1Bytes('k'), 2],
      [3],
      [4],
      latin1Bytes('text'),
    ];
    expect(readBack(2, writeAll)).toEqual(both);
    expect(readBack(3, writeAll)).toEqual(both);
  });

  test('numbers and booleans of RESP3', () => {
    const values = readBack(3, (reply) => {
      for (const value of [1.5, Infinity, -Infinity, Number.NaN]) reply.double(value);
      reply.boolean(true);
      reply.boolean(false);
    });
    expect(values).toEqual([1.5, Infinity, -Infinity, Number.NaN, true, false]);
  });

  test('what is read stays when the buffer is used again', () => {
    const bytes = latin1Bytes('$3\r\nabc\r\n');
    const values = readReplies(bytes, bytes.length);
    bytes.fill(0);
    expect(values).toEqual([latin1Bytes('abc')]);
  });

  test('what is no reply is refused', () => {
    for (const text of ['abc\r\n', '+OK'])
      expect(() => readReplies(latin1Bytes(text), text.length), text).toThrow(
        expect.objectContaining({ code: 'PROTOCOL' }),
      );
  });
});
