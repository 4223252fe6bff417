import { expect, it } from 'vitest';
import { KeyHash } from '../../src/base/key-hash.ts';

// lib/test_siphash.c of Linux, test_vectors_hsiphash of 32-bit machines: HalfSipHash-1-3 of 0, 1, 2 … under the key 00 01 … 07
const VECTORS = [
  0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6, 0x577999b1,
  0xc839caed, 0xe4fa32cf, 0x959246ee, 0x6b28096c, 0x66dd9cd6, 0x16658a7c, 0xd0257b04,
];

it('the hash of keys is HalfSipHash-1-3', () => {
  const hash = new KeyHash([0x03020100, 0x07060504]);
  const bytes = Uint8Array.from({ length: 40 }, (_unused, index) => index - 20);
  for (const [length, expected] of VECTORS.entries()) expect(hash.of(bytes, 20, 20 + length)).toBe(expected | 0);
});

it('is another one under another key, and never 0', () => {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  const [one, two] = [new KeyHash([1, 2]), new KeyHash([1, 3])];
  let same = 0;
  for (let value = 0; value < 2_000; value++) {
    view.setUint32(0, value);
    if (one.of(bytes, 0, 4) === two.of(bytes, 0, 4)) same++;
    expect(one.of(bytes, 0, 4)).not.toBe(0);
  }
  expect(same).toBeLessThan(3);
});
