import { beforeEach, describe, expect, test } from 'vitest';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { adaptedTtlMs } from '../../src/classes/adaptive-ttl.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const MIN_MS = 1_000;
const MAX_MS = 60_000;
const CLASSES = `classes:
  - match: ["page:*"]
    ttl: { adaptive: { min: 1s, max: 1m } }
`;

test.each([
  ['nothing is known', null, MIN_MS],
  ['it stayed the same for all its time', { ttlMs: 8_000, ageMs: 8_000, isSame: true }, 16_000],
  ['it stayed the same, and was written again long after', { ttlMs: 8_000, ageMs: 900_000, isSame: true }, 16_000],
  ['it was written again at once', { ttlMs: 8_000, ageMs: 20, isSame: true }, 8_020],
  ['twice as long is too long', { ttlMs: 40_000, ageMs: 40_000, isSame: true }, MAX_MS],
  ['it changed at the end of its time', { ttlMs: 8_000, ageMs: 8_000, isSame: false }, 4_000],
  ['it changed long after', { ttlMs: 8_000, ageMs: 900_000, isSame: false }, 4_000],
  ['it changed soon', { ttlMs: 40_000, ageMs: 3_000, isSame: false }, 1_500],
  ['it changed at once', { ttlMs: 40_000, ageMs: 20, isSame: false }, MIN_MS],
  ['what was there was to live for ever', { ttlMs: Infinity, ageMs: 900_000, isSame: true }, 2 * MIN_MS],
  ['what was there had been given more than there is', { ttlMs: 900_000, ageMs: 900_000, isSame: false }, MAX_MS / 2],
])('C2a: how long a value lives where %s', (_, before, ttlMs) => {
  expect(adaptedTtlMs({ minMs: MIN_MS, maxMs: MAX_MS }, before)).toBe(ttlMs);
});

describe('C2a: keys of a class with an adaptive ttl', () => {
  let regions: VirtualRegions;

  beforeEach(() => {
    regions = new VirtualRegions({ classes: new ActiveClasses({ policy: parseClasses(CLASSES, 'classes.yaml') }) });
  });

  const run = (line: string, region = EAST): string => {
    const answer = regions.connect(region).begin(line).answer ?? 'none';
    regions.node(region).settle();
    return answer;
  };
  /** What is left to live, right after a write. */
  const ttlAfter = (line: string, region = EAST): number => {
    run(line, region);
    return Number(
      run(`PTTL ${line.split(' ')[1]}`, region)
        .replace(':', '')
        .replace('(integer) ', ''),
    );
  };
  const pass = (ms: number): void => regions.cluster.run(ms);

  test('live longer while they stay the same, whoever writes, and all regions agree', () => {
    expect(ttlAfter('SET page:1 v')).toBe(MIN_MS);
    pass(900);
    const second = ttlAfter('SET page:1 v', WEST);
    expect(second).toBeGreaterThan(1_800);
    expect(second).toBeLessThanOrEqual(2 * MIN_MS);
    pass(1_500);
    const third = ttlAfter('SET page:1 v', ASIA);
    expect(third).toBeGreaterThan(3_000);
    pass(500);
    const expiries = [EAST, WEST, ASIA].map((region) => run('PEXPIRETIME page:1', region));
    expect(new Set(expiries).size).toBe(1);
    const digests = [EAST, WEST, ASIA].map((region) => run('CW.DIGEST', region));
    expect(new Set(digests).size).toBe(1);
  });

  test('live shorter when they change', () => {
    run('SET page:1 v PX 40000');
    pass(30_000);
    const ttlMs = ttlAfter('SET page:1 other');
    expect(ttlMs).toBeGreaterThan(14_000);
    expect(ttlMs).toBeLessThanOrEqual(15_100);
  });

  test('gain nothing by being written again and again', () => {
    for (let time = 0; time < 100; time++) run('SET page:1 v');
    expect(ttlAfter('SET page:1 v')).toBeLessThan(MIN_MS + 200);
  });

  test('have an expiry of their own where they are given one; other types have the longest', () => {
    expect(ttlAfter('SET page:1 v PX 5000')).toBe(5_000);
    expect(ttlAfter('HSET page:2 f v')).toBe(MAX_MS);
    expect(ttlAfter('SET other:1 v')).toBe(-1);
  });
});
