import { describe, expect, it } from 'vitest';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { Schedule } from './schedule.ts';

const digestAt = (schedule: Schedule, letter: string, atMs: number): string =>
  schedule.node(letter).keyspace.digest(START_MS + atMs);

describe('S2: the digest is of what shows: type, logical value and expiry', () => {
  it('does not tell how a value came about, nor what of it is forgotten', () => {
    const grown = new Schedule()
      .write('A', 1, (tx) => tx.set('s', '1').incr('s', 4).hset('h', 'g', '2').hset('h', 'f', '1').sadd('x', 'gone'))
      .write('A', 2, (tx) => tx.del('x').incr('n', 2).incr('n', 1).hincr('h', 'f', 4));
    const plain = new Schedule().write('B', 9, (tx) =>
      tx.set('n', '3').hset('h', 'f', '5').hset('h', 'g', '2').set('s', '5'),
    );
    expect(digestAt(grown, 'A', 20)).toBe(digestAt(plain, 'B', 20));
    grown.sync().forget('A');
    expect(digestAt(grown, 'A', 20)).toBe(digestAt(grown, 'C', 20));
  });

  it('leaves out a losing type', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'));
    const before = digestAt(schedule, 'B', 30);
    schedule.receive('B', 'A');
    expect(digestAt(schedule, 'B', 30)).toBe(before);
  });

  it('leaves out what is hidden by its expiry at the time given, purged or not', () => {
    const schedule = new Schedule().write('A', 1, (tx) => tx.set('kept', '1').set('k', 'v', 50)).sync();
    const kept = new Schedule().write('A', 1, (tx) => tx.set('kept', '1'));
    expect(digestAt(schedule, 'A', 49)).not.toBe(digestAt(kept, 'A', 49));
    expect(digestAt(schedule, 'A', 50)).toBe(digestAt(kept, 'A', 50));
    schedule.passTo(60).forget('A');
    expect(schedule.node('A').keyspace.entryCount).toBe(1);
    expect(digestAt(schedule, 'A', 60)).toBe(digestAt(schedule, 'B', 60));
  });

  it('tells values, types, expiries, fields and keys apart', () => {
    const variants: ((schedule: Schedule) => Schedule)[] = [
      (schedule) => schedule.write('A', 1, (tx) => tx.set('k', 'v')),
      (schedule) => schedule.write('A', 1, (tx) => tx.set('k', 'w')),
      (schedule) => schedule.write('A', 1, (tx) => tx.set('kv', '')),
      (schedule) => schedule.write('A', 1, (tx) => tx.set('k', 'v', 500)),
      (schedule) => schedule.write('A', 1, (tx) => tx.set('k', 'v', 501)),
      (schedule) => schedule.write('A', 1, (tx) => tx.sadd('k', 'v')),
      (schedule) => schedule.write('A', 1, (tx) => tx.hset('k', 'v', '')),
      (schedule) => schedule.write('A', 1, (tx) => tx.hset('k', '', 'v')),
      (schedule) => schedule.write('A', 1, (tx) => tx.sadd('k', 'v').sadd('k', 'w')),
      (schedule) => schedule.write('A', 1, (tx) => tx.sadd('k', 'vw')),
      (schedule) => schedule.write('A', 1, (tx) => tx.hset('k', 'v', 'w')),
    ];
    const digests = variants.map((make) => digestAt(make(new Schedule()), 'A', 10));
    expect(new Set(digests).size).toBe(variants.length);
  });
});
