import { describe, expect, it } from 'vitest';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const until = (atMs: number): string => `until ${START_MS + atMs}`;

/** A key that all have: as a string, as a counter without a register and as a set. */
const made = (kind: 'string' | 'counter' | 'set', nodes = 'ABC'): Schedule =>
  new Schedule(nodes)
    .write('A', 1, (tx) =>
      kind === 'string' ? tx.set('k', '1') : kind === 'counter' ? tx.incr('k') : tx.sadd('k', '1'),
    )
    .sync();

const shownAs = { string: 'string "1"', counter: 'string "1"', set: 'set 1' } as const;

describe('V3: expiry is a value like any other', () => {
  for (const kind of ['string', 'counter', 'set'] as const) {
    it(`of a ${kind}: of concurrent expiries the later wins, whatever each of them replaced`, () => {
      const schedule = made(kind)
        .write('A', 10, (tx) => tx.expire('k', 500))
        .receive('B', 'A')
        .receive('C', 'A')
        .write('B', 20, (tx) => tx.expire('k', 200))
        .write('C', 21, (tx) => tx.expire('k', 100));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `${shownAs[kind]} ${until(200)}` } });
    });

    it(`of a ${kind}: a shorter expiry that saw the longer one wins over it, but not over one that it did not see`, () => {
      const schedule = made(kind)
        .write('A', 10, (tx) => tx.expire('k', 500))
        .write('B', 11, (tx) => tx.expire('k', 300))
        .receive('C', 'A')
        .write('C', 20, (tx) => tx.expire('k', 200));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `${shownAs[kind]} ${until(300)}` } });
    });

    it(`of a ${kind}: PERSIST wins over a concurrent EXPIRE and loses to one that saw it`, () => {
      const schedule = made(kind)
        .write('A', 10, (tx) => tx.expire('k', 500))
        .receive('B', 'A')
        .write('B', 20, (tx) => tx.persist('k'))
        .write('A', 30, (tx) => tx.expire('k', 600));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: shownAs[kind] } });
      schedule.sync().write('C', 40, (tx) => tx.expire('k', 700));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `${shownAs[kind]} ${until(700)}` } });
    });

    it(`of a ${kind}: two equal ones and two of PERSIST are as one`, () => {
      const schedule = made(kind)
        .write('A', 10, (tx) => tx.expire('k', 500))
        .write('B', 11, (tx) => tx.expire('k', 500));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `${shownAs[kind]} ${until(500)}` } });
      schedule.sync();
      schedule.write('A', 20, (tx) => tx.persist('k')).write('C', 21, (tx) => tx.persist('k'));
      expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: shownAs[kind] } });
    });
  }

  it('SET starts anew: a concurrent EXPIRE was of the value before', () => {
    const schedule = made('string')
      .write('A', 10, (tx) => tx.expire('k', 500))
      .write('B', 11, (tx) => tx.set('k', '2'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "2"' } });
  });

  it('an EXPIRE of the register that wins counts, one of the register that loses does not', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a').expire('k', 500))
      .write('B', 20, (tx) => tx.set('k', 'b').expire('k', 300));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `string "b" ${until(300)}` } });
  });

  it('an EXPIRE of a register that is current no more changes nothing', () => {
    const schedule = made('string')
      .write('A', 10, (tx) => tx.expire('k', 500))
      .write('B', 11, (tx) => tx.set('k', 'b'));
    const changed: (string | null)[] = [];
    schedule.node('B').keyspace.onChange = (key) => changed.push(key?.toLatin1() ?? null);
    schedule.receive('B', 'A');
    expect(changed).toEqual([]);
  });

  it('KEEPTTL takes the expiry that it saw along', () => {
    const schedule = made('string')
      .write('A', 10, (tx) => tx.expire('k', 500))
      .receive('B', 'A')
      .write('A', 20, (tx) => tx.expire('k', 900))
      .write('B', 30, (tx) => tx.setKeepingExpiry('k', 'b'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: `string "b" ${until(500)}` } });
  });

  it('an expiry of a set is not that of the string that took its place', () => {
    const schedule = made('set')
      .write('A', 10, (tx) => tx.expire('k', 500))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.set('k', 'b'))
      .write('C', 15, (tx) => tx.expire('k', 900));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'string "b"' } });
  });

  it('DEL ends the expiries that it saw: what a concurrent write leaves has those it did not see', () => {
    const schedule = made('set')
      .write('A', 10, (tx) => tx.expire('k', 500))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.del('k'))
      .write('C', 15, (tx) => tx.sadd('k', '2'));
    expectEveryOrder(schedule.transactions, { keys: ['k'], end: { k: 'set 2' } });
  });
});
