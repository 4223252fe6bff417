import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { useNodeLatin1 } from '../../src/adapters/node-latin1.ts';
import {
  ByteWriter,
  latin1Bytes,
  latin1Of,
  useLatin1Means,
  writeLatin1,
  type Latin1Means,
} from '../../src/base/bytes.ts';

/** One char after the other: what every means must do. */
const plain: Latin1Means = {
  decode: (buf, start, end) => Array.from(buf.subarray(start, end), (byte) => String.fromCharCode(byte)).join(''),
  write: (text, buf, at) => {
    for (let position = 0; position < text.length; position++) buf[at + position] = text.charCodeAt(position);
  },
};

afterEach(() => useLatin1Means(plain));

const ways = [
  { way: "by Node's functions", use: (): unknown => expect(useNodeLatin1()).toBe(true) },
  { way: 'char by char', use: (): void => useLatin1Means(plain) },
];

for (const { way, use } of ways) {
  describe(`bytes as latin1 strings, ${way}`, () => {
    test('there and back they are the same, wherever they lie', () => {
      use();
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 9_000 }), fc.nat(40), fc.nat(40), (bytes, before, after) => {
          const buf = new Uint8Array(before + bytes.length + after).fill(7);
          buf.set(bytes, before);
          const text = latin1Of(buf, before, before + bytes.length);
          expect(text).toHaveLength(bytes.length);
          expect(text).toBe(plain.decode(bytes, 0, bytes.length));
          const written = new Uint8Array(buf.length).fill(7);
          expect(writeLatin1(text, written, before)).toBe(before + bytes.length);
          expect(Buffer.compare(written, buf)).toBe(0);
        }),
      );
    });

    test('a writer that grows keeps them', () => {
      use();
      const writer = new ByteWriter(4);
      const text = plain.decode(
        Uint8Array.from({ length: 256 }, (_, at) => at),
        0,
        256,
      );
      for (let times = 0; times < 5; times++) writer.latin1(text);
      expect(latin1Of(writer.toBytes(), 0, writer.length)).toBe(text.repeat(5));
      expect(latin1Bytes(text)).toEqual(Uint8Array.from({ length: 256 }, (_, at) => at));
    });
  });
}

test('functions that are not there, or do something else, are not used', () => {
  const { latin1Slice, latin1Write } = Buffer.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const methods of [
    {},
    { latin1Slice },
    { latin1Write },
    { latin1Slice: () => 'something', latin1Write },
    { latin1Slice, latin1Write: () => 0 },
    {
      latin1Slice() {
        throw new TypeError('not a Buffer');
      },
      latin1Write,
    },
  ])
    expect(useNodeLatin1(methods)).toBe(false);
  expect(useNodeLatin1({ latin1Slice, latin1Write })).toBe(true);
});
