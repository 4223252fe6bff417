import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

describe('V4: counters', () => {
  it('add up, in one transaction and in many, whole and decimal, to the last digit', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', 5).incr('n', 6).incrDecimal('d', 100).incrDecimal('d', 200))
      .write('B', 11, (tx) => tx.incr('n', -1).incrDecimal('d', 700))
      .write('C', 12, (tx) => tx.incrDecimal('n', 500));
    expectEveryOrder(schedule.transactions, { keys: ['n', 'd'], end: { n: 'string "10.5"', d: 'string "1"' } });
  });

  it('are folded to the last digit where a part of them is more than a double can hold', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', most))
      .sync()
      .write('B', 20, (tx) => tx.incr('n', -most))
      .sync()
      .write('A', 30, (tx) => tx.incr('n', most - 1))
      .sync()
      .forget('A')
      .forget('A');
    const { keyspace } = schedule.node('A');
    expect(shownKeys(keyspace, ['n'], 0)).toEqual({ n: `string "${most - 1}"` });
    const [string] = keyspace.entryOf(latin1Range('n'))?.toState() ?? [];
    const runs = string?.length === 5 ? (string[4] ?? []) : [];
    // of each origin one run, whose amount is a whole number of its own
    expect(runs.map(([, , , , amount]) => amount).sort()).toEqual([`-${most}`, String(2n * BigInt(most) - 1n)].sort());
  });

  it('DEL removes the increments that it saw; concurrent ones survive on an empty base', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', 5))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.del('n'))
      .write('C', 15, (tx) => tx.incr('n', 7))
      .write('A', 25, (tx) => tx.incr('n', 2));
    expectEveryOrder(schedule.transactions, { keys: ['n'], end: { n: 'string "9"' } });
  });

  it('an increment of a register counts while that register is current, and no longer', () => {
    const base = new Schedule().write('A', 1, (tx) => tx.set('n', '100')).sync();
    base
      .write('A', 10, (tx) => tx.incr('n', 1))
      .write('B', 11, (tx) => tx.incr('n', 2))
      .write('C', 12, (tx) => tx.set('n', '500'));
    expectEveryOrder(base.transactions, { keys: ['n'], end: { n: 'string "500"' } });
    base.receive('B', 'C').write('B', 20, (tx) => tx.incr('n', 3));
    expectEveryOrder(base.transactions, { keys: ['n'], end: { n: 'string "503"' } });
  });

  it('DEL of a counter with a register leaves nothing of what was counted on it', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.set('n', '100'))
      .sync()
      .write('A', 10, (tx) => tx.incr('n', 1))
      .write('B', 11, (tx) => tx.del('n'))
      .receive('C', 'B')
      .write('C', 20, (tx) => tx.incr('n', 5));
    expectEveryOrder(schedule.transactions, { keys: ['n'], end: { n: 'string "5"' } });
  });

  it('a tombstone forgotten at one node and kept at another is the same base', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.set('n', '100'))
      .sync()
      .write('A', 10, (tx) => tx.del('n'))
      .sync()
      .forget('A');
    expect(schedule.node('A').keyspace.entryCount).toBe(0);
    expect(schedule.node('B').keyspace.entryCount).toBe(1);
    schedule.write('A', 20, (tx) => tx.incr('n', 5)).write('B', 21, (tx) => tx.incr('n', 7));
    schedule.sync();
    for (const letter of 'ABC') {
      expect(shownKeys(schedule.node(letter).keyspace, ['n'], 0)).toEqual({ n: 'string "12"' });
    }
    expectEveryOrder(schedule.transactions, { keys: ['n'], end: { n: 'string "12"' } });
  });

  it('an increment on an empty base does not survive a register or a removal that it had not seen', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('n', 5))
      .write('B', 20, (tx) => tx.set('n', '1'))
      .write('B', 30, (tx) => tx.del('n'))
      .receive('C', 'B')
      .write('C', 40, (tx) => tx.incr('n', 7));
    expectEveryOrder(schedule.transactions, { keys: ['n'], end: { n: 'string "7"' } });
  });

  it('increments of a field are removed only by what observed them, never by a concurrent HSET', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hincr('h', 'f', 5))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.hset('h', 'f', '100'))
      .write('C', 15, (tx) => tx.hincr('h', 'f', 7))
      .write('A', 25, (tx) => tx.hincr('h', 'f', 1));
    expectEveryOrder(schedule.transactions, { keys: ['h'], end: { h: 'hash f=108' } });
  });

  it('a field that was set to no number shows it, and counts again from the next number', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('h', 'f', 'x'))
      .write('B', 11, (tx) => tx.hincr('h', 'f', 7));
    expectEveryOrder(schedule.transactions, { keys: ['h'], end: { h: 'hash f=x' } });
    schedule
      .receive('A', 'B')
      .write('A', 20, (tx) => tx.hset('h', 'f', '1'))
      .write('B', 21, (tx) => tx.hincr('h', 'f', 2));
    expectEveryOrder(schedule.transactions, { keys: ['h'], end: { h: 'hash f=3' } });
  });

  it('HDEL of a counted field leaves the unseen increment only', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('h', 'f', '4'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.hincr('h', 'f', 2))
      .write('A', 21, (tx) => tx.hdel('h', 'f'));
    expectEveryOrder(schedule.transactions, { keys: ['h'], end: { h: 'hash f=2' } });
  });
});
