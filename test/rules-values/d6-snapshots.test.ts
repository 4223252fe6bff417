import { describe, expect, it } from 'vitest';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

describe('D6: snapshots merge by dot', () => {
  it('does not raise what one side saw removed and the other still holds', () => {
    const schedule = new Schedule()
      .write('B', 10, (tx) => tx.sadd('s', 'x'))
      .write('B', 11, (tx) => tx.sadd('s', 'y'))
      .sync()
      .write('B', 20, (tx) => tx.srem('s', 'x'))
      .receive('A', 'B');
    const [reader, sender] = [schedule.node('A'), schedule.node('C')];
    reader.merge(sender);
    expect(shownKeys(reader.keyspace, ['s'], 0)).toEqual({ s: 'set y' });
    sender.merge(reader);
    expect(shownKeys(sender.keyspace, ['s'], 0)).toEqual({ s: 'set y' });
    expectEveryOrder(schedule.transactions, { keys: ['s'], end: { s: 'set y' } });
  });

  it('takes what the other never had, of every type, and drops what each saw removed', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('s', '1').hset('h', 'f', '1').hset('h', 'g', '1').sadd('m', 'x').incr('n', 4))
      .sync()
      .write('A', 20, (tx) => tx.hdel('h', 'f').incr('n', 1).expire('h', 500))
      .write('B', 21, (tx) => tx.del('s').hincr('h', 'g', 5).sadd('m', 'y').incr('n', 2))
      .write('C', 22, (tx) => tx.incr('s', 7).srem('m', 'x').hset('h', 'f', '2').del('n'));
    expectEveryOrder(schedule.transactions, {
      keys: ['s', 'h', 'm', 'n'],
      end: { h: 'hash f=2 g=6 until 1800000000500', m: 'set y', n: 'string "3"' },
    });
  });

  it('keeps what was counted after a FLUSHALL that both know', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', 4).set('s', '1'))
      .sync()
      .write('B', 20, (tx) => tx.flushAll())
      .sync()
      .write('A', 30, (tx) => tx.incr('n', 1).incr('n', 2))
      .write('C', 31, (tx) => tx.incr('n', 5).set('s', '2'));
    expectEveryOrder(schedule.transactions, { keys: ['n', 's'], end: { n: 'string "8"', s: 'string "2"' } });
  });

  it('a tombstone that one side has forgotten does not drop what was counted since, whoever merges', () => {
    const made = (): Schedule =>
      new Schedule()
        .write('A', 10, (tx) => tx.set('n', '100'))
        .sync()
        .write('B', 20, (tx) => tx.del('n'))
        .sync()
        .forget('A')
        .write('A', 30, (tx) => tx.incr('n', 5))
        .write('C', 31, (tx) => tx.incr('n', 7));
    for (const [into, from] of [
      ['A', 'C'],
      ['C', 'A'],
    ] as const) {
      const schedule = made();
      schedule.node(into).merge(schedule.node(from));
      expect(shownKeys(schedule.node(into).keyspace, ['n'], 0)).toEqual({ n: 'string "12"' });
    }
  });

  it('is the same whoever merges first: associative and commutative, also after forgetting', () => {
    const orders = ['ABC', 'ACB', 'BAC', 'BCA', 'CAB', 'CBA'];
    const ends = orders.map((order) => {
      const schedule = new Schedule()
        .write('A', 10, (tx) => tx.set('k', '1').hset('h', 'f', '1').sadd('m', 'x'))
        .sync()
        .forget('B')
        .write('A', 20, (tx) => tx.incr('k', 1).hdel('h', 'f'))
        .write('B', 21, (tx) => tx.set('k', '5').hset('h', 'f', '2').del('m'))
        .write('C', 22, (tx) => tx.del('k').incr('k', 9).sadd('m', 'y').flushAll().hset('h', 'g', '3'));
      const [first, second, third] = order.split('').map((letter) => schedule.node(letter));
      if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
      second.merge(third);
      first.merge(second);
      return { shown: shownKeys(first.keyspace, ['k', 'h', 'm'], 0), digest: first.keyspace.digest(0) };
    });
    expect(ends[0]?.shown).toEqual({ h: 'hash f=2 g=3' });
    for (const end of ends) expect(end).toEqual(ends[0]);
  });
});
