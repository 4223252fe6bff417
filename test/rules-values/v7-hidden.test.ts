import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { originOfLetter } from '../properties/values/transaction.ts';
import { START_MS, VirtualReplica } from '../properties/values/virtual-replica.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const expired = (kind: 'string' | 'counter' | 'hash' | 'set'): Schedule =>
  new Schedule()
    .write('A', 1, (tx) => {
      if (kind === 'string') tx.set('k', '100', 50);
      else if (kind === 'counter') tx.incr('k', 100).expire('k', 50);
      else if (kind === 'hash') tx.hset('k', 'old', '1').expire('k', 50);
      else tx.sadd('k', 'old').expire('k', 50);
    })
    .sync()
    .passTo(60);

const kinds = ['string', 'counter', 'hash', 'set'] as const;

describe('V7: a write to what is hidden starts anew', () => {
  for (const kind of kinds) {
    it(`INCR of an expired ${kind} counts from nothing, where it was made and where the old one is still there`, () => {
      const schedule = expired(kind).write('B', 70, (tx) => tx.incr('k', 5));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "5"' } });
    });

    it(`HSET, SADD and SET of an expired ${kind} keep nothing of it`, () => {
      const hash = expired(kind).write('B', 70, (tx) => tx.hset('k', 'f', 'v'));
      expectEveryOrder(hash.transactions, { keys: ['k'], end: { k: 'hash f=v' } });
      const set = expired(kind).write('B', 70, (tx) => tx.sadd('k', 'm'));
      expectEveryOrder(set.transactions, { keys: ['k'], end: { k: 'set m' } });
      const string = expired(kind).write('B', 70, (tx) => tx.set('k', 'v'));
      expectEveryOrder(string.transactions, { keys: ['k'], end: { k: 'string "v"' } });
    });

    it(`two that write to an expired ${kind} at once both count`, () => {
      const schedule = expired(kind)
        .write('B', 70, (tx) => tx.hset('k', 'b', '1'))
        .write('C', 71, (tx) => tx.hset('k', 'c', '2'));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'hash b=1 c=2' } });
    });

    it(`a write to a ${kind} that was purged here and is kept elsewhere starts anew there too`, () => {
      for (const write of ['incr', 'hset', 'sadd'] as const) {
        const schedule = expired(kind).forget('B');
        expect(schedule.node('B').keyspace.entryCount).toBe(0);
        expect(schedule.node('A').keyspace.entryCount).toBe(1);
        schedule.write('B', 70, (tx) => {
          if (write === 'incr') tx.incr('k', 5);
          else if (write === 'hset') tx.hset('k', 'f', 'v');
          else tx.sadd('k', 'm');
        });
        schedule.sync().forget('ABC');
        const end = { incr: 'string "5"', hset: 'hash f=v', sadd: 'set m' }[write];
        for (const letter of 'ABC') {
          expect(shownKeys(schedule.node(letter).keyspace, ['k'], START_MS + 80)).toEqual({ k: end });
        }
        expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: end } });
      }
    });
  }

  it('a node that was restarted, or filled by a snapshot, knows that keys may have been purged', () => {
    const restarted = expired('hash').forget('B');
    restarted.node('B').restart();
    restarted.write('B', 70, (tx) => tx.hset('k', 'f', 'v')).sync();

    const joined = expired('hash').forget('B');
    const joiner = new VirtualReplica(originOfLetter('D'), START_MS + 70);
    joiner.merge(joined.node('B'));
    expect(joiner.keyspace.entryCount).toBe(0);
    const made = joiner.transact((tx) => tx.hashSet(latin1Range('k'), 0, latin1Range('f'), latin1Range('v')));
    if (made === null) throw new Error('the joiner wrote nothing');
    for (const letter of ['A', 'B', 'C']) {
      joined.node(letter).apply(made);
      for (const schedule of [restarted, joined]) {
        expect(shownKeys(schedule.node(letter).keyspace, ['k'], START_MS + 80)).toEqual({ k: 'hash f=v' });
      }
    }
  });

  it('the removal of an expired string is a stamped one, like each of a string (V2): an earlier unseen write stays away', () => {
    const concurrent = (atMs: number): Schedule =>
      expired('string')
        .write('C', atMs, (tx) => tx.set('k', '700'))
        .write('B', 70, (tx) => tx.incr('k', 5));
    expectEveryOrder(concurrent(65).transactions, { keys: ['k'], end: { k: 'string "5"' } });
    expectEveryOrder(concurrent(75).transactions, { keys: ['k'], end: { k: 'string "700"' } });
  });

  it('an expiry left by the last field is removed by the next write, and does not hide it', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', 'f', '1').expire('k', 50))
      .write('A', 10, (tx) => tx.hdel('k', 'f'))
      .write('A', 20, (tx) => tx.hset('k', 'g', '2'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'hash g=2' } });
  });
});
