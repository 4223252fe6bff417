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

  test('also where its first life on the new disk ends before anybody tells it of an earlier one', () => {
    const regions = new StrongRegions();
    const [east, west, asia] = [EAST, WEST, ASIA].map((region) => regions.node(region));
    if (east === undefined || west === undefined || asia === undefined) throw new Error('there are three regions');
    regions.cluster.kill(asia);
    expect(regions.connect(EAST).run('SET position:1 100')).toBe('+OK');
    // the write is on two disks, and one of them is lost; nobody is there to say so
    regions.cluster.kill(west);
    regions.cluster.kill(east);
    for (const options of [{ emptyDisk: true }, {}]) {
      regions.cluster.restart(west, options);
      regions.cluster.run(5_000);
      regions.cluster.kill(west);
    }
    regions.cluster.restart(west);
    regions.cluster.restart(asia);
    regions.cluster.run(10_000);
    expect(abstains(regions, WEST)).toBe(true);
    for (const node of [asia, west]) for (const { role } of node.core.strong.groups()) expect(role).not.toBe('leader');
    regions.cluster.restart(east);
    expect(regions.cluster.runUntil(() => east.isWritable)).toBe(true);
    expect(regions.connect(EAST).run('GET position:1')).toBe('"100"');
  });

  test('votes again once the others decided so, whatever a peer that comes back later knows of', () => {
    const regions = new StrongRegions({ nodesPerRegion: 2 });
    const [west, learner] = [regions.node(WEST), regions.node(`${ASIA}/b`)];
    regions.connect(WEST).run('SET known there');
    regions.sync();
    regions.cluster.kill(learner);
    regions.cluster.kill(west);
    regions.cluster.restart(west, { emptyDisk: true });
    expect(regions.cluster.runUntil(() => abstains(regions, WEST), 10_000)).toBe(true);
    const isAbstaining = (): boolean | undefined => west.core.strong.groups()[0]?.abstains;
    const order = (text: string): string => regions.connect(EAST).run(`CW.GROUP ${text}`);
    expect(order('REMOVE us-east-1/region eu-west-1/a FORCE')).toBe('+OK');
    expect(order('ADD us-east-1/region eu-west-1/a LEARNER')).toBe('+OK');
    regions.cluster.run(2_000);
    expect(order('ADD us-east-1/region eu-west-1/a VOTER')).toBe('+OK');
    expect(isAbstaining()).toBe(false);
    expect(regions.connect(EAST).run('SET position:1 7')).toBe('+OK');
    regions.cluster.run(3_000);
    regions.restart(WEST);
    regions.cluster.restart(learner);
    regions.sync();
    expect(isAbstaining()).toBe(false);
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
