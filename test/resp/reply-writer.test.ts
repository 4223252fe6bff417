import { describe, expect, test } from 'vitest';
import { ByteRange, latin1Of, latin1Range } from '../../src/base/bytes.ts';
import { CopyTarget } from '../../src/base/copied-bytes.ts';
import { OutputChunks } from '../../src/wire/resp/output-chunks.ts';
import { ReplyWriter } from '../../src/wire/resp/reply-writer.ts';

function written(respVersion: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter(new OutputChunks());
  reply.respVersion = respVersion;
  write(reply);
  const { length } = reply;
  return latin1Of(reply.detach().bytes, 0, length);
}

const shapes: [string, (reply: ReplyWriter) => void, resp2: string, resp3: string][] = [
  ['ok', (reply) => reply.ok(), '+OK\r\n', '+OK\r\n'],
  ['simple', (reply) => reply.simple('a\r\nb'), '+a  b\r\n', '+a  b\r\n'],
  ['error', (reply) => reply.error('ERR', 'x\ny'), '-ERR x y\r\n', '-ERR x y\r\n'],
  ['integer', (reply) => reply.integer(-7), ':-7\r\n', ':-7\r\n'],
  ['zero', (reply) => reply.integer(0), ':0\r\n', ':0\r\n'],
  ['large integer', (reply) => reply.integer(2 ** 53 - 1), ':9007199254740991\r\n', ':9007199254740991\r\n'],
  ['bigint', (reply) => reply.integer(-(2n ** 63n)), ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
  ['bulk', (reply) => reply.bulk(latin1Range('a\0\xff')), '$3\r\na\0\xff\r\n', '$3\r\na\0\xff\r\n'],
  ['empty bulk', (reply) => reply.bulkText(''), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['null', (reply) => reply.null(), '$-1\r\n', '_\r\n'],
  ['null array', (reply) => reply.nullArray(), '*-1\r\n', '_\r\n'],
  ['array', (reply) => reply.array(12), '*12\r\n', '*12\r\n'],
  ['map', (reply) => reply.map(3), '*6\r\n', '%3\r\n'],
  ['set', (reply) => reply.set(3), '*3\r\n', '~3\r\n'],
  ['push', (reply) => reply.push(3), '*3\r\n', '>3\r\n'],
  ['double', (reply) => reply.double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['infinity', (reply) => reply.double(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['true', (reply) => reply.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (reply) => reply.boolean(false), ':0\r\n', '#f\r\n'],
  ['verbatim', (reply) => reply.verbatim('a=1'), '$3\r\na=1\r\n', '=7\r\ntxt:a=1\r\n'],
];

describe('reply writer', () => {
  test.each(shapes)('%s', (_name, write, resp2, resp3) => {
    expect(written(2, write)).toBe(resp2);
    expect(written(3, write)).toBe(resp3);
  });

  test('digits of whole numbers', () => {
    for (const value of [1, 9, 10, 99, 100, 12345, 999_999_999, 2 ** 31 - 1, 2 ** 31, 2 ** 40]) {
      expect(written(2, (reply) => reply.integer(value))).toBe(`:${value}\r\n`);
    }
  });

  test('truncate takes back what was written after a mark', () => {
    const text = written(2, (reply) => {
      reply.integer(1);
      const mark = reply.mark();
      reply.array(100);
      reply.bulkText('x'.repeat(200_000));
      reply.truncate(mark);
      reply.error('WRONGTYPE', 'no');
    });
    expect(text).toBe(':1\r\n-WRONGTYPE no\r\n');
  });

  test('grows over any size and starts anew after detach', () => {
    const value = 'y'.repeat(300_001);
    const text = written(2, (reply) => {
      for (let i = 0; i < 3; i++) reply.bulkText(value);
    });
    expect(text).toBe(`$300001\r\n${value}\r\n`.repeat(3));
  });

  test('chunks are used again', () => {
    const chunks = new OutputChunks();
    const reply = new ReplyWriter(chunks);
    reply.ok();
    const first = reply.detach();
    chunks.give(first);
    reply.ok();
    expect(reply.detach()).toBe(first);
  });

  test('a value is copied out of memory that has words, wherever in it the value lies and the reply goes on', () => {
    const memory = new CopyTarget(Uint8Array.from({ length: 1_000 }, (_unused, at) => (at * 31) % 251));
    const value = new ByteRange();
    for (let start = 0; start < 9; start++) {
      for (const length of [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 700]) {
        const reply = new ReplyWriter(new OutputChunks());
        reply.simple('+'.repeat(start % 5));
        const mark = reply.length;
        reply.bulk(value.setTo(memory, start, start + length));
        // the same range of other bytes: what the memory was is no matter
        reply.bulk(
          value.set(
            Uint8Array.from({ length: 1_000 }, () => 120),
            start,
            start + length,
          ),
        );
        const bytes = reply.detach().bytes.slice(mark);
        const head = `$${length}\r\n`.length;
        expect(bytes.slice(head, head + length)).toEqual(memory.bytes.slice(start, start + length));
        const second = head + length + 2 + head;
        expect(latin1Of(bytes, second - head - 2, second + length + 2)).toBe(
          `\r\n$${length}\r\n${'x'.repeat(length)}\r\n`,
        );
      }
    }
  });

  test('a small reply takes a small chunk, and one that outgrows it gives it back', () => {
    const chunks = new OutputChunks();
    const reply = new ReplyWriter(chunks);
    reply.ok();
    const small = reply.detach();
    const { length: smallBytes } = small.bytes;
    expect(smallBytes).toBeLessThan(4_096);
    chunks.give(small);
    reply.ok();
    reply.bulkText('y'.repeat(smallBytes));
    const { length } = reply;
    const large = reply.detach();
    expect(Buffer.from(large.bytes.subarray(0, length)).toString()).toBe(
      `+OK\r\n$${smallBytes}\r\n${'y'.repeat(smallBytes)}\r\n`,
    );
    expect(chunks.take(1)).toBe(small);
    expect(chunks.take(smallBytes + 1)).not.toBe(large);
    chunks.give(large);
    expect(chunks.take(smallBytes + 1)).toBe(large);
    expect(chunks.take(2 ** 20)).toBeNull();
  });

  test('as many clients as are answered in a turn have a chunk each, again and again', () => {
    const chunks = new OutputChunks();
    const taken = (): (CopyTarget | null)[] => Array.from({ length: 500 }, () => chunks.take(5));
    const first = taken();
    for (const chunk of first) if (chunk !== null) chunks.give(chunk);
    expect(new Set(taken())).toEqual(new Set(first));
  });
});
