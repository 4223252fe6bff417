import { expect, test } from 'vitest';
import type { InvalidationTelemetry } from '../../src/node/telemetry.ts';
import { EAST, WEST } from '../support/virtual-regions.ts';
import { openRegions } from './invalidation-regions.ts';

test('a node counts what it invalidates, what it hears of and how late, and what waits', () => {
  const { regions, east, west } = openRegions();
  const figuresOf = (region: string): InvalidationTelemetry => regions.node(region).core.telemetry(0).invalidations;
  for (const key of ['a', 'b', 'c', 'p:1', 'p:2', 't']) east.run(`SET ${key} v`);
  east.run('CW.DEPEND b ON a');
  east.run('CW.DEPEND c ON b');
  east.run('CW.TAG t T');
  regions.sync();
  east.run('CW.INVALIDATE KEY a');
  east.run('CW.INVALIDATE PATTERN p:*');
  west.run('CW.INVALIDATE TAG T');
  west.run('CW.INVALIDATE DELAY 60000 KEY other');
  regions.sync();
  expect(figuresOf(EAST)).toMatchObject({
    made: { key: 1, tag: 0, pattern: 1 },
    heard: { key: 0, tag: 1, pattern: 0 },
    keys: 5,
    dependents: 2,
    dependentsMost: 2,
    cut: 0,
    running: 0,
    delayed: 1,
  });
  const heard = figuresOf(WEST);
  expect(heard).toMatchObject({ made: { tag: 1 }, heard: { key: 1, pattern: 1 }, keys: 1, dependents: 0 });
  expect(heard.lag.count).toBe(2);
  // the two are 10 ms or more apart
  expect(heard.lag.sumUsec / 2).toBeGreaterThan(9_000);
  expect(heard.lag.sumUsec / 2).toBeLessThan(1_000_000);
});

test('a cascade that is cut is counted', () => {
  const { regions, east } = openRegions();
  east.run('SET k:0 v');
  for (let depth = 1; depth <= 40; depth++) {
    east.run(`SET k:${depth} v`);
    east.run(`CW.DEPEND k:${depth} ON k:${depth - 1}`);
  }
  expect(east.run('CW.INVALIDATE KEY k:0')).toMatch(/CASCADE/);
  const { cut, keys, dependentsMost } = regions.node(EAST).core.telemetry(0).invalidations;
  expect({ cut, keys, dependentsMost }).toEqual({ cut: 1, keys: 33, dependentsMost: 32 });
});
