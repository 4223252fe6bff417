import { expect, it } from 'vitest';
import { CopyTarget } from '../../src/base/copied-bytes.ts';

it('runs of every length are copied from every place to every place, and nothing beside them', () => {
  const memory = Uint8Array.from({ length: 500 }, (_unused, at) => (at * 37) % 251);
  for (let length = 0; length <= 200; length++) {
    for (let start = 0; start < 9; start++) {
      // a view of a part, as what a socket read is, and two by turns
      const from = memory.subarray(start % 3);
      const target = new CopyTarget(new Uint8Array(240).fill(0xee).subarray(1));
      const at = (start * 5 + length) % 8;
      target.copy(from, start, start + length, at);
      const expected = new Uint8Array(239).fill(0xee);
      expected.set(from.subarray(start, start + length), at);
      expect([length, start, ...target.bytes]).toEqual([length, start, ...expected]);
    }
  }
});
