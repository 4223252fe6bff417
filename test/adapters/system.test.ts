import { expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { SystemEntropy } from '../../src/adapters/system-entropy.ts';

test('the clock: wall time is now, monotonic time does not go back', () => {
  expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(60_000);
  let last = systemClock.monotonicMs();
  for (let i = 0; i < 1000; i++) {
    const now = systemClock.monotonicMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

test('entropy: units fill [0, 1) evenly, across the borders of its pool', () => {
  const entropy = new SystemEntropy();
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 8000; i++) {
    const unit = entropy.unit();
    expect(unit).toBeGreaterThanOrEqual(0);
    expect(unit).toBeLessThan(1);
    const slot = Math.floor(unit * 8);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  // 1000 expected in each; 150 away is five standard deviations.
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test('entropy: as many bytes as were asked for, different each time, kept by the caller', () => {
  const entropy = new SystemEntropy();
  const seen = new Set<string>();
  for (let i = 0; i < 600; i++) seen.add(Buffer.from(entropy.bytes(16)).toString('hex'));
  expect(seen.size).toBe(600);
  expect(entropy.bytes(0)).toHaveLength(0);
  expect(entropy.bytes(10_000)).toHaveLength(10_000);
  const kept = entropy.bytes(16);
  const copy = kept.slice();
  for (let i = 0; i < 600; i++) entropy.bytes(16);
  expect(kept).toEqual(copy);
});
