import { describe, expect, it } from 'vitest';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

describe('V6: a key holds content per type and shows that of the latest surviving write', () => {
  it('gives the whole set back when an unseen add outdoes the hash', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x'))
      .write('B', 12, (tx) => tx.hset('k', 'f', 'v'))
      .receive('C', 'A')
      .write('C', 14, (tx) => tx.sadd('k', 'y'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set x y' } });
  });

  it('shows the loser again when the winner is removed by somebody who had not seen the loser', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'))
      .receive('C', 'B')
      .write('C', 30, (tx) => tx.del('k'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set x' } });
  });

  it('a string that loses can come back, and a set that outdoes a string', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 's'))
      .write('B', 20, (tx) => tx.sadd('k', 'x'))
      .receive('C', 'B')
      .write('C', 30, (tx) => tx.srem('k', 'x'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "s"' } });
    schedule.write('B', 40, (tx) => tx.sadd('k', 'y'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set y' } });
  });

  it('an operation removes what it saw of the other types: a losing register becomes a tombstone at its own place', () => {
    const schedule = new Schedule('ABCD')
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .write('B', 20, (tx) => tx.sadd('k', 'x'))
      .receive('C', 'AB')
      .write('C', 40, (tx) => tx.sadd('k', 'y'))
      // above the register's place and below the operation's: it must not be touched
      .write('D', 30, (tx) => tx.set('k', 'd'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set x y' } });
    schedule.receive('A', 'C').write('A', 50, (tx) => tx.del('k'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "d"' } });
  });

  it('a counter without a register is a type like the others', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('k', 5))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'))
      .write('C', 30, (tx) => tx.incr('k', 7));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "12"' } });
    schedule.receive('B', 'AC').write('B', 40, (tx) => tx.del('k'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: {} });
  });

  it('DEL removes the loser everywhere, also where it was made when the loser was forgotten already', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 's'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'))
      .sync()
      .forget('C')
      .write('C', 30, (tx) => tx.del('k'))
      .sync();
    for (const letter of 'ABC') expect(shownKeys(schedule.node(letter).keyspace, ['k'], 0)).toEqual({});
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: {} });
  });

  it('keeps a stable loser while there may be a write to it that had not seen the winner', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('k', 'f', '1'))
      .sync()
      .write('B', 20, (tx) => tx.del('k').set('k', 's'));
    // C has the hash only, A the string in its place; C's write makes what is left of the hash win
    const losing = new Schedule('ABC')
      .write('A', 10, (tx) => tx.hset('k', 'f', '1'))
      .write('B', 30, (tx) => tx.set('k', 's'))
      .receive('B', 'A')
      .receive('C', 'A')
      .forget('B')
      .write('C', 40, (tx) => tx.hset('k', 'g', '2'))
      .sync();
    for (const letter of 'ABC') {
      expect(shownKeys(losing.node(letter).keyspace, ['k'], 0)).toEqual({ k: 'hash f=1 g=2' });
    }
    expectEveryOrder(losing.transactions, { keys: ['k'], end: { k: 'hash f=1 g=2' } });
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "s"' } });
  });

  it('keeps a stable loser while the removal of what made it win is not stable', () => {
    const schedule = new Schedule()
      .write('A', 20, (tx) => tx.hset('k', 'f', '1'))
      .write('B', 30, (tx) => tx.set('k', 's'))
      .write('C', 50, (tx) => tx.hset('k', 'g', '2'))
      .receive('A', 'C')
      .receive('B', 'AC')
      .receive('C', 'AB');
    // A had not seen the string when it removed what outdid it; C has not seen that removal when it writes
    schedule.write('A', 60, (tx) => tx.hdel('k', 'g'));
    schedule.receive('A', 'B').receive('B', 'A').forget('B');
    schedule.write('C', 70, (tx) => tx.hset('k', 'h', '3')).sync();
    for (const letter of 'ABC') {
      expect(shownKeys(schedule.node(letter).keyspace, ['k'], 0)).toEqual({ k: 'hash f=1 h=3' });
    }
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'hash f=1 h=3' } });
  });

  it('forgets the loser once all is stable', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'))
      .sync()
      .forget('ABC');
    const entries = ['A', 'B', 'C'].map((letter) => schedule.node(letter).keyspace.entryAt(0));
    expect(entries.map((entry) => entry.hasSeveralTypes)).toEqual([false, false, false]);
  });
});
