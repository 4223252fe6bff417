import { expect, test } from 'vitest';
import { CommitPace } from '../../src/adapters/commit-pace.ts';

test('small commits stay on the loop, big ones never do', () => {
  const pace = new CommitPace(1000);
  expect([0, 1000, 1001].map((bytes) => pace.staysOnLoop(bytes))).toEqual([true, true, false]);
  expect(new CommitPace(0).staysOnLoop(1)).toBe(false);
});

test('a single slow write says nothing, a slow disk spares the loop for a while, then it is tried again', () => {
  const pace = new CommitPace(1000);
  for (let quick = 0; quick < 20; quick++) pace.tookOnLoop(0.1);
  pace.tookOnLoop(6);
  expect(pace.staysOnLoop(1)).toBe(true);
  let slow = 0;
  for (; pace.staysOnLoop(1); slow++) pace.tookOnLoop(3);
  expect(slow).toBeLessThan(10);
  let off = 1;
  while (!pace.staysOnLoop(1)) off += 1;
  expect(off).toBe(256);
  // still slow: known at once
  pace.tookOnLoop(3);
  expect(pace.staysOnLoop(1)).toBe(false);
});

test('some slow writes among quick ones say nothing, unless they stop the loop for long', () => {
  const pace = new CommitPace(1000);
  const rounds = (slowMs: number): number => {
    let onLoop = 0;
    for (let round = 0; round < 20; round++)
      for (const ms of [slowMs, 0.1, 0.1, 0.1])
        if (pace.staysOnLoop(1)) {
          pace.tookOnLoop(ms);
          onLoop++;
        }
    return onLoop;
  };
  expect(rounds(6)).toBe(80);
  expect(rounds(60)).toBeLessThan(10);
});

test('the loop is tried again soon where the thread is quick', () => {
  const pace = new CommitPace(1000);
  pace.tookOnLoop(3_000);
  let off = 0;
  for (; !pace.staysOnLoop(1); off++) pace.tookOnThread(0.2);
  expect(off).toBe(16);
  pace.tookOnLoop(3_000);
  for (off = 0; !pace.staysOnLoop(1); off++) pace.tookOnThread(2);
  expect(off).toBe(256);
});

test('one that takes for ever is enough', () => {
  const pace = new CommitPace(1000);
  pace.tookOnLoop(3_000);
  expect(pace.staysOnLoop(1)).toBe(false);
});
