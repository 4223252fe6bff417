import { expect, test } from 'vitest';
import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import { ArgumentCopies, HeldArgs } from '../../src/commands/copied-args.ts';

/** Arguments that lie one after the other in a buffer, as a request's do. */
function argsIn(buf: Uint8Array, words: readonly string[]): HeldArgs {
  let at = 1;
  const ranges = words.map((word) => {
    buf.set(latin1Bytes(word), at);
    at += word.length;
    return new ByteRange(buf, at - word.length, at);
  });
  return new HeldArgs(ranges);
}

test('copies of arguments stay as they were when the requests that they are of are written over', () => {
  const copies = new ArgumentCopies();
  const buf = new Uint8Array(20_000);
  const kept = Array.from({ length: 300 }, (_, serial) => {
    const words = ['SET', `key:${serial}`, 'v'.repeat((serial * 37) % 700), '', String(serial)];
    return { words, ranges: copies.of(argsIn(buf, words)) };
  });
  buf.fill(0);
  for (const { words, ranges } of kept) expect(ranges.map((range) => range.toLatin1())).toEqual(words);
});

test('what is kept of a small request keeps no more than 4 KiB, and of a large one what it has', () => {
  const copies = new ArgumentCopies();
  const buf = new Uint8Array(20_000);
  const small = Array.from({ length: 100 }, () => copies.of(argsIn(buf, ['SET', 'key', 'v'.repeat(256)])));
  const pieces = new Set(small.flat().map((range) => range.buf.buffer));
  for (const { byteLength } of pieces) expect(byteLength).toBeLessThanOrEqual(4 * 1024);
  // many share one
  expect(pieces.size).toBeLessThan(10);
  const [range] = copies.of(argsIn(buf, ['v'.repeat(9_000)]));
  expect(range?.buf.buffer.byteLength).toBe(9_000);
});
