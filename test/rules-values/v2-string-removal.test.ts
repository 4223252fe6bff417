import { describe, it } from 'vitest';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

describe('V2: a string is one slot by (stamp, origin), and its removal a stamped tombstone', () => {
  it('DEL wins over an earlier write that it had not seen', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .receive('B', 'A')
      .write('C', 15, (tx) => tx.set('k', 'c'))
      .write('B', 20, (tx) => tx.del('k'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: {} });
  });

  it('a later write that had not seen the DEL wins over it', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.del('k'))
      .write('C', 25, (tx) => tx.set('k', 'c'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "c"' } });
  });

  it('of equal stamps the higher origin wins', () => {
    const schedule = new Schedule()
      .write('B', 10, (tx) => tx.set('k', 'b'))
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .write('C', 9, (tx) => tx.set('k', 'c'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "b"' } });
  });

  it('RENAME removes the source as DEL does: an earlier unseen write of it stays away, a later one survives', () => {
    const rename = (concurrentAtMs: number): Schedule =>
      new Schedule()
        .write('A', 10, (tx) => tx.set('from', 'a'))
        .receive('B', 'A')
        .write('C', concurrentAtMs, (tx) => tx.set('from', 'c'))
        .write('B', 20, (tx) => tx.set('to', 'a').del('from'));
    const keys = ['from', 'to'];
    expectEveryOrder(rename(15).transactions, { keys, end: { to: 'string "a"' } });
    expectEveryOrder(rename(25).transactions, { keys, end: { from: 'string "c"', to: 'string "a"' } });
  });

  it('RENAME over another type removes what of it was seen', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('to', 'f', '1'))
      .write('B', 11, (tx) => tx.set('from', 'b'))
      .receive('B', 'A')
      .write('C', 30, (tx) => tx.hset('to', 'g', '2'))
      .write('B', 20, (tx) => tx.del('to').set('to', 'b').del('from'));
    expectEveryOrder(schedule.transactions, { keys: ['from', 'to'], end: { to: 'hash g=2' } });
  });

  it('a change of type removes the string, and a write that had not seen the change is decided by its stamp', () => {
    const change = (concurrentAtMs: number): Schedule =>
      new Schedule()
        .write('A', 10, (tx) => tx.set('k', 'a'))
        .receive('B', 'A')
        .write('C', concurrentAtMs, (tx) => tx.set('k', 'c'))
        .write('B', 20, (tx) => tx.del('k').sadd('k', 'm'));
    expectEveryOrder(change(15).transactions, { keys: ['k'], end: { k: 'set m' } });
    expectEveryOrder(change(25).transactions, { keys: ['k'], end: { k: 'string "c"' } });
  });
});

describe('V2: FLUSHALL is one record for all keys', () => {
  it('kills registers below its stamp, seen or not, and elements of containers that it saw', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('seen', 'a').hset('h', 'f', '1').sadd('s', 'm'))
      .receive('B', 'A')
      .write('C', 15, (tx) => tx.set('below', 'c').hset('h', 'g', '2').sadd('s', 'n'))
      .write('B', 20, (tx) => tx.flushAll())
      .write('A', 25, (tx) => tx.set('above', 'a'));
    expectEveryOrder(schedule.transactions, {
      keys: ['seen', 'below', 'above', 'h', 's'],
      end: { above: 'string "a"', h: 'hash g=2', s: 'set n' },
    });
  });

  it('an INCR without a base that had not seen the flush is flushed with it, one on a later register counts', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', 5))
      .write('C', 30, (tx) => tx.incr('n', 7).set('r', '1').incr('r', 2))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.flushAll());
    expectEveryOrder(schedule.transactions, { keys: ['n', 'r'], end: { r: 'string "3"' } });
  });

  it('counts what was counted after it, also beside an earlier FLUSHALL that comes later', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.flushAll())
      .write('B', 20, (tx) => tx.flushAll())
      .receive('C', 'B')
      .write('C', 30, (tx) => tx.incr('n', 5).set('s', 'c'));
    expectEveryOrder(schedule.transactions, { keys: ['n', 's'], end: { n: 'string "5"', s: 'string "c"' } });
  });

  it('leaves the slot to a later tombstone, so that what was counted after that one stays', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.flushAll())
      .write('B', 20, (tx) => tx.set('n', '1'))
      .write('B', 30, (tx) => tx.del('n'))
      .receive('C', 'B')
      .write('C', 40, (tx) => tx.incr('n', 5));
    expectEveryOrder(schedule.transactions, { keys: ['n'], end: { n: 'string "5"' } });
  });

  it('is within a transaction where it stands in it', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a').hset('h', 'f', '1').flushAll().set('k', 'b').incr('n', 2))
      .write('B', 5, (tx) => tx.set('k', 'c').incr('n', 3));
    expectEveryOrder(schedule.transactions, { keys: ['k', 'h', 'n'], end: { k: 'string "b"', n: 'string "2"' } });
  });
});
