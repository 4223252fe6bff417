import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessColumn } from '../../src/keyspace/slab/access-column.ts';
import { SlotFlag, SlotRecords } from '../../src/keyspace/slab/slot-records.ts';
import { runs } from '../support/fast-check-runs.ts';

const START_MS = 1_700_000_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

function column(keys: number): { records: SlotRecords; access: AccessColumn } {
  const records = new SlotRecords();
  const access = new AccessColumn(records);
  access.at(START_MS);
  for (let key = 0; key < keys; key++) {
    const slot = records.push();
    records.setDot(slot, 1.5, 7, 9);
    records.mark(slot, SlotFlag.Live);
    access.begin(slot);
  }
  return { records, access };
}

/** Lets time pass in steps, as ticks do. */
function pass(access: AccessColumn, fromMs: number, ms: number, stepMs = 5 * MINUTE_MS): number {
  const endMs = fromMs + ms;
  for (let nowMs = fromMs; nowMs < endMs;) {
    nowMs = Math.min(endMs, nowMs + stepMs);
    access.at(nowMs);
    access.age();
  }
  return endMs;
}

describe('when keys were used last', () => {
  it('is told to the second for an hour, and touches nothing else of the record', () => {
    const { records, access } = column(1);
    let nowMs = pass(access, START_MS, 3_000);
    expect(access.idleSeconds(0)).toBe(3);
    access.touch(0);
    expect(access.idleSeconds(0)).toBe(0);
    nowMs = pass(access, nowMs, 59 * MINUTE_MS);
    expect(access.idleSeconds(0)).toBe(59 * 60);
    records.setDot(0, 2.5, 8, 10);
    expect(access.idleSeconds(0)).toBe(59 * 60);
    expect([records.stamp(0), records.origin(0), records.seq(0)]).toEqual([2.5, 8, 10]);
  });

  it('is right to two minutes for days, for used and unused keys side by side, and never goes round', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ key: fc.nat(2), passMs: fc.integer({ min: 0, max: 3 * DAY_MS }) }), { maxLength: 8 }),
        (uses) => {
          const { access } = column(3);
          const usedAtMs = [START_MS, START_MS, START_MS];
          let nowMs = START_MS;
          for (const { key, passMs } of uses) {
            nowMs = pass(access, nowMs, passMs);
            for (const [slot, atMs] of usedAtMs.entries()) {
              const trueSeconds = Math.min((nowMs - atMs) / 1000, 11 * 24 * 3_600);
              expect(Math.abs(access.idleSeconds(slot) - trueSeconds)).toBeLessThanOrEqual(128);
            }
            access.touch(key);
            usedAtMs[key] = nowMs;
            expect(access.idleSeconds(key)).toBe(0);
          }
        },
      ),
      { numRuns: runs(40) },
    );
  });

  it('counts uses up to three', () => {
    const { access } = column(1);
    const counts = [access.uses(0)];
    for (let use = 0; use < 5; use++) {
      access.touch(0);
      counts.push(access.uses(0));
    }
    expect(counts).toEqual([0, 1, 2, 3, 3, 3]);
    access.begin(0);
    expect(access.uses(0)).toBe(0);
  });
});
