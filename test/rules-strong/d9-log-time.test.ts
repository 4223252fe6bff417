import { describe, expect, test } from 'vitest';
import { stateOnDisk } from '../support/strong-disks.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

describe('D9: strong keys expire by the time of the log alone', () => {
  test('no clock hides one: it goes when the log says so, everywhere with the same entry', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const east = regions.connect(EAST);
    east.run('SET position:1 v PX 1000');
    regions.cluster.run(500);
    const asia = regions.node(ASIA);
    regions.isolate(ASIA);
    asia.clockOffsetMs = 400;
    cluster.run(3_000);
    expect(regions.node(EAST).get('position:1')).toBeNull();
    // nothing told it
    expect(asia.get('position:1')).toBe('v');
    asia.clockOffsetMs = 0;
    regions.sync();
    expect(asia.get('position:1')).toBeNull();
    for (const region of [EAST, WEST, ASIA])
      expect(stateOnDisk(regions.node(region), GROUP).keys).not.toContain('position:1');
  });

  test('without a request there is still an entry that removes it, soon', () => {
    const regions = new StrongRegions();
    regions.connect(EAST).run('SET position:1 v PX 700');
    expect(regions.cluster.runUntil(() => regions.node(ASIA).get('position:1') === 'v', 1_000)).toBe(true);
    expect(regions.cluster.runUntil(() => regions.node(ASIA).get('position:1') === null, 1_500)).toBe(true);
  });

  test('the class gives the time to live, and a new leader goes on with it', () => {
    const regions = new StrongRegions({ ttlMs: 4_000 });
    const { cluster } = regions;
    const asia = regions.connect(ASIA);
    asia.run('SET position:1 v');
    asia.run('SET position:2 v');
    asia.run('PERSIST position:2');
    cluster.kill(regions.node(EAST));
    cluster.run(6_000);
    expect(asia.run('EXISTS position:1')).toBe(':0');
    expect(asia.run('EXISTS position:2')).toBe(':1');
  });

  test('a leader whose clock is far ahead expires and stamps nothing, says CLOCKSKEW, and hands on', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    asia.run('SET position:1 v EX 600');
    regions.node(EAST).clockOffsetMs = 3_600_000;
    cluster.run(300);
    expect(east.run('SET position:2 v')).toMatch(/^-CLOCKSKEW/);
    expect(asia.run('SET position:3 v')).toMatch(/^-CLOCKSKEW .*leader.*did not happen/);
    const leads = (region: string): boolean =>
      regions
        .node(region)
        .core.strong.groups()
        .find(({ name }) => name === GROUP)?.role === 'leader';
    expect(cluster.runUntil(() => leads(WEST) || leads(ASIA), 10_000)).toBe(true);
    expect(asia.run('SET position:2 v')).toBe('+OK');
    for (let ms = 0; ms < 5_000; ms += 20) {
      cluster.run(20);
      expect(leads(EAST)).toBe(false);
    }
    expect(asia.run('GET position:1')).toBe('"v"');
    expect(regions.node(WEST).get('position:2')).toBe('v');
    regions.node(EAST).clockOffsetMs = 0;
    expect(cluster.runUntil(() => leads(EAST), 20_000)).toBe(true);
    expect(asia.run('GET position:1')).toBe('"v"');
  });

  test('a leader that may not remove what has expired does not ask for time again and again', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    regions.connect(ASIA).run('SET position:1 v EX 600');
    const east = regions.node(EAST);
    const leads = (): boolean =>
      east.core.strong.groups().some(({ name, role }) => name === GROUP && role === 'leader');
    east.clockOffsetMs = 3_600_000;
    cluster.run(300);
    const asked: number[] = [];
    // it hands on soon
    for (let step = 0; step < 20 && leads(); step++) {
      asked.push(east.core.nextTickMs());
      cluster.run(10);
    }
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((ms) => ms <= 1).length).toBeLessThan(asked.length / 2);
    // where the clock is right again it is removed soon, and not before
    east.clockOffsetMs = 0;
    regions.led();
    cluster.run(590_000);
    expect(east.get('position:1')).toBe('v');
    expect(cluster.runUntil(() => east.get('position:1') === null, 15_000)).toBe(true);
  });
});
