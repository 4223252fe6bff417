import { NO_INVALIDATIONS } from '../support/no-invalidations.ts';
import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { fillStampOf, isFillStamp } from '../../src/clock/stamp.ts';
import type { Load, LoadEnd } from '../../src/commands/engine.ts';
import { CausewayError } from '../../src/errors.ts';
import { Loads } from '../../src/node/loads.ts';
import { applied, recordsOf } from '../conflicts/conflict-orders.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { causalOrders, expectEveryOrder } from './every-causal-order.ts';
import { Schedule } from './schedule.ts';

const SKEW_MS = 50;

/** A schedule whose nodes load from outside. Times are what the node's own clock says. */
class Filling {
  readonly schedule: Schedule;
  readonly #loads: Map<string, Loads> = new Map();
  #landsAtMs = 0;
  refusal: CausewayError | null = null;

  constructor(nodes = 'ABC') {
    this.schedule = new Schedule(nodes);
    for (const letter of nodes) this.#loads.set(letter, this.#loadsOf(letter));
  }

  #loadsOf(letter: string): Loads {
    const { keyspace, origin } = this.schedule.node(letter);
    const transact: ConstructorParameters<typeof Loads>[1]['transact'] = (_nowMs, run) => {
      this.schedule.write(letter, this.#landsAtMs, (writes) => writes.with((tx) => run(tx, START_MS)));
      return 1;
    };
    const loads = new Loads(
      keyspace,
      { origin, transact, refusal: () => this.refusal, invalidations: NO_INVALIDATIONS },
      SKEW_MS,
    );
    keyspace.onChange = loads.watching(() => {});
    return loads;
  }

  #of(letter: string): Loads {
    const loads = this.#loads.get(letter);
    if (loads === undefined) throw new Error(`the schedule has no node ${letter}`);
    return loads;
  }

  begin(letter: string, atMs: number): Load {
    return this.#of(letter).begin(latin1Range('k'), START_MS + atMs);
  }

  end(letter: string, load: Load, atMs: number, value = 'loaded', expireAtMs = Infinity): LoadEnd {
    this.#landsAtMs = atMs;
    return this.#of(letter).end(load, latin1Range(value), START_MS + expireAtMs, START_MS + atMs);
  }

  /** Begun and ended without anything in between. */
  fill(letter: string, startMs: number, endMs: number, value = 'loaded'): LoadEnd {
    return this.end(letter, this.begin(letter, startMs), endMs, value);
  }

  expectEnd(end: Record<string, string>): void {
    expectEveryOrder(this.schedule.transactions, { keys: ['k'], end });
  }
}

describe('V8: a fill is a write at the start of its load, less the limit of skew', () => {
  it.each(['A', 'B'])(
    'an invalidation made meanwhile in another region wins, though the clock of %s is slow',
    (loader) => {
      const other = loader === 'A' ? 'B' : 'A';
      const filling = new Filling();
      // the loader's clock is 50 ms fast: the load began at 50 by the other's
      const load = filling.begin(loader, 100);
      filling.schedule.write(other, 60, (tx) => tx.invalidate('k'));
      expect(filling.end(loader, load, 120)).toBe('kept');
      filling.expectEnd({});
    },
  );

  it.each(['A', 'B'])('a removal of the old value made meanwhile wins over the load of %s', (loader) => {
    const other = loader === 'A' ? 'B' : 'A';
    const filling = new Filling();
    filling.schedule.write('C', 10, (tx) => tx.set('k', 'old', 40)).sync();
    filling.schedule.passTo(45);
    const load = filling.begin(loader, 100);
    filling.schedule.write(other, 60, (tx) => tx.del('k'));
    expect(filling.end(loader, load, 130)).toBe('kept');
    filling.expectEnd({});
  });

  it('a value that was written meanwhile elsewhere wins', () => {
    const filling = new Filling();
    const load = filling.begin('A', 100);
    filling.schedule.write('B', 60, (tx) => tx.set('k', 'written'));
    expect(filling.end('A', load, 200)).toBe('kept');
    filling.expectEnd({ k: 'string "written"' });
  });

  it.each<[string, (filling: Filling) => unknown]>([
    ['removed', ({ schedule }) => schedule.write('B', 110, (tx) => tx.invalidate('k'))],
    ['written', ({ schedule }) => schedule.write('B', 110, (tx) => tx.set('k', 'b'))],
    ['flushed', ({ schedule }) => schedule.write('B', 110, (tx) => tx.flushAll())],
    ['filled', (filling) => filling.fill('B', 105, 110)],
  ])('is dropped where the key was %s here since the load began, also when that is forgotten', (_what, change) => {
    const filling = new Filling();
    const load = filling.begin('A', 100);
    change(filling);
    filling.schedule.sync().forget('ABC');
    expect(filling.end('A', load, 400)).toBe('changed');
    expect(filling.schedule.transactions).toHaveLength(1);
  });

  it('is not dropped for what happened to other keys, or before it began', () => {
    const filling = new Filling();
    filling.schedule.write('B', 10, (tx) => tx.invalidate('k')).sync();
    const load = filling.begin('A', 100);
    filling.schedule.write('A', 110, (tx) => tx.set('other', 'x'));
    expect(filling.end('A', load, 120)).toBe('kept');
    filling.expectEnd({ k: 'string "loaded"' });
  });

  it('is refused where a removal is remembered that is later than it, though it was seen', () => {
    const filling = new Filling();
    filling.schedule.write('B', 90, (tx) => tx.invalidate('k')).sync();
    expect(filling.fill('A', 100, 120)).toBe('refused');
    expect(filling.fill('A', 141, 160)).toBe('kept');
    filling.expectEnd({ k: 'string "loaded"' });
  });

  it.each(['A', 'AB', 'ABC'])('takes the place of a later removal that it had seen and %s forgot', (forgetful) => {
    const filling = new Filling();
    filling.schedule
      .write('B', 90, (tx) => tx.invalidate('k'))
      .sync()
      .forget(forgetful);
    expect(filling.fill('A', 100, 120)).toBe('kept');
    filling.expectEnd({ k: 'string "loaded"' });
  });

  it('of two fills the one whose load began later wins', () => {
    const filling = new Filling();
    const [first, second] = [filling.begin('A', 100), filling.begin('B', 101)];
    expect(filling.end('B', second, 110, 'second')).toBe('kept');
    expect(filling.end('A', first, 190, 'first')).toBe('kept');
    filling.expectEnd({ k: 'string "second"' });
  });

  it('a refill takes the place of the value before it, in every region', () => {
    const filling = new Filling();
    expect(filling.fill('A', 100, 110, 'old')).toBe('kept');
    filling.schedule.sync();
    expect(filling.fill('B', 120, 130, 'new')).toBe('kept');
    filling.expectEnd({ k: 'string "new"' });
  });

  it('FLUSHALL made meanwhile elsewhere wins, one before it does not', () => {
    const before = new Filling();
    before.schedule.write('B', 10, (tx) => tx.flushAll()).sync();
    expect(before.fill('A', 100, 110)).toBe('kept');
    before.expectEnd({ k: 'string "loaded"' });
    const meanwhile = new Filling();
    const load = meanwhile.begin('A', 100);
    meanwhile.schedule.write('B', 60, (tx) => tx.flushAll());
    expect(meanwhile.end('A', load, 110)).toBe('kept');
    meanwhile.expectEnd({});
  });

  it('hides behind another type that was written meanwhile, and takes no key that is of another type', () => {
    const filling = new Filling();
    const load = filling.begin('A', 100);
    filling.schedule.write('B', 60, (tx) => tx.hset('k', 'f', '1'));
    expect(filling.end('A', load, 110)).toBe('kept');
    filling.expectEnd({ k: 'hash f=1' });
    filling.schedule.sync();
    expect(filling.fill('C', 300, 310)).toBe('refused');
  });

  it('reports no conflicts, nor do writes that had not seen it', () => {
    const filling = new Filling();
    const load = filling.begin('A', 100);
    filling.schedule.write('B', 60, (tx) => tx.set('k', 'b'));
    expect(filling.end('A', load, 110)).toBe('kept');
    const [written, filled] = filling.schedule.transactions;
    expect([...causalOrders(filling.schedule.transactions)]).toEqual([
      [written, filled],
      [filled, written],
    ]);
    for (const order of causalOrders(filling.schedule.transactions)) expect(recordsOf(applied(order))).toEqual([]);
  });

  it('of a load that began by a clock that was ahead nothing is kept, be it set right since (seed 92303)', () => {
    const filling = new Filling();
    const ahead = filling.begin('A', 60_000);
    expect(filling.end('A', ahead, 110)).toBe('refused');
    filling.refusal = new CausewayError('CLOCKSKEW', 'the clock is ahead');
    const untimed = filling.begin('A', 120);
    filling.refusal = null;
    // it took so long that its begin is past by the clock that is right, too
    expect(filling.end('A', untimed, 90_000)).toBe('refused');
    expect(filling.fill('A', 90_010, 90_020)).toBe('kept');
  });

  it('its stamp tells it from a write', () => {
    const stamp = fillStampOf(START_MS, SKEW_MS);
    expect(isFillStamp(stamp)).toBe(true);
    const filling = new Filling();
    for (let count = 0; count < 5_000; count++)
      filling.schedule.node('A').transact((tx) => tx.publish(latin1Range(''), latin1Range('')));
    const stamps = [...filling.schedule.node('A').history].map((transaction) => transaction.stamp);
    expect(stamps.filter((each) => isFillStamp(each))).toEqual([]);
  });
});
