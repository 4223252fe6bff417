import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { shownKeys } from '../properties/values/shown-keys.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const keys = ['sib'];

/** Three regions wrote at once. */
const threeWrites = (): Schedule =>
  new Schedule()
    .write('A', 10, (tx) => tx.set('sib', 'x'))
    .write('B', 11, (tx) => tx.set('sib', 'y'))
    .write('C', 12, (tx) => tx.set('sib', 'z'));

describe('V5: siblings', () => {
  it('are all that nothing has seen, and what shows is a view of them', () => {
    expectEveryOrder(threeWrites().transactions, { keys, end: { sib: 'siblings "x" "y" "z" as "x+y+z"' } });
  });

  it('x, y and z are shown as m; w saw x and y only: z is neither lost nor counted twice', () => {
    const schedule = threeWrites()
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.set('sib', 'w'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "z" "w" as "z+w"' } });
    // what shows is never stored: whoever saw all three and writes it ends all three, and w stays beside it
    schedule.receive('C', 'A').write('C', 15, (tx) => tx.set('sib', 'c'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "c" "w" as "c+w"' } });
  });

  it('a write ends all that it saw, not only the latest', () => {
    const schedule = threeWrites()
      .sync()
      .write('A', 20, (tx) => tx.set('sib', 'end'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "end"' } });
  });

  it('two that end the same siblings at once are siblings', () => {
    const schedule = threeWrites()
      .sync()
      .write('A', 20, (tx) => tx.set('sib', 'a'))
      .write('B', 21, (tx) => tx.set('sib', 'b'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "a" "b" as "a+b"' } });
  });

  it('losers are never forgotten, however stable they are', () => {
    const schedule = threeWrites().sync().forget('ABC').forget('ABC');
    for (const letter of 'ABC') {
      const { keyspace } = schedule.node(letter);
      expect(shownKeys(keyspace, keys, 0)).toEqual({ sib: 'siblings "x" "y" "z" as "x+y+z"' });
      expect(keyspace.forgetWaiting).toBe(0);
    }
    schedule.write('A', 30, (tx) => tx.set('sib', 'end'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "end"' } });
  });

  it('of equal stamps the higher origin is the later', () => {
    const schedule = new Schedule()
      .write('B', 10, (tx) => tx.set('sib', 'b'))
      .write('A', 10, (tx) => tx.set('sib', 'a'))
      .write('C', 9, (tx) => tx.set('sib', 'c'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "c" "a" "b" as "c+a+b"' } });
  });

  it('several writes in one transaction are one: the last', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1').incr('sib').set('sib', '7').incr('sib'))
      .write('B', 11, (tx) => tx.set('sib', 'b').del('sib').set('sib', 'c'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "8" "c" as "8+c"' } });
  });

  it('a key of another class is as it was', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'x').set('sib', 'x'))
      .write('B', 11, (tx) => tx.set('k', 'y').set('sib', 'y'));
    expectEveryOrder(schedule.transactions, {
      keys: ['k', 'sib'],
      end: { k: 'string "y"', sib: 'siblings "x" "y" as "x+y"' },
    });
  });
});

describe('V5: removal', () => {
  it('DEL removes the siblings that it saw, whatever the stamps, and leaves nothing behind', () => {
    for (const atMs of [11, 30]) {
      const schedule = new Schedule()
        .write('A', 9, (tx) => tx.set('sib', 'x'))
        .write('C', atMs, (tx) => tx.set('sib', 'z'))
        .write('B', 8, (tx) => tx.set('sib', 'y'))
        .receive('B', 'A')
        .write('B', 20, (tx) => tx.del('sib'));
      expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "z"' } });
      schedule.sync().write('A', 40, (tx) => tx.del('sib'));
      expectEveryOrder(schedule.transactions, { keys, end: {} });
      schedule.sync();
      for (const letter of 'ABC') expect(schedule.node(letter).keyspace.entryCount).toBe(0);
    }
  });

  it('FLUSHALL removes what is below its stamp, seen or not, and what comes later below it', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x'))
      .write('B', 15, (tx) => tx.flushAll())
      .write('A', 12, (tx) => tx.set('sib', 'y'))
      .write('C', 16, (tx) => tx.set('sib', 'z'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "z"' } });
  });

  it('FLUSHALL takes increments without a base that are below it, and leaves those above', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('sib', 5))
      .write('B', 15, (tx) => tx.flushAll())
      .write('A', 16, (tx) => tx.incr('sib', 7))
      .write('C', 14, (tx) => tx.incr('sib', 9));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "7"' } });
  });

  it('what a transaction writes after its own FLUSHALL stays, and nothing from before', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('sib', 5).set('sib2', 'x').flushAll().incr('sib', 7).set('sib2', 'y'))
      .write('B', 11, (tx) => tx.set('sib', '1').set('sib2', 'z'));
    expectEveryOrder(schedule.transactions, {
      keys: ['sib', 'sib2'],
      end: { sib: 'siblings "7" "1" as "8"', sib2: 'siblings "y" "z" as "y+z"' },
    });
  });
});

describe('V5: counting', () => {
  it('increments count on the sibling that they were made on, as long as it is one', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '100'))
      .write('B', 11, (tx) => tx.set('sib', '200'))
      .write('A', 12, (tx) => tx.incr('sib', 1))
      .write('B', 13, (tx) => tx.incr('sib', 2));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "101" "202" as "303"' } });
    schedule.receive('C', 'A').write('C', 20, (tx) => tx.set('sib', '5'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "202" "5" as "207"' } });
  });

  it('an increment made on what a write had seen, but not it, goes with it', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '100'))
      .sync()
      .write('B', 11, (tx) => tx.incr('sib', 1))
      .write('C', 12, (tx) => tx.set('sib', '5'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'string "5"' } });
  });

  it('increments where there was no write are together one sibling, removed only by what saw them', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.incr('sib', 5))
      .write('B', 11, (tx) => tx.incr('sib', 6))
      .write('C', 12, (tx) => tx.set('sib', '100'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "11" "100" as "111"' } });
    schedule.receive('C', 'A').write('C', 20, (tx) => tx.set('sib', '7'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "6" "7" as "13"' } });
  });

  it('INCR on several makes them one of what they show, and keeps the expiry', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1', 500))
      .write('B', 11, (tx) => tx.set('sib', '2', 600))
      .write('C', 12, (tx) => tx.incr('sib', 4).expire('sib', 300))
      .sync()
      .write('A', 20, (tx) => tx.incr('sib', 10));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: `string "17" until ${START_MS + 600}` } });
  });

  it('INCR on several, twice at once, gives two siblings; who counts on one of them counts on that', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1'))
      .write('B', 11, (tx) => tx.set('sib', '2'))
      .sync()
      .write('A', 20, (tx) => tx.incr('sib', 10))
      .write('B', 21, (tx) => tx.incrDecimal('sib', 500));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "13" "3.5" as "16.5"' } });
    schedule.receive('C', 'A').write('C', 30, (tx) => tx.incr('sib', 1).incr('sib', 1));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "15" "3.5" as "18.5"' } });
  });

  it('INCR that saw two of three leaves the third', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1'))
      .write('B', 11, (tx) => tx.set('sib', '2'))
      .write('C', 12, (tx) => tx.set('sib', '4'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.incr('sib', 10));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "4" "13" as "17"' } });
  });
});

describe('V5: expiry', () => {
  it('each sibling has its own, and the key the latest of them', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x', 500))
      .write('B', 11, (tx) => tx.set('sib', 'y', 400));
    expectEveryOrder(schedule.transactions, {
      keys,
      end: { sib: `siblings "x" "y" as "x+y" until ${START_MS + 500}` },
    });
    schedule.write('C', 12, (tx) => tx.set('sib', 'z'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "x" "y" "z" as "x+y+z"' } });
  });

  it('EXPIRE of several is one of each, and goes with the sibling that it is on', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x'))
      .write('B', 11, (tx) => tx.set('sib', 'y'))
      .write('C', 12, (tx) => tx.incr('sib', 3))
      .sync()
      .write('A', 20, (tx) => tx.expire('sib', 500));
    expectEveryOrder(schedule.transactions, {
      keys,
      end: { sib: `siblings "x" "y" "3" as "x+y+3" until ${START_MS + 500}` },
    });
    schedule.write('B', 21, (tx) => tx.set('sib', 'w', 100));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: `string "w" until ${START_MS + 100}` } });
  });

  it('of one that was set on several, the part that another replaced does not come back', () => {
    // C shows its hash, so what it sets is on all but the registers: only there it ends what A set
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x'))
      .write('B', 11, (tx) => tx.incr('sib', 1))
      .write('C', 15, (tx) => tx.hset('sib', 'f', '1'))
      .receive('A', 'B')
      .write('A', 20, (tx) => tx.expire('sib', 500))
      .receive('C', 'A')
      .write('C', 30, (tx) => tx.expire('sib', 300));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: `hash f=1 until ${START_MS + 300}` } });
  });

  it('PERSIST of several, at once with EXPIRE, is the later', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x', 500))
      .write('B', 11, (tx) => tx.set('sib', 'y', 500))
      .sync()
      .write('A', 20, (tx) => tx.expire('sib', 400))
      .write('B', 21, (tx) => tx.persist('sib'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "x" "y" as "x+y"' } });
  });

  it('a write that keeps the expiry keeps the latest', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x', 500))
      .write('B', 11, (tx) => tx.set('sib', 'y', 400))
      .sync()
      .write('B', 20, (tx) => tx.setKeepingExpiry('sib', 'w'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: `string "w" until ${START_MS + 500}` } });
  });

  it('a write to expired siblings starts anew (V7), also where they are kept still (D9)', () => {
    const expired = (): Schedule =>
      new Schedule()
        .write('A', 10, (tx) => tx.set('sib', '1', 50))
        .write('B', 11, (tx) => tx.incr('sib', 2).expire('sib', 60))
        .sync()
        .passTo(100);
    const counted = expired().write('A', 101, (tx) => tx.incr('sib', 7));
    expectEveryOrder(counted.transactions, { keys, end: { sib: 'string "7"' } });
    const purged = expired().forget('A').forget('A');
    expect(purged.node('A').keyspace.entryCount).toBe(0);
    expect(purged.node('B').keyspace.entryCount).toBe(1);
    purged.write('A', 101, (tx) => tx.incr('sib', 7)).sync();
    for (const letter of 'ABC') expect(shownKeys(purged.node(letter).keyspace, keys, 0)).toEqual({ sib: 'string "7"' });
  });
});

describe('V5: what is kept', () => {
  it('EXPIRE of a sibling that is gone changes nothing and tells nobody', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'x'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.expire('sib', 500))
      .write('A', 11, (tx) => tx.set('sib', 'y'));
    const { keyspace } = schedule.node('A');
    const told: (string | null)[] = [];
    keyspace.onChange = (key) => told.push(key?.toLatin1() ?? null);
    schedule.receive('A', 'B');
    expect(told).toEqual([]);
    expect(keyspace.entryOf(latin1Range('sib'))?.expiries).toBe(null);
  });

  it('increments are one run of each origin once they are stable, on a sibling and beside it', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1'))
      .write('B', 11, (tx) => tx.incr('sib', 2))
      .write('A', 20, (tx) => tx.incr('sib', 1).incr('sib2', 1));
    schedule.write('A', 21, (tx) => tx.incr('sib', 1));
    // two runs of an origin are left as they are
    schedule.write('A', 22, (tx) => tx.incr('sib', 1).incr('sib2', 1)).sync();
    // looked at when one of them is stable and another is not: that one is not forgotten
    schedule
      .write('A', 30, (tx) => tx.incr('sib2', 1))
      .write('A', 31, (tx) => tx.incr('sib2', 1))
      .forget('A')
      .sync();
    const { keyspace } = schedule.node('A');
    expect(shownKeys(keyspace, ['sib', 'sib2'], 0)).toEqual({ sib: 'siblings "4" "2" as "6"', sib2: 'string "4"' });
    expect(keyspace.forgetWaiting).toBeGreaterThan(0);
    schedule.forget('A').forget('A');
    expect(keyspace.forgetWaiting).toBe(0);
    const string = keyspace.entryOf(latin1Range('sib'))?.string;
    expect(string?.keepsSiblings === true && string.registers[0]?.increments?.toState().length).toBe(1);
    expect(keyspace.entryOf(latin1Range('sib2'))?.string.increments?.toState().length).toBe(1);
    expect(string?.base, 'nothing is counted on one of several').toBe(null);
  });
});

describe('V5: other types', () => {
  it('another type removes the siblings that it saw; the type of the latest surviving write shows', () => {
    const change = (atMs: number): Schedule =>
      new Schedule()
        .write('A', 10, (tx) => tx.set('sib', 'x'))
        .write('B', 11, (tx) => tx.set('sib', 'y'))
        .write('C', atMs, (tx) => tx.set('sib', 'z'))
        .receive('B', 'A')
        .write('B', 20, (tx) => tx.hset('sib', 'f', '1'));
    expectEveryOrder(change(30).transactions, { keys, end: { sib: 'string "z"' } });
    expectEveryOrder(change(12).transactions, { keys, end: { sib: 'hash f=1' } });
  });

  it('several siblings that survive come back as a whole when what hid them goes', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1'))
      .write('B', 11, (tx) => tx.set('sib', '2'))
      .write('C', 12, (tx) => tx.hset('sib', 'f', '1'))
      .write('C', 20, (tx) => tx.hdel('sib', 'f'));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "1" "2" as "3"' } });
  });

  it('an increment counts for the order between types', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '1'))
      .write('B', 11, (tx) => tx.set('sib', '2'))
      .write('C', 15, (tx) => tx.sadd('sib', 'm'))
      .write('A', 20, (tx) => tx.incr('sib', 1));
    expectEveryOrder(schedule.transactions, { keys, end: { sib: 'siblings "2" "2" as "4"' } });
  });
});

describe('V5: questions', () => {
  it('the digest is that of the siblings, not of the view', () => {
    const schedule = threeWrites().sync();
    const digests = 'ABC'.split('').map((letter) => schedule.node(letter).keyspace.digest(0));
    expect(new Set(digests).size).toBe(1);
    const { keyspace } = schedule.node('A');
    keyspace.showSiblings = () => ({ text: 'another', error: null });
    expect(keyspace.digest(0)).toBe(digests[0]);
    for (const alone of ['x+y+z', 'z']) {
      const { keyspace: other } = new Schedule().write('C', 12, (tx) => tx.set('sib', alone)).node('C');
      expect(other.digest(0)).not.toBe(digests[0]);
    }
  });

  it('the view is made when one reads, and once until the siblings change', () => {
    const schedule = threeWrites();
    const { keyspace } = schedule.node('A');
    const asked: string[] = [];
    keyspace.showSiblings = (key, siblings) => {
      asked.push(`${key}: ${siblings.map(({ value }) => value).join(' ')}`);
      return { text: 'm', error: null };
    };
    schedule.receive('B', 'A').receive('A', 'BC');
    keyspace.digest(0);
    expect(asked).toEqual([]);
    const read = (): object => shownKeys(keyspace, keys, 0);
    expect(read()).toEqual({ sib: 'siblings "x" "y" "z" as "m"' });
    read();
    keyspace.find(latin1Range('sib'), 0, 0);
    expect(asked).toEqual(['sib: x y z']);
    schedule.write('B', 20, (tx) => tx.set('sib', 'w'));
    expect(read()).toEqual({ sib: 'siblings "x" "y" "z" as "m"' });
    schedule.receive('A', 'B');
    read();
    expect(asked).toEqual(['sib: x y z', 'sib: z w']);
  });
});
