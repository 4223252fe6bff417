import { describe, expect, test } from 'vitest';
import { Stall } from '../support/strong-stall.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

describe('T2: the connection has a floor', () => {
  test.each(['weak', 'eventual', 'causal', 'session', 'strong', 'class'])(
    'after a strong write the next local read waits for the copy, at level %s',
    (level) => {
      const regions = new StrongRegions();
      const asia = regions.connect(ASIA);
      for (let round = 0; round < 3; round++) {
        expect(asia.run(`SET position:1 ${round}`)).toBe('+OK');
        asia.run(`CW.LEVEL ${level}`);
        expect(asia.run('GET position:1')).toBe(`"${round}"`);
        asia.run('CW.LEVEL class');
      }
    },
  );

  test('after a strong read too, and the wait is bounded: BEHIND where the copy does not come', () => {
    const regions = new StrongRegions();
    const [west, asia] = [regions.connect(WEST), regions.connect(ASIA)];
    const stalls = [WEST, EAST].map((from) => new Stall(regions.cluster, regions.node(from), regions.node(ASIA)));
    west.run('SET note:1 cause');
    west.run('SET position:1 effect');
    regions.cluster.run(500);
    expect(asia.run('GET position:1')).toBe('"effect"');
    asia.run('CW.LEVEL causal');
    const beganMs = regions.cluster.timeMs;
    expect(asia.run('GET position:1')).toMatch(/^-BEHIND .*us-east-1\/region/);
    expect(regions.cluster.timeMs - beganMs).toBeGreaterThanOrEqual(1_000);
    // a write waits as well: it would be shown before what its connection has seen
    expect(asia.run('SET note:2 v')).toMatch(/^-BEHIND /);
    for (const stall of stalls.toReversed()) stall.end();
    expect(asia.run('GET position:1')).toBe('"effect"');
  });

  test('a strong write carries what the session has seen, and not all that its node has', () => {
    const regions = new StrongRegions();
    const [other, client] = [regions.connect(WEST), regions.connect(WEST)];
    const stalls = [WEST, ASIA].map((from) => new Stall(regions.cluster, regions.node(from), regions.node(EAST)));
    other.run('SET note:1 of-another-session');
    // the home does not have it, and need not
    expect(client.run('SET position:1 v')).toBe('+OK');
    for (const stall of stalls.toReversed()) stall.end();
  });

  test('a causal write after a strong read depends on what was read: (group, index)', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, west] = [regions.connect(EAST), regions.connect(WEST)];
    east.run('SET position:1 seen');
    regions.sync();
    // what is decided from now on reaches Asia late, the stream of Ireland at once
    cluster.delayMs = (from, to) => (to.region === ASIA && from.region === EAST ? 1_500 : 40);
    east.run('SET position:1 newer');
    expect(west.run('GET position:1')).toBe('"newer"');
    expect(west.run('SET note:1 after')).toBe('+OK');
    const asia = regions.node(ASIA);
    for (let ms = 0; ms < 4_000 && asia.get('note:1') === null; ms += 5) cluster.run(5);
    expect([asia.get('note:1'), asia.get('position:1')]).toEqual(['after', 'newer']);
    expect(west.token()).toMatch(/./);
    const origin = asia.core.strong.originOf(GROUP);
    expect(origin === null ? 0 : asia.core.vector().get(origin)).toBeGreaterThan(1);
  });

  test('a token carries the floor to another node', () => {
    const regions = new StrongRegions();
    const west = regions.connect(WEST);
    for (let round = 0; round < 3; round++) {
      west.run(`SET position:1 ${round}`);
      const asia = regions.connect(ASIA);
      expect(asia.run(`CW.ATTACH ${west.token()} TIMEOUT 3000`)).toMatch(/OK/);
      asia.run('CW.LEVEL session');
      expect(asia.run('GET position:1')).toBe(`"${round}"`);
    }
  });
});
