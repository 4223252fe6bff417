import { expect, test } from 'vitest';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import { VirtualRegions } from '../support/virtual-regions.ts';

const REGIONS = ['r1', 'r2', 'r3', 'r4', 'r5'];
/** Each depends on the one before it, and the first on the last. */
const KEYS = ['a', 'b', 'c', 'd'];
const STEPS = 30;

/**
 * Keys in a circle are written with their dependencies and invalidated in all regions at once, which hear of each other
 * late: how many records that makes for each one asked for.
 */
function recordsForEach(seed: number): number {
  const random = new SeededRandom(seed);
  const below = (limit: number): number => Math.floor(random.unit() * limit);
  const regions = new VirtualRegions({ regions: REGIONS, delayMs: () => 50 + random.unit() * 300 });
  const clients = REGIONS.map((region) => regions.connect(region));
  let asked = 0;
  for (let step = 0; step < STEPS; step++) {
    for (const client of clients) {
      const at = below(KEYS.length);
      const [key = '', on = ''] = [KEYS[at], KEYS[(at + 1) % KEYS.length]];
      if (random.unit() < 0.6)
        for (const line of ['MULTI', `SET ${key} v`, `CW.DEPEND ${key} ON ${on}`, 'EXEC']) client.run(line);
      else if (random.unit() < 0.5) {
        client.run(`CW.INVALIDATE${random.unit() < 0.3 ? ' LAZY 300' : ''} KEY ${key}`);
        asked++;
      }
    }
    regions.cluster.run(20);
  }
  regions.sync();
  const made = REGIONS.map((region) => regions.node(region).core.telemetry(0).invalidations.made.key);
  return made.reduce((sum, each) => sum + each, 0) / asked;
}

test('each node goes on once with what follows from an invalidation, however keys depend on each other', () => {
  for (let seed = 1; seed <= 4; seed++) expect(recordsForEach(seed)).toBeLessThanOrEqual(KEYS.length * REGIONS.length);
});
