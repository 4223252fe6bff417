import { describe, expect, it } from 'vitest';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { causalCuts, causalOrders, expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

describe('V1: a removal takes all unsuperseded writes that it saw, and the rest come to light', () => {
  it('keeps the earlier write of a field whose later one was removed by somebody who saw only that', () => {
    const schedule = new Schedule()
      .write('A', 20, (tx) => tx.hset('k', 'f', 'y'))
      .write('B', 15, (tx) => tx.hset('k', 'f', 'w'))
      .receive('C', 'A')
      .write('C', 30, (tx) => tx.hdel('k', 'f'));
    expect([...causalOrders(schedule.transactions)]).toHaveLength(3);
    expect(causalCuts(schedule.transactions)).toHaveLength(6);
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'hash f=w' } });
  });

  it('keeps of three concurrent writes the two that a fourth had not seen', () => {
    const schedule = new Schedule('ABCD')
      .write('A', 10, (tx) => tx.hset('k', 'f', 'a'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'b'))
      .write('C', 30, (tx) => tx.hset('k', 'f', 'c'))
      .receive('D', 'C')
      .write('D', 40, (tx) => tx.hset('k', 'f', 'd'))
      .receive('A', 'D')
      .write('A', 50, (tx) => tx.hdel('k', 'f'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'hash f=b' } });
  });

  it('keeps an add that a removal of the member had not seen', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'm'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.srem('k', 'm'))
      .write('C', 5, (tx) => tx.sadd('k', 'm'))
      .write('A', 30, (tx) => tx.sadd('k', 'n'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set m n' } });
  });

  it('shows the other expiry once the later of two concurrent ones was superseded by somebody who saw only that', () => {
    const schedule = new Schedule('ABCD')
      .write('A', 1, (tx) => tx.hset('k', 'f', 'v'))
      .receive('B', 'A')
      .receive('C', 'A')
      .write('B', 10, (tx) => tx.expire('k', 500))
      .write('C', 11, (tx) => tx.expire('k', 900))
      .receive('D', 'C')
      .write('D', 20, (tx) => tx.expire('k', 100));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `hash f=v until ${START_MS + 500}` } });
  });
});
