import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerClock } from '../../src/causal/peer-clock.ts';

/** An exchange: what was sent at `atMs` of ours is answered at once, after so long there and so long back. */
interface Exchange {
  readonly atMs: number;
  readonly thereMs: number;
  readonly backMs: number;
}

function saw(clock: PeerClock, aheadMs: number, { atMs, thereMs, backMs }: Exchange): void {
  clock.saw(atMs + thereMs + aheadMs, atMs + thereMs + backMs, thereMs + backMs);
}

describe("a peer's clock", () => {
  const delay = fc.integer({ min: 0, max: 5_000 });
  const exchange = fc.record({ atMs: fc.integer({ min: 0, max: 1e9 }), thereMs: delay, backMs: delay });

  test('is known as well as by the quickest exchange, whatever the others take', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.array(exchange, { minLength: 1, maxLength: 20 }),
        (aheadMs, exchanges) => {
          const clock = new PeerClock();
          for (const each of exchanges) saw(clock, aheadMs, each);
          const quickestMs = Math.min(...exchanges.map(({ thereMs, backMs }) => thereMs + backMs));
          expect(Math.abs((clock.baseMs ?? NaN) - aheadMs)).toBeLessThanOrEqual(quickestMs / 2);
        },
      ),
    );
  });

  test('that was set is known by the next exchange that says so', () => {
    const clock = new PeerClock();
    saw(clock, 0, { atMs: 0, thereMs: 10, backMs: 10 });
    for (const aheadMs of [60_000, -600, 0]) {
      saw(clock, aheadMs, { atMs: 1_000, thereMs: 100, backMs: 100 });
      expect(Math.abs((clock.baseMs ?? NaN) - aheadMs)).toBeLessThanOrEqual(100);
    }
  });

  test('of which no exchange was heard yet is what it said', () => {
    const clock = new PeerClock();
    expect(clock.baseMs).toBeNull();
    clock.saw(5_000, 1_000, null);
    expect(clock.baseMs).toBe(4_000);
    // the first exchange says more, also where it does not contradict
    clock.saw(5_050, 1_100, 200);
    expect(clock.baseMs).toBe(4_050);
    // what echoes nothing says nothing more, but that it is not so far behind
    clock.saw(5_060, 1_200, null);
    expect(clock.baseMs).toBe(4_050);
    clock.saw(9_000, 1_300, null);
    expect(clock.baseMs).toBe(7_700);
  });
});
