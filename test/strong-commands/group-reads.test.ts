import { expect, test } from 'vitest';
import { GroupReads, type ReadJob } from '../../src/groups/group-reads.ts';
import type { StrongRequestFrame } from '../../src/groups/strong-frames.ts';

const [NEAR, FAR] = [64, 128];

/** Reads with such serials have small answers, for which there is always room. */
const SMALL = 1_000_000;

/** Reads of a leader, and for how many answers each node has room. */
class Rig {
  readonly rooms: Map<number, number> = new Map();
  readonly ran: number[] = [];
  readonly refused: number[] = [];
  tried = 0;
  /** What large answers have. */
  bytes = 100_000;
  readonly reads: GroupReads = new GroupReads({
    hasRoom: (node, bytes) => bytes < 100 || (this.rooms.get(node) ?? Infinity) > 0,
    run: ({ ticket: { serial } }) => {
      this.tried++;
      return { kind: 'done', reply: new Uint8Array(serial >= SMALL ? 1 : this.bytes), versions: [], index: 1 };
    },
    answer: ({ ticket: { node, serial } }, { kind }) => {
      if (kind !== 'done') return void this.refused.push(serial);
      if (serial < SMALL) this.rooms.set(node, (this.rooms.get(node) ?? Infinity) - 1);
      this.ran.push(serial);
    },
  });

  ask(serial: number, node: number, untilMs = 1_000): void {
    const job: ReadJob = { ticket: { node, serial }, frame: {} as StrongRequestFrame, untilMs };
    this.reads.ask(serial, job);
  }
}

test('a read is run once its index is applied, in order', () => {
  const rig = new Rig();
  for (const serial of [1, 2, 3, 4]) rig.ask(serial, NEAR);
  rig.reads.confirmed(1, 5);
  rig.reads.confirmed(2, 5);
  rig.reads.confirmed(3, 6);
  rig.reads.confirmed(4, null);
  rig.reads.confirmed(9, 1);
  rig.reads.run(4, 0);
  expect([rig.ran, rig.refused]).toEqual([[], [4]]);
  rig.reads.run(5, 0);
  expect(rig.ran).toEqual([1, 2]);
  rig.reads.run(6, 0);
  rig.reads.run(7, 0);
  expect(rig.ran).toEqual([1, 2, 3]);
});

test('without room for its answer it is not run: others are, and it is when there is room, unless nobody waits for it by then', () => {
  const rig = new Rig();
  rig.rooms.set(FAR, 1);
  for (const serial of [1, 2, 3, 4, 5]) rig.ask(serial, FAR, serial === 3 ? 50 : 1_000);
  rig.ask(6, NEAR);
  for (const serial of [1, 2, 3, 4, 5, 6]) rig.reads.confirmed(serial, 1);
  rig.reads.run(1, 0);
  expect(rig.ran).toEqual([1, 6]);
  rig.rooms.set(FAR, 1);
  rig.reads.run(1, 10);
  expect(rig.ran).toEqual([1, 6, 2]);
  // without room nothing is tried again, and what is small does not wait
  const { tried } = rig;
  rig.ask(SMALL, FAR);
  rig.reads.confirmed(SMALL, 1);
  rig.reads.run(1, 20);
  expect(rig.ran.splice(-1)).toEqual([SMALL]);
  expect(rig.tried).toBe(tried + 1);
  rig.rooms.set(FAR, 2);
  rig.reads.run(1, 60);
  expect(rig.ran).toEqual([1, 6, 2, 4, 5]);
  expect(rig.refused).toEqual([]);
});

test('who leads no more refuses them all, whatever they wait for', () => {
  const rig = new Rig();
  rig.rooms.set(FAR, 0);
  for (const serial of [1, 2, 3]) rig.ask(serial, FAR);
  rig.reads.confirmed(1, 1);
  rig.reads.run(1, 0);
  rig.reads.confirmed(2, 9);
  rig.reads.refuseAll();
  expect(rig.refused.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  rig.rooms.set(FAR, 9);
  rig.reads.confirmed(3, 1);
  rig.reads.run(9, 0);
  expect(rig.ran).toEqual([]);
});

test('a turn reads so much at most: the rest is left for the next, and those that wait for room come first', () => {
  const rig = new Rig();
  rig.bytes = 5_000_000;
  for (const serial of [1, 2, 3, 4, 5]) rig.ask(serial, serial === 1 ? FAR : NEAR);
  rig.rooms.set(FAR, 0);
  for (const serial of [1, 2, 3, 4, 5]) rig.reads.confirmed(serial, 1);
  expect(rig.reads.run(1, 0)).toBe(false);
  expect(rig.ran).toEqual([2]);
  expect(rig.reads.run(1, 0)).toBe(false);
  rig.rooms.set(FAR, 1);
  expect(rig.reads.run(1, 0)).toBe(true);
  expect(rig.ran).toEqual([2, 3, 4, 1, 5]);
  expect(rig.reads.run(1, 0)).toBe(true);
});

test('those that wait for room are bounded by number', () => {
  const rig = new Rig();
  rig.rooms.set(FAR, 0);
  rig.bytes = 100;
  for (let serial = 1; serial <= 100_010; serial++) {
    rig.ask(serial, FAR);
    rig.reads.confirmed(serial, 1);
  }
  while (!rig.reads.run(1, 0));
  expect([rig.ran.length, rig.refused.length]).toEqual([0, 10]);
});
