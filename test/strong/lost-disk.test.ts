import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const abstains = (regions: StrongRegions, region: string): boolean =>
  regions
    .node(region)
    .core.strong.groups()
    .every((group) => group.abstains);

/** Three regions in which Ireland comes back with an empty disk after something was written. */
function afterLoss(): StrongRegions {
  const regions = new StrongRegions();
  expect(regions.connect(ASIA).run('SET position:1 100')).toBe('+OK');
  regions.sync();
  const west = regions.node(WEST);
  regions.cluster.kill(west);
  regions.cluster.restart(west, { emptyDisk: true });
  expect(regions.cluster.runUntil(() => west.isWritable)).toBe(true);
  regions.cluster.run(3_000);
  return regions;
}

describe('a voter whose disk was lost', () => {
  test('votes for nobody: two of three are no quorum with it, and nothing that was acknowledged can be lost', () => {
    const regions = afterLoss();
    expect(abstains(regions, WEST)).toBe(true);
    expect(abstains(regions, EAST)).toBe(false);
    const [east, asia] = [regions.node(EAST), regions.node(ASIA)];
    regions.cluster.kill(east);
    regions.cluster.kill(asia);
    regions.cluster.restart(asia);
    regions.cluster.run(10_000);
    for (const node of [asia, regions.node(WEST)])
      for (const { role } of node.core.strong.groups()) expect(role).not.toBe('leader');
    expect(regions.connect(WEST).run('SET position:1 7')).toMatch(/^-NOQUORUM /);
    regions.cluster.restart(east);
    expect(regions.cluster.runUntil(() => east.isWritable)).toBe(true);
    expect(regions.connect(EAST).run('GET position:1')).toBe('"100"');
  });

  test('takes what is written all the same, and goes on so after a restart on its new disk', () => {
    const regions = afterLoss();
    regions.restart(WEST);
    regions.cluster.run(3_000);
    expect(abstains(regions, WEST)).toBe(true);
    expect(regions.connect(EAST).run('INCR position:1')).toBe(':101');
    regions.cluster.run(2_000);
    expect(regions.node(WEST).get('position:1')).toBe('101');
  });

  test('a disk that was only started again, and a first start, lose no vote', () => {
    const regions = new StrongRegions();
    for (const region of [EAST, WEST, ASIA]) expect(abstains(regions, region)).toBe(false);
    regions.restart(WEST);
    regions.restart(EAST);
    regions.cluster.run(3_000);
    for (const region of [EAST, WEST, ASIA]) expect(abstains(regions, region)).toBe(false);
  });
});
