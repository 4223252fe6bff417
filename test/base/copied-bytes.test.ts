import { expect, it } from 'vitest';
import { CopyTarget } from '../../src/base/copied-bytes.ts';

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_unused, at) => (at * 37 + 131) % 251);

it('runs of every length are copied from every place to every place, and nothing beside them', () => {
  for (let length = 0; length <= 300; length++) {
    // also up to the end of memory of any length
    const memory = bytes(length + 9);
    for (let start = 0; start < 9; start++) {
      // a view of a part, as what a socket read is, and several by turns
      const from = memory.subarray(start % 4, start + length);
      const first = start - (start % 4);
      const target = new CopyTarget(new Uint8Array(340).fill(0xee).subarray(length % 4, 320 + (length % 3)));
      const at = (start * 5 + length) % 8;
      target.copy(from, first, first + length, at);
      const expected = new Uint8Array(target.bytes.length).fill(0xee);
      expected.set(memory.subarray(start, start + length), at);
      expect([length, start, ...target.bytes]).toEqual([length, start, ...expected]);
    }
  }
});

it('out of what is copied to as well, also within it', () => {
  for (let length = 0; length <= 280; length++) {
    const source = new CopyTarget(bytes(300).subarray(length % 5));
    const target = new CopyTarget(new Uint8Array(301).subarray(length % 3));
    const start = (length * 3) % 11;
    target.copyFrom(source, start, start + length, length % 7);
    const end = start + length;
    expect([...target.bytes.subarray(length % 7, (length % 7) + length)]).toEqual([...source.bytes.slice(start, end)]);
  }
  const whole = new CopyTarget(bytes(64));
  whole.copyFrom(whole, 3, 20, 41);
  expect([...whole.bytes]).toEqual([...bytes(41), ...bytes(64).subarray(3, 20), ...bytes(64).subarray(58)]);
});
