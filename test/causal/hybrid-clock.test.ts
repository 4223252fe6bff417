import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HybridClock, msOfStamp, STAMP_EPOCH_MS, stampOfMs, type Stamp } from '../../src/clock/stamp.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const ms = fc.integer({ min: STAMP_EPOCH_MS, max: STAMP_EPOCH_MS + 200 });

describe('the hybrid clock', () => {
  it('gives stamps that rise, are above all seen, and never behind the wall clock; ahead only by what was seen or by counting', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), ms), { maxLength: 60 }), (steps) => {
        const clock = new HybridClock(0 as Stamp);
        let highest = 0;
        let latestMs = 0;
        let given = 0;
        for (const [isSeen, atMs] of steps) {
          latestMs = Math.max(latestMs, atMs);
          if (isSeen) {
            clock.see(stampOfMs(atMs));
            highest = Math.max(highest, stampOfMs(atMs));
            continue;
          }
          const stamp = clock.next(atMs);
          given++;
          expect(stamp).toBeGreaterThan(highest);
          expect(stamp).toBeGreaterThanOrEqual(stampOfMs(atMs));
          expect(stamp).toBeLessThanOrEqual(stampOfMs(latestMs) + given);
          highest = stamp;
        }
        expect(clock.last).toBe(highest);
      }),
      runOptions(500, 5_000),
    );
  });

  it('a stamp says its millisecond; 5,000 in one millisecond still rise', () => {
    expect(msOfStamp(stampOfMs(STAMP_EPOCH_MS + 77))).toBe(STAMP_EPOCH_MS + 77);
    expect(stampOfMs(0)).toBe(0);
    const clock = new HybridClock(0 as Stamp);
    let last = 0;
    for (let at = 0; at < 5_000; at++) {
      const stamp = clock.next(STAMP_EPOCH_MS + 1);
      expect(stamp).toBeGreaterThan(last);
      last = stamp;
    }
    expect(msOfStamp(last as Stamp)).toBe(STAMP_EPOCH_MS + 2);
  });
});
