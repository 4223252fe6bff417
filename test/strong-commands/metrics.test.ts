import { describe, expect, test } from 'vitest';
import type { GroupTelemetry } from '../../src/node/telemetry.ts';
import { HttpRig, QUIET_NODE } from '../http/http-rig.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

function groupAt(regions: StrongRegions, region: string): GroupTelemetry {
  const group = regions
    .node(region)
    .core.telemetry(0)
    .groups.find(({ name }) => name === GROUP);
  if (group === undefined) throw new Error('no such group');
  return group;
}

describe('figures of a group', () => {
  test('the leader counts proposals and what a quorum takes, every voter what its disk takes', () => {
    const regions = new StrongRegions({ diskMs: 4 });
    const asia = regions.connect(ASIA);
    for (let write = 0; write < 10; write++) asia.run('INCR position:1');
    expect(groupAt(regions, EAST).proposalsTotal).toBe(10);
    expect(groupAt(regions, ASIA).proposalsTotal).toBe(0);
    const { quorumLatency } = groupAt(regions, EAST);
    expect(quorumLatency.count).toBe(10);
    // the nearest other voter is 35 ms away, and writes to its disk before it answers
    expect(quorumLatency.sumUsec / quorumLatency.count).toBeGreaterThanOrEqual(70_000);
    for (const region of [EAST, WEST, ASIA]) {
      const { syncLatency } = groupAt(regions, region);
      expect(syncLatency.count).toBeGreaterThan(0);
      expect(syncLatency.sumUsec / syncLatency.count).toBeGreaterThanOrEqual(4_000);
    }
  });

  test('errors of groups are counted where the client is, by code', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.isolate(ASIA);
    const west = regions.connect(WEST);
    expect(asia.run('SET position:1 1')).toMatch(/^-UNCERTAIN |^-NOQUORUM /);
    expect(asia.run('SET position:1 1')).toMatch(/^-NOQUORUM /);
    const { refusals } = groupAt(regions, ASIA);
    expect([...refusals.values()].reduce((sum, count) => sum + count)).toBe(2);
    expect(refusals.get('NOQUORUM')).toBeGreaterThanOrEqual(1);
    west.run('SET position:1 1');
    expect(groupAt(regions, WEST).refusals.size).toBe(0);
  });

  test('stand in /metrics, a line a group', async () => {
    const regions = new StrongRegions();
    regions.connect(ASIA).run('SET position:1 1');
    regions.sync();
    const rig = await new HttpRig().start();
    rig.node = { ...QUIET_NODE, groups: regions.node(EAST).core.telemetry(0).groups };
    const text = await (await rig.get('/metrics')).text();
    const valueOf = (line: string): number => {
      const found = text.split('\n').find((each) => each.startsWith(`${line} `));
      return Number(found?.slice(line.length + 1) ?? Number.NaN);
    };
    const { commit, term } = groupAt(regions, EAST);
    expect(valueOf(`causeway_group_leader{group="${GROUP}"}`)).toBe(1);
    expect(valueOf('causeway_group_leader{group="eu-west-1/region"}')).toBe(0);
    expect(valueOf(`causeway_group_has_leader{group="${GROUP}"}`)).toBe(1);
    expect(valueOf(`causeway_group_term{group="${GROUP}"}`)).toBe(term);
    expect(valueOf(`causeway_group_voters{group="${GROUP}"}`)).toBe(3);
    for (const name of ['commit', 'applied', 'visible'])
      expect(valueOf(`causeway_group_${name}_index{group="${GROUP}"}`)).toBe(commit);
    for (const name of ['apply_lag', 'visible_lag', 'leaderless_ms'])
      expect(valueOf(`causeway_group_${name}{group="${GROUP}"}`)).toBe(0);
    expect(valueOf(`causeway_group_age_ms{group="${GROUP}"}`)).toBeLessThanOrEqual(1_000);
    expect(valueOf(`causeway_group_member_lag{group="${GROUP}",member="${WEST}/a"}`)).toBe(0);
    expect(valueOf(`causeway_group_proposals_total{group="${GROUP}"}`)).toBe(1);
    expect(valueOf(`causeway_group_quorum_duration_seconds_count{group="${GROUP}"}`)).toBe(1);
    expect(valueOf(`causeway_group_sync_duration_seconds_count{group="${GROUP}"}`)).toBeGreaterThan(0);
  });
});

describe('what is said of a group without a leader', () => {
  test('the node stays ready, for its other keys, and names the group', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    const { core } = regions.node(ASIA);
    expect(core.degradedReasons(0)).toEqual([]);
    regions.cluster.kill(regions.node(EAST));
    regions.cluster.kill(regions.node(WEST));
    regions.cluster.run(8_000);
    expect(core.unreadyReasons(0)).toEqual([]);
    const troubles = core.degradedReasons(0);
    expect(troubles).toEqual([
      expect.stringMatching(/^group us-east-1\/region has no leader for \d+ s: its strong keys are not served$/),
      expect.stringMatching(/^group eu-west-1\/region has no leader for \d+ s/),
    ]);
    expect(asia.run('CW.NODE')).toContain(`"degraded" "${troubles.join('; ')}"`);
    expect(asia.run('INFO causeway')).toContain('degraded_reasons:group us-east-1/region has no leader');
    expect(asia.run('SET quote:1 1')).toBe('+OK');
    for (const region of [EAST, WEST]) regions.cluster.restart(regions.node(region));
    regions.led();
    expect(core.degradedReasons(0)).toEqual([]);
  });

  test('INFO groups has a line a group', () => {
    const regions = new StrongRegions();
    regions.cluster.run(1_000);
    const text = regions.connect(WEST).run('INFO groups');
    expect(text).toMatch(/# Groups.*groups:2/s);
    expect(text).toMatch(
      /group0:name=us-east-1\/region,role=follower,term=\d+,leader=us-east-1\/a,commit=\d+,applied=\d+,visible=\d+,age_ms=\d+,voters=3,learners=0/,
    );
  });
});
