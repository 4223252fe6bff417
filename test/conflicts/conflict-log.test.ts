import { describe, expect, it } from 'vitest';
import {
  CONFLICT_BYTES_MAX,
  CONFLICT_TEXT_BYTES_MAX,
  CONFLICTS_MAX,
  type ConflictLog,
} from '../../src/keyspace/conflict-log.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { Schedule, type ScheduledWrites } from '../rules-values/schedule.ts';
import { originOfLetter, updateOf, type Transaction } from '../properties/values/transaction.ts';
import { applied, recordsOf } from './conflict-orders.ts';

/** Two nodes that write in turns and never hear of each other: so many pairs, each of a key of its own. */
function pairsOf(
  keys: readonly string[],
  write: (tx: ScheduledWrites, key: string, by: string) => unknown,
): Transaction[] {
  const schedule = new Schedule();
  for (const [index, key] of keys.entries()) {
    schedule.write('A', index * 2 + 1, (tx) => write(tx, key, 'a'));
    schedule.write('B', index * 2 + 2, (tx) => write(tx, key, 'b'));
  }
  return schedule.transactions;
}

const keysOf = (log: ConflictLog): string[] => log.latest(Infinity, () => true).map(({ key }) => key);

describe('the list of conflicts', () => {
  it('keeps the latest so many, and gives them latest first', () => {
    const keys = Array.from({ length: CONFLICTS_MAX + 5 }, (_unused, index) => `k${index}`);
    const { conflicts } = applied(pairsOf(keys, (tx, key, by) => tx.set(key, by)));
    expect(keysOf(conflicts)).toEqual(keys.slice(5).toReversed());
    expect(conflicts.latest(3, ({ key }) => key.endsWith('7')).map(({ key }) => key)).toEqual(['k997', 'k987', 'k977']);
  });

  it('keeps no more than so many bytes, whatever the keys are', () => {
    const keys = Array.from({ length: 20 }, (_unused, index) => `${index}:${'x'.repeat(500_000)}`);
    const { conflicts } = applied(pairsOf(keys, (tx, key, by) => tx.set(key, by)));
    const kept = keysOf(conflicts);
    expect(kept).toEqual(keys.slice(-kept.length).toReversed());
    expect(kept.length).toBe(Math.floor(CONFLICT_BYTES_MAX / 502_000));
    // one that is larger than all of it is not kept at all
    const huge = applied(pairsOf(['k', 'x'.repeat(CONFLICT_BYTES_MAX)], (tx, key, by) => tx.set(key, by)));
    expect(keysOf(huge.conflicts)).toEqual([]);
  });

  it('cuts values and names of fields, and says how long they are', () => {
    const long = (by: string): string => `${by}${'é'.repeat(10_000)}`;
    const [record] = recordsOf(applied(pairsOf(['k'], (tx, key, by) => tx.hset(key, 'f'.repeat(999), long(by)))));
    expect(record?.field).toEqual({ text: 'f'.repeat(CONFLICT_TEXT_BYTES_MAX), lengthBytes: 999 });
    expect(record?.kept.value).toEqual({ text: long('b').slice(0, CONFLICT_TEXT_BYTES_MAX), lengthBytes: 10_001 });
    expect(record?.other.value).toEqual({ text: long('a').slice(0, CONFLICT_TEXT_BYTES_MAX), lengthBytes: 10_001 });
  });

  it('takes keys, fields and values of any name', () => {
    const names = ['__proto__', 'constructor', 'toString', '', '\u0000', '\r\n-ERR', 'k\u00ff'];
    const { conflicts } = applied(
      pairsOf(names, (tx, key, by) => tx.hset(key, '__proto__', `${key}${by}`).hset(key, 'f', by)),
    );
    expect(keysOf(conflicts)).toEqual(names.toReversed().flatMap((name) => [name, name]));
    expect(conflicts.latest(2, ({ key }) => key === '__proto__').map(({ field }) => field?.text)).toEqual([
      'f',
      '__proto__',
    ]);
  });

  it('does not take one thing of a transaction for another of the same letters', () => {
    const schedule = new Schedule()
      .write('A', 1, (tx) => tx.hset('k', '1k', 'a').hset('k1', 'k', 'a').hset('k1k', '', 'a'))
      .write('B', 2, (tx) => tx.hset('k', '1k', 'b').hset('k1', 'k', 'b').hset('k1k', '', 'b'));
    expect(keysOf(applied(schedule.transactions).conflicts)).toEqual(['k1k', 'k1', 'k']);
  });

  it('keeps what many conflicts of one transaction leave, and counts them all', () => {
    const fields = Array.from({ length: CONFLICTS_MAX * 3 }, (_unused, index) => `f${index}`);
    const schedule = new Schedule();
    for (const [index, letter] of ['A', 'B'].entries()) {
      schedule.write(letter, index + 1, (tx) => {
        for (const field of fields) tx.hset('k', field, letter);
      });
    }
    const keyspace = new SlabKeyspace();
    let counted = 0;
    keyspace.conflicts.host = {
      origin: 0,
      nowMs: () => 77,
      count: (_key, conflicts) => {
        counted += conflicts;
        return { className: 'c:*', stringRule: 'siblings', tellsLost: false };
      },
    };
    for (const transaction of schedule.transactions)
      for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
    expect(counted).toBe(fields.length);
    const records = recordsOf(keyspace);
    expect(records.map(({ field }) => field?.text)).toEqual(fields.slice(-CONFLICTS_MAX));
    // siblings are a rule of strings: of fields the latest shows
    expect(records[0]).toMatchObject({ atMs: 77, className: 'c:*', rule: 'lww' });
  });

  it('does not look at what the node itself writes, nor at weak keys, nor at what a snapshot merges', () => {
    const transactions = pairsOf(['k'], (tx, key, by) => tx.set(key, by));
    const own = new SlabKeyspace();
    own.conflicts.host = { ...own.conflicts.host, origin: originOfLetter('B') };
    const weak = new SlabKeyspace();
    weak.kinds.isWeak = (key) => key.toLatin1() === 'k';
    for (const keyspace of [own, weak]) {
      for (const transaction of transactions)
        for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
      expect(recordsOf(keyspace)).toEqual([]);
    }
    const schedule = new Schedule().write('A', 1, (tx) => tx.set('k', 'a')).write('B', 2, (tx) => tx.set('k', 'b'));
    const merged = schedule.node('A');
    merged.merge(schedule.node('B'));
    expect(recordsOf(merged.keyspace)).toEqual([]);
  });

  it('forgets on request, and goes on', () => {
    const transactions = pairsOf(['k1', 'k2', 'k3'], (tx, key, by) => tx.set(key, by));
    const keyspace = new SlabKeyspace();
    for (const [index, transaction] of transactions.entries()) {
      for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
      if (index === 3) keyspace.conflicts.reset();
    }
    expect(keysOf(keyspace.conflicts)).toEqual(['k3']);
  });

  it('has all of its room again once it was told to forget', () => {
    const long = (name: string): string => `${name}${'x'.repeat(CONFLICT_BYTES_MAX * 0.4)}`;
    const transactions = pairsOf([long('1'), long('2'), long('3'), long('4')], (tx, key, by) => tx.set(key, by));
    const keyspace = new SlabKeyspace();
    for (const [index, transaction] of transactions.entries()) {
      for (const effect of transaction.effects) keyspace.apply(updateOf(effect), transaction);
      if (index === 3) keyspace.conflicts.reset();
    }
    expect(keysOf(keyspace.conflicts)).toEqual([long('4'), long('3')]);
  });
});
