import { describe, expect, it } from 'vitest';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const shownAt = (schedule: Schedule, letter: string, atMs: number): object =>
  shownKeys(schedule.node(letter).keyspace, ['k'], START_MS + atMs);

describe('D9: hidden at once, purged only when nobody can still make it live longer', () => {
  for (const kind of ['string', 'hash'] as const) {
    const made = (): Schedule =>
      new Schedule()
        .write('A', 1, (tx) => (kind === 'string' ? tx.set('k', 'v') : tx.hset('k', 'f', 'v')))
        .write('A', 2, (tx) => tx.expire('k', 50))
        .sync();

    it(`a ${kind} is hidden at its time, and gone with its metadata when every clock has passed`, () => {
      const schedule = made();
      expect(shownAt(schedule, 'B', 49)).not.toEqual({});
      expect(shownAt(schedule, 'B', 50)).toEqual({});
      schedule.node('B').passMs(START_MS + 60);
      schedule.forget('B');
      // the others' clocks have not passed
      expect(schedule.node('B').keyspace.entryCount).toBe(1);
      schedule.passTo(60).forget('ABC');
      for (const letter of 'ABC') expect(schedule.node(letter).keyspace.entryCount).toBe(0);
    });

    it(`a PERSIST of a ${kind} that was made in time and is on its way is not too late`, () => {
      const schedule = made()
        .write('C', 49, (tx) => tx.persist('k'))
        .passTo(60)
        .forget('B');
      expect(shownAt(schedule, 'B', 60)).toEqual({});
      schedule.sync();
      for (const letter of 'ABC') expect(shownAt(schedule, letter, 60)).not.toEqual({});
      const end = kind === 'string' ? 'string "v"' : 'hash f=v';
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: end } });
    });
  }

  it('a write by somebody who had not seen the EXPIRE is not orphaned by a purge', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', 'f', '1'))
      .sync()
      .write('A', 2, (tx) => tx.expire('k', 50))
      .receive('B', 'A')
      .passTo(60)
      .forget('B');
    // C's clock has passed, and it has no expiry of the key
    schedule
      .write('C', 70, (tx) => tx.hset('k', 'g', '2'))
      .sync()
      .forget('ABC')
      .forget('ABC');
    for (const letter of 'ABC') {
      expect(shownAt(schedule, letter, 80)).toEqual({});
      expect(schedule.node(letter).keyspace.entryCount).toBe(0);
    }
  });

  it('an expiry whose removal of a longer one is not stable purges nothing', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', 'a', '1'))
      .sync()
      .write('A', 2, (tx) => tx.expire('k', 50))
      .write('B', 3, (tx) => tx.hset('k', 'b', '2').expire('k', 500));
    schedule.receive('C', 'B').receive('A', 'B');
    // C removes what it saw, and the longer expiry with it, before it hears of A's
    schedule
      .write('C', 10, (tx) => tx.del('k'))
      .receive('C', 'A')
      .receive('B', 'A')
      .receive('B', 'C');
    schedule.passTo(60).forget('B');
    expect(shownAt(schedule, 'B', 60)).toEqual({});
    // A has not seen C's removal: for it the key lives until 500
    schedule.write('A', 70, (tx) => tx.hset('k', 'c', '3')).sync();
    const ends = ['A', 'B', 'C'].map((letter) => shownAt(schedule, letter, 45));
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `hash c=3 until ${START_MS + 50}` } });
  });

  it('what is forgotten of a hidden key is forgotten in the store too', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', 'f', '1').expire('k', 50))
      .write('B', 2, (tx) => tx.hset('k', 'f', '2').expire('k', 50))
      .sync();
    const node = schedule.node('C');
    node.persist();
    // only its own clock has passed, so that the key is hidden and kept
    node.passMs(START_MS + 60);
    schedule.forget('C');
    expect(node.keyspace.entryAt(0).isSettled(node.stable)).toBe(true);
    expect(() => node.persist()).not.toThrow();
  });

  it('an expiry that the last field left behind goes at its time', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', 'f', '1').expire('k', 50))
      .write('A', 10, (tx) => tx.hdel('k', 'f'))
      .sync()
      .forget('ABC');
    expect(schedule.node('B').keyspace.entryCount).toBe(1);
    schedule.passTo(60).forget('ABC');
    for (const letter of 'ABC') expect(schedule.node(letter).keyspace.entryCount).toBe(0);
  });
});
