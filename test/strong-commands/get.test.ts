import { describe, expect, test } from 'vitest';
import type { VirtualClient } from '../support/virtual-client.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

interface Got {
  readonly value: string;
  readonly ageMs: number;
  readonly node: string;
}

function got(client: VirtualClient, request: string): Got {
  const reply = client.run(`CW.GET ${request}`);
  const parts = /^\[(nil|".*") (?::(\d+)|nil) "(.*)"\]$/.exec(reply);
  if (parts === null) throw new Error(`${request}: ${reply}`);
  return { value: parts[1] ?? '', ageMs: Number(parts[2] ?? Number.NaN), node: parts[3] ?? '' };
}

describe('CW.GET of strong keys', () => {
  test('at level strong is the leader’s value, of now', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    expect(got(asia, 'position:1')).toEqual({ value: 'nil', ageMs: 0, node: 'us-east-1/a' });
    east.run('SET position:1 7');
    for (const request of ['position:1', 'position:1 LEVEL strong', 'position:1 LEVEL STRONG MAXSTALE 100000'])
      expect(got(asia, request)).toEqual({ value: '"7"', ageMs: 0, node: 'us-east-1/a' });
  });

  test('at a local level is what the node shows, no older than it says', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    regions.sync();
    const { cluster } = regions;
    const ackedAtMs: number[] = [];
    for (let written = 0; written < 40; written++) {
      expect(east.run(`SET position:1 ${written}`)).toBe('+OK');
      ackedAtMs[written] = cluster.timeMs;
      const { value, ageMs, node } = got(asia, 'position:1 LEVEL causal');
      expect(node).toBe('ap-southeast-1/a');
      // the age is a promise: whatever was acknowledged before is there
      const least = ackedAtMs.findLastIndex((atMs) => atMs <= cluster.timeMs - ageMs);
      expect(value === 'nil' ? -1 : Number(value.slice(1, -1))).toBeGreaterThanOrEqual(least);
      cluster.run(13);
    }
  });

  test('of what has expired is not as old as the copy: strong reads hide it before the entry that removes it comes', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    const { cluster } = regions;
    east.run('SET position:1 v PX 3000');
    regions.sync();
    expect(got(asia, 'position:1 MAXSTALE 9000')).toMatchObject({ value: '"v"', node: 'ap-southeast-1/a' });
    regions.isolate(ASIA);
    cluster.run(3_000);
    expect(east.run('GET position:1')).toBe('nil');
    expect(got(asia, 'position:1 LEVEL causal')).toEqual({
      value: '"v"',
      ageMs: Number.NaN,
      node: 'ap-southeast-1/a',
    });
    // of another key the age is as it was
    expect(got(asia, 'position:2 LEVEL causal').ageMs).toBeLessThan(9_000);
    expect(asia.run('CW.GET position:1 MAXSTALE 9000')).toMatch(/^-NOQUORUM /);
  });

  test('grows old where the node hears nothing, and MAXSTALE asks the leader then', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 old');
    regions.sync();
    const fresh = got(asia, 'position:1 MAXSTALE 1000');
    expect(fresh).toMatchObject({ value: '"old"', node: 'ap-southeast-1/a' });
    expect(fresh.ageMs).toBeLessThanOrEqual(1_000);
    expect(got(asia, 'position:1 MAXSTALE 0')).toEqual({ value: '"old"', ageMs: 0, node: 'us-east-1/a' });
    regions.isolate(ASIA);
    regions.cluster.run(5_000);
    east.run('SET position:1 new');
    const stale = got(asia, 'position:1 LEVEL session');
    expect(stale).toMatchObject({ value: '"old"', node: 'ap-southeast-1/a' });
    expect(stale.ageMs).toBeGreaterThanOrEqual(5_000);
    expect(got(asia, 'position:1 MAXSTALE 60000').value).toBe('"old"');
    expect(asia.run('CW.GET position:1 MAXSTALE 1000')).toMatch(/^-NOQUORUM .*nothing was read/);
    regions.sync();
    expect(got(asia, 'position:1 MAXSTALE 1000').value).toBe('"new"');
  });

  test('a leader that was replaced does not say that its copy is fresh', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    const west = regions.connect(WEST);
    east.run('SET position:1 old');
    regions.sync();
    regions.isolate(EAST);
    const isLedElsewhere = (): boolean =>
      regions.node(WEST).core.strong.leaderOf('us-east-1/region')?.startsWith(EAST) === false;
    expect(regions.cluster.runUntil(isLedElsewhere)).toBe(true);
    const cutMs = regions.cluster.timeMs;
    expect(west.run('SET position:1 new')).toBe('+OK');
    regions.cluster.run(3_000);
    const { value, ageMs, node } = got(east, 'position:1 LEVEL session');
    expect([value, node]).toEqual(['"old"', 'us-east-1/a']);
    expect(ageMs).toBeGreaterThanOrEqual(regions.cluster.timeMs - cutMs - 1_000);
    expect(east.run('CW.GET position:1 MAXSTALE 1000')).toMatch(/^-NOQUORUM /);
  });

  test('who has written sees it, at every level', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    for (const level of ['session', 'causal', 'eventual']) {
      expect(asia.run(`SET position:1 ${level}`)).toBe('+OK');
      expect(got(asia, `position:1 LEVEL ${level}`).value).toBe(`"${level}"`);
    }
    asia.run('SET position:1 stale');
    expect(got(asia, 'position:1 MAXSTALE 100000').value).toBe('"stale"');
  });

  test('the connection’s level counts where none is said', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    asia.run('CW.LEVEL causal');
    expect(got(asia, 'position:1').node).toBe('ap-southeast-1/a');
    expect(got(asia, 'position:1 LEVEL strong').node).toBe('us-east-1/a');
  });

  test('is HOMEREGION where nothing is passed on and the copy will not do', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.sync();
    asia.run('CW.FORWARD off');
    expect(asia.run('CW.GET position:1')).toMatch(/^-HOMEREGION us-east-1 /);
    expect(asia.run('CW.GET position:1 MAXSTALE 0')).toMatch(/^-HOMEREGION us-east-1 /);
    expect(got(asia, 'position:1 LEVEL causal').node).toBe('ap-southeast-1/a');
  });
});

describe('CW.GET', () => {
  test('of other keys is the copy, whose age is not known', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('SET quote:1 7');
    expect(east.run('CW.GET quote:1')).toBe('["7" nil "us-east-1/a"]');
    expect(east.run('CW.GET quote:1 LEVEL session')).toBe('["7" nil "us-east-1/a"]');
    for (const options of ['LEVEL strong', 'MAXSTALE 100', 'LEVEL causal MAXSTALE 100'])
      expect(east.run(`CW.GET quote:1 ${options}`)).toMatch(/^-ERR .*not of a class of consistency strong/);
  });

  test('of other keys waits for what the connection saw of the strong ones (T2)', () => {
    const regions = new StrongRegions();
    const [west, asia] = [regions.connect(WEST), regions.connect(ASIA)];
    west.run('SET quote:1 cause');
    west.run('SET position:1 effect');
    expect(asia.run('GET position:1')).toBe('"effect"');
    expect(asia.run('CW.GET quote:1')).toBe('["cause" nil "ap-southeast-1/a"]');
  });

  test('is WRONGTYPE for other types and takes no other options', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('HSET position:1 f v');
    regions.sync();
    expect(east.run('CW.GET position:1')).toMatch(/^-WRONGTYPE /);
    expect(east.run('CW.GET position:1 LEVEL causal')).toMatch(/^-WRONGTYPE /);
    for (const options of ['LEVEL', 'LEVEL best', 'MAXSTALE -1', 'MAXSTALE x', 'LEVEL causal LEVEL causal', 'NOW 1'])
      expect(east.run(`CW.GET position:1 ${options}`)).toBe('-ERR syntax error');
  });
});
