import { expect, test } from 'vitest';
import { accepted, append, entriesOf, Lone } from './lone.ts';

test('a leader whose disk is first has nothing to do, and commits where another was', () => {
  const lone = new Lone().lead();
  for (const from of [2, 3]) lone.accepts(from, 1);
  lone.wasBusy.length = 0;
  lone.isDiskHeld = true;
  lone.raft.propose(new Uint8Array([1]), lone.nowMs);
  lone.settle().save();
  expect(lone.wasBusy).toEqual([false]);
  lone.raft.propose(new Uint8Array([2]), lone.nowMs);
  lone.settle().step(accepted(lone.raft.term, 3, { from: 2 }));
  expect(lone.raft.commit).toBe(2);
  lone.save();
  expect([lone.wasBusy, lone.raft.commit]).toEqual([[false, true], 3]);
});

test('a follower has its answer to send, and a batch of what came meanwhile', () => {
  const lone = new Lone();
  lone.isDiskHeld = true;
  lone.step(append(1, [0, 0], entriesOf([1, 1])));
  lone.save();
  expect(lone.take('append-response')).toMatchObject([{ index: 1 }]);
  lone.step(append(1, [1, 1], entriesOf([2, 1])));
  lone.step(append(1, [2, 1], entriesOf([3, 1])));
  lone.save();
  expect(lone.batches.at(-1)?.entries.map(({ index }) => index)).toEqual([3]);
  expect(lone.wasBusy.every(Boolean)).toBe(true);
});
