import { expect, test } from 'vitest';
import { CommitPace } from '../../src/adapters/commit-pace.ts';

test('small commits stay on the loop, big ones never do', () => {
  const pace = new CommitPace(1000);
  expect([0, 1000, 1001].map((bytes) => pace.staysOnLoop(bytes))).toEqual([true, true, false]);
  expect(new CommitPace(0).staysOnLoop(1)).toBe(false);
});

test('after a slow one the loop is spared for a while, then tried again', () => {
  const pace = new CommitPace(1000);
  pace.tookOnLoop(1.9);
  expect(pace.staysOnLoop(1)).toBe(true);
  pace.tookOnLoop(2.1);
  let off = 0;
  while (!pace.staysOnLoop(1)) off += 1;
  expect(off).toBe(256);
  expect(pace.staysOnLoop(1)).toBe(true);
});
