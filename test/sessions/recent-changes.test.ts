import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { NO_SLOT, type Slot } from '../../src/keyspace/keyspace.ts';
import { RecentChanges } from '../../src/keyspace/recent-changes.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const A = originOf(nodeNumber(64), 1);
const B = originOf(nodeNumber(128), 1);
const ORIGINS = [A, B, originOf(nodeNumber(192), 1)] as const;

/** The dots that a read of a key shows, or of all of them. */
function readOf(recent: RecentChanges, key: string | null, slot: Slot = NO_SLOT): Map<Origin, number> {
  const dots = new Map<Origin, number>();
  recent.readFor({ raise: (origin, seq) => void dots.set(origin, Math.max(seq, dots.get(origin) ?? 0)) });
  if (key === null) recent.readAll();
  else recent.read(latin1Range(key), slot);
  recent.readFor(null);
  return dots;
}

const stableAt = (...dots: [Origin, number][]): VersionVector => new VersionVector(dots);

const KEYS = ['x', 'y', 'z'] as const;
const STEPS = ['note', 'note', 'note', 'every', 'forget', 'slot', 'leave'] as const;

describe('S1: the last change of a key by each origin', () => {
  test('is not kept where nobody reads for a session', () => {
    const recent = new RecentChanges();
    recent.noteNothing();
    recent.note('x', A, 1);
    recent.noteSlot(3, A, 2);
    recent.noteWrite(B, 1);
    recent.noteEvery(B, 2);
    expect([...readOf(recent, 'x'), ...readOf(recent, 'y', 3 as Slot), ...readOf(recent, null)]).toEqual([]);
    expect(recent.count).toBe(0);
    expect(recent.isRecent(B, 1)).toBe(false);
  });

  test('is what a read shows, until it is stable', () => {
    const recent = new RecentChanges();
    recent.note('x', A, 1);
    recent.note('x', B, 1);
    recent.note('y', A, 2);
    recent.note('x', A, 3);
    expect([...readOf(recent, 'x')]).toEqual(
      expect.arrayContaining([
        [A, 3],
        [B, 1],
      ]),
    );
    expect([...readOf(recent, 'y')]).toEqual([[A, 2]]);
    expect([...readOf(recent, 'z')]).toEqual([]);
    expect([...readOf(recent, null)]).toEqual([
      [A, 3],
      [B, 1],
    ]);
    expect(recent.count).toBe(3);
    recent.forget(stableAt([A, 2], [B, 1]), 100);
    expect([...readOf(recent, 'x')]).toEqual([[A, 3]]);
    expect([...readOf(recent, 'y')]).toEqual([]);
    expect([...readOf(recent, null)]).toEqual([[A, 3]]);
    recent.forget(stableAt([A, 3], [B, 1]), 100);
    expect([recent.count, recent.bytes]).toEqual([0, 0]);
    expect([...readOf(recent, null)]).toEqual([]);
  });

  test('of all keys at once is shown by each', () => {
    const recent = new RecentChanges();
    recent.noteEvery(A, 5);
    recent.noteEvery(A, 4);
    expect([...readOf(recent, 'any')]).toEqual([[A, 5]]);
    recent.forget(stableAt([A, 4]), 100);
    expect([...readOf(recent, null)]).toEqual([[A, 5]]);
    recent.forget(stableAt([A, 5]), 100);
    expect([...readOf(recent, 'any')]).toEqual([]);
  });

  test('costs nothing where there is none, and goes nowhere where nobody reads', () => {
    const recent = new RecentChanges();
    recent.readFor({ raise: () => expect.unreachable('there is nothing to show') });
    expect(recent.reader).toBeNull();
    recent.note('x', A, 1);
    recent.read(latin1Range('x'));
  });

  test('goes with its key from the slot that it loses to its name', () => {
    const recent = new RecentChanges();
    recent.note('x', A, 1);
    recent.noteSlot(7, A, 3);
    recent.noteSlot(7, B, 1);
    recent.noteSlot(8, A, 4);
    expect([recent.count, recent.hasNamed, recent.mayBeRecent('x')]).toEqual([4, true, true]);
    recent.leaveSlot(7, 'x');
    // another key has the slot now
    expect([...readOf(recent, 'y', 7)]).toEqual([]);
    expect(readOf(recent, 'x')).toEqual(
      new Map([
        [A, 3],
        [B, 1],
      ]),
    );
    expect([...readOf(recent, 'z', 8)]).toEqual([[A, 4]]);
    expect(recent.count).toBe(3);
    recent.forget(stableAt([A, 4], [B, 1]), 100);
    expect([recent.count, recent.hasNamed, recent.mayBeRecent('x')]).toEqual([0, false, false]);
  });

  test('is forgotten though others are renewed all the time', () => {
    const recent = new RecentChanges();
    recent.noteSlot(1, A, 1);
    for (let seq = 2; seq <= 100; seq++) {
      recent.noteSlot(seq, A, seq);
      recent.noteSlot(1, A, seq);
      recent.forget(stableAt([A, seq - 1]), 100);
      expect(recent.count).toBeLessThanOrEqual(3);
    }
    expect([...readOf(recent, 'x', 1)]).toEqual([[A, 100]]);
  });

  test('past its bytes is kept for all keys together: more is asked for, never less', () => {
    const recent = new RecentChanges(10_000);
    for (let seq = 1; seq <= 200; seq++) recent.note(`key:${seq}`, seq % 2 === 0 ? A : B, seq);
    expect(recent.bytes).toBeLessThanOrEqual(10_000);
    expect(recent.count).toBeLessThan(100);
    expect(readOf(recent, 'key:2').get(A)).toBeGreaterThanOrEqual(2);
    expect(readOf(recent, 'key:200').get(A)).toBe(200);
    recent.forget(stableAt([A, 200], [B, 199]), 1_000);
    expect([...readOf(recent, 'key:2')]).toEqual([]);
    expect([recent.count, recent.bytes]).toEqual([0, 0]);
  });

  test('is what a plain list of changes says, whatever is forgotten when', () => {
    const step = fc.record({
      what: fc.constantFrom(...STEPS),
      key: fc.constantFrom(...KEYS),
      origin: fc.nat(2),
      back: fc.nat(4),
      budget: fc.constantFrom(1, 100),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const recent = new RecentChanges();
        const plain: { key: string | null; origin: Origin; seq: number }[] = [];
        const made = new Map<Origin, number>(ORIGINS.map((origin) => [origin, 0]));
        const stable = new VersionVector();
        const slots = new Map<string, Slot>();
        for (const { what, key, origin: index, back, budget } of steps) {
          const origin = ORIGINS[index] as Origin;
          const slot = slots.get(key);
          if (what === 'slot') {
            const isFree = (free: Slot): boolean => ![...slots.values()].includes(free);
            if (slot === undefined) slots.set(key, [back, 5, 6, 7].find(isFree) ?? NO_SLOT);
          } else if (what === 'leave') {
            if (slot !== undefined) recent.leaveSlot(slot, key);
            slots.delete(key);
          } else if (what === 'forget') {
            stable.raise(origin, Math.max(0, (made.get(origin) ?? 0) - back));
            recent.forget(stable, budget);
          } else {
            const seq = (made.get(origin) ?? 0) + 1;
            made.set(origin, seq);
            plain.push({ key: what === 'note' ? key : null, origin, seq });
            if (what === 'note' && slot !== undefined) recent.noteSlot(slot, origin, seq);
            else if (what === 'note') recent.note(key, origin, seq);
            else recent.noteEvery(origin, seq);
          }
          for (const read of [...KEYS, null]) {
            const shown = readOf(recent, read, read === null ? NO_SLOT : slots.get(read));
            for (const each of ORIGINS) {
              const last = plain.findLast(
                (change) => change.origin === each && (read === null || change.key === null || change.key === read),
              );
              // what is stable may be shown a little longer, but nothing else
              const needed = last === undefined || stable.contains(each, last.seq) ? 0 : last.seq;
              const got = shown.get(each) ?? 0;
              expect(got === needed || (got > needed && stable.contains(each, got))).toBe(true);
            }
          }
        }
        for (const [origin, seq] of made) stable.raise(origin, seq);
        recent.forget(stable, 1_000);
        expect([recent.count, recent.bytes, readOf(recent, null).size]).toEqual([0, 0, 0]);
      }),
      runOptions(300, 20_000),
    );
  });
});
