import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { SessionDots } from '../../src/causal/session-dots.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { UpdateKind } from '../../src/crdt/update.ts';
import { shownKeys } from '../properties/values/shown-keys.ts';
import type { Transaction } from '../properties/values/transaction.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { causalCuts, causalOrders, Observer } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const NOW_MS = START_MS - 1;

/** A replica that a session reads at. */
class Replica extends Observer {
  /** What a key shows, and the dots that a session has from reading it. */
  read(key: string): { shown: string | null; dots: SessionDots } {
    const dots = new SessionDots();
    this.keyspace.recent.readFor(dots);
    this.keyspace.find(latin1Range(key), 0, NOW_MS);
    this.keyspace.recent.readFor(null);
    return { shown: this.show(key), dots };
  }

  show(key: string): string | null {
    return shownKeys(this.keyspace, [key], NOW_MS)[key] ?? null;
  }

  covers(dots: SessionDots): boolean {
    for (const [origin, seq] of dots) if (!this.vector.contains(origin, seq)) return false;
    return true;
  }
}

const touches = (transaction: Transaction, key: string): boolean =>
  transaction.effects.some((effect) => effect.kind === UpdateKind.FlushAll || effect.key === key);

/**
 * A session reads the key at one replica and goes on at another that covers what it read, in every order and at every two cuts: it
 * sees nothing there that what it read had already left behind. Returns how many moves were looked at and how many were refused.
 */
function expectMoves(transactions: readonly Transaction[], key: string): { moves: number; refused: number } {
  const cuts = causalCuts(transactions);
  let moves = 0;
  let refused = 0;
  for (const order of causalOrders(transactions)) {
    for (let length = 0; length <= order.length; length++) {
      const applied = order.slice(0, length);
      const from = new Replica(applied);
      const { shown, dots } = from.read(key);
      for (const cut of cuts) {
        const to = new Replica(cut);
        if (!to.covers(dots)) {
          refused++;
          continue;
        }
        moves++;
        for (const seen of applied.filter((transaction) => touches(transaction, key))) expect(cut).toContain(seen);
        const later = cut.filter((transaction) => !applied.includes(transaction));
        if (!later.some((transaction) => touches(transaction, key))) expect(to.show(key)).toBe(shown);
      }
    }
  }
  return { moves, refused };
}

describe('S1: a token sees removals', () => {
  const removal = new Schedule()
    .write('A', 10, (tx) => tx.set('k', 'old'))
    .sync()
    .write('B', 20, (tx) => tx.del('k'))
    .write('C', 15, (tx) => tx.set('other', 'v'));

  it('who saw the key gone does not see it again where the removal has not come', () => {
    const { moves, refused } = expectMoves(removal.transactions, 'k');
    expect(moves).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
    // in so many words: at B, after its removal, and then where only the write has come
    const [write, del] = removal.transactions as [Transaction, Transaction];
    const gone = new Replica([write, del]).read('k');
    expect(gone.shown).toBeNull();
    expect(new Replica([write]).show('k')).toContain('old');
    expect(new Replica([write]).covers(gone.dots)).toBe(false);
  });

  it('nor a field, a member or a counter that it saw removed', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('k', 'f', '1').hset('k', 'g', '2'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.hdel('k', 'f'))
      .write('C', 5, (tx) => tx.sadd('k', 'm'))
      .receive('C', 'AB')
      .write('C', 30, (tx) => tx.srem('k', 'm').incr('n'));
    expect(expectMoves(schedule.transactions, 'k').refused).toBeGreaterThan(0);
  });

  it('nor what a FLUSHALL took, whichever key it read', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'old'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.flushAll())
      .write('C', 15, (tx) => tx.set('k', 'unseen'));
    expect(expectMoves(schedule.transactions, 'k').refused).toBeGreaterThan(0);
    expect(expectMoves(schedule.transactions, 'never').refused).toBeGreaterThan(0);
  });

  it('a removal that came in a snapshot counts as well', () => {
    const [write, del] = removal.transactions as [Transaction, Transaction];
    const behind = new Replica([write]);
    behind.merge(new Replica([write, del]));
    const gone = behind.read('k');
    expect(gone.shown).toBeNull();
    expect(new Replica([write]).covers(gone.dots)).toBe(false);
    expect(new Replica([write, del]).covers(gone.dots)).toBe(true);
  });

  it('and asks for nothing once it is stable, for then everyone shows it', () => {
    const all = new Replica(removal.transactions);
    all.forget(all.vector);
    expect(all.read('k').dots.size).toBe(0);
    // but not before: one that is stable goes, the other stays
    const [write, del] = removal.transactions as [Transaction, Transaction];
    const some = new Replica([write, del]);
    some.forget(new VersionVector([[write.origin, write.seq]]));
    expect([...some.read('k').dots]).toEqual([[del.origin, del.seq]]);
  });
});
