import { describe, expect, test, vi } from 'vitest';
import { HoldBack } from '../../src/causal/hold-back.ts';
import { originOf } from '../../src/clock/origin.ts';
import { Stall } from '../support/strong-stall.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

function statusOf(node: VirtualNode) {
  const status = node.core.strong.groups().find(({ name }) => name === GROUP);
  if (status === undefined) throw new Error(`${node.id} has no group`);
  return status;
}

/** Holds a node's causal stream back from another, also by way of the third. */
function stall(regions: StrongRegions, to: string, ...from: string[]): () => void {
  const stalls = from.map((each) => new Stall(regions.cluster, regions.node(each), regions.node(to)));
  return () => {
    for (const each of stalls.toReversed()) each.end();
  };
}

describe('T1: two indices a group', () => {
  test('what is applied without its causes serves strong reads, and shows nowhere else before them', () => {
    const regions = new StrongRegions();
    const [asia, west] = [regions.node(ASIA), regions.connect(WEST)];
    const end = stall(regions, ASIA, WEST, EAST);
    west.run('SET note:1 cause');
    expect(west.run('SET position:1 effect')).toBe('+OK');
    regions.cluster.run(1_000);
    const { applied, visible } = statusOf(asia);
    expect(applied).toBeGreaterThan(visible);
    expect([asia.get('position:1'), asia.get('note:1')]).toEqual([null, null]);
    expect(asia.core.vector().get(asia.core.strong.originOf(GROUP) ?? (0 as never))).toBe(visible);
    // at the level of the class it is linearizable; the copy has not got it
    const reader = regions.connect(ASIA);
    expect(reader.run('GET position:1')).toBe('"effect"');
    const copies = regions.connect(ASIA);
    copies.run('CW.LEVEL causal');
    expect(copies.run('GET position:1')).toBe('nil');
    end();
    regions.sync();
    expect([asia.get('position:1'), asia.get('note:1')]).toEqual(['effect', 'cause']);
    expect(statusOf(asia).visible).toBe(statusOf(asia).applied);
  });

  test('a write from Singapore after a read of a causal key of Ireland shows nowhere before it, whatever the delays and cuts', () => {
    for (const [slow, seed] of [
      [EAST, 1],
      [WEST, 2],
      [ASIA, 3],
    ] as const) {
      const regions = new StrongRegions({ seed });
      const { cluster } = regions;
      const ireland = regions.connect(WEST);
      const singapore = regions.connect(ASIA);
      ireland.run('SET note:1 cause');
      expect(cluster.runUntil(() => regions.node(ASIA).get('note:1') === 'cause')).toBe(true);
      const others = [EAST, WEST, ASIA].filter((region) => region !== slow);
      const end = stall(regions, slow, ...others);
      expect(singapore.run('GET note:1')).toBe('"cause"');
      singapore.begin('SET position:1 effect');
      if (seed === 2) cluster.cut(EAST, WEST);
      for (let ms = 0; ms < 6_000; ms += 5) {
        cluster.run(5);
        singapore.server.turn();
        for (const region of [EAST, WEST, ASIA]) {
          const node = regions.node(region);
          if (node.get('position:1') !== null) expect(node.get('note:1')).toBe('cause');
        }
        if (ms === 3_000) end();
        if (ms === 4_000) cluster.healAll();
      }
      expect(singapore.answered()).toMatch(/^(\+OK|-BEHIND .*)$/);
    }
  });

  test('a leader without what a session has seen waits for it, a bounded time: then BEHIND, and it did not happen', () => {
    const regions = new StrongRegions();
    const [west, east] = [regions.connect(WEST), regions.connect(EAST)];
    let end = stall(regions, EAST, WEST, ASIA);
    west.run('SET note:1 cause');
    west.begin('SET position:1 effect');
    const beganMs = regions.cluster.timeMs;
    regions.cluster.run(300);
    expect(west.answer).toBeNull();
    end();
    expect(west.answered()).toBe('+OK');
    expect(east.run('GET position:1')).toBe('"effect"');
    regions.sync();
    end = stall(regions, EAST, WEST, ASIA);
    west.run('SET note:2 cause');
    expect(west.run('SET position:1 never')).toMatch(/^-BEHIND /);
    expect(regions.cluster.timeMs - beganMs).toBeLessThan(10_000);
    // who has seen nothing of it is not held up
    expect(regions.connect(ASIA).run('INCR position:2')).toBe(':1');
    end();
    regions.sync();
    expect(east.run('GET position:1')).toBe('"effect"');
  });

  test('leadership is handed to a voter only when it shows all that the log depends on', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const east = regions.node(EAST);
    cluster.kill(east);
    const west = regions.connect(WEST);
    expect(west.run('SET position:0 v')).toBe('+OK');
    cluster.restart(east);
    const areUp = (): boolean => east.core.peers(0).every(({ connected }) => connected);
    expect(cluster.runUntil(areUp, 5_000)).toBe(true);
    const end = stall(regions, EAST, WEST, ASIA);
    west.run('SET note:1 cause');
    expect(west.run('SET position:1 effect')).toBe('+OK');
    cluster.run(8_000);
    expect([statusOf(east).applied, east.get('note:1')]).toEqual([statusOf(regions.node(WEST)).applied, null]);
    expect(statusOf(east).leader).not.toBe('us-east-1/a');
    end();
    expect(cluster.runUntil(() => statusOf(regions.node(ASIA)).leader === 'us-east-1/a', 20_000)).toBe(true);
    expect(east.get('note:1')).toBe('cause');
  });

  test('leadership goes home also where the log depends on what was lost with an earlier life of a node', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, west] = [regions.node(EAST), regions.node(WEST)];
    const backup = east.disk.copy();
    // nobody else gets the cause, and the disk of before has not got it
    const ends = [stall(regions, WEST, EAST), stall(regions, ASIA, EAST)];
    const client = regions.connect(EAST);
    client.run('SET note:1 cause');
    expect(client.run('SET position:1 effect')).toBe('+OK');
    cluster.kill(east);
    for (const end of ends.toReversed()) end();
    expect(cluster.runUntil(() => statusOf(west).leader === 'eu-west-1/a', 5_000)).toBe(true);
    const { incarnation, quorum } = east.disk;
    east.disk = backup;
    east.disk.incarnation = incarnation;
    east.disk.quorum = quorum;
    cluster.restart(east);
    const asiaEnds = stall(regions, ASIA, EAST, WEST);
    // closed for the one that leads, and stable nowhere: one region is away
    const lost = originOf(east.member.nodeNumber, 1);
    cluster.run(1_500);
    cluster.kill(regions.node(ASIA));
    asiaEnds();
    expect(west.core.vector().contains(lost, 2 ** 20)).toBe(false);
    expect(cluster.runUntil(() => statusOf(west).leader === 'us-east-1/a', 20_000)).toBe(true);
    expect(west.core.vector().contains(lost, 2 ** 20)).toBe(false);
    expect(regions.connect(EAST).run('GET position:1')).toBe('"effect"');
  });

  test('what Raft writes for itself is an empty transaction: a new leader changes no copy and leaves no gap', () => {
    const regions = new StrongRegions();
    regions.connect(EAST).run('SET position:1 v');
    regions.sync();
    const digest = regions.node(ASIA).digest();
    const before = statusOf(regions.node(ASIA));
    const operator = regions.connect(EAST);
    expect(operator.run(`CW.GROUP TRANSFER ${GROUP} ${WEST}/a`)).toBe('+OK');
    regions.sync();
    const after = statusOf(regions.node(ASIA));
    expect([after.term > before.term, after.applied > before.applied, after.visible]).toEqual([
      true,
      true,
      after.applied,
    ]);
    expect(regions.node(ASIA).digest()).toBe(digest);
  });

  test('two groups that have seen each other, and what waits for them, are shown whole in one step after a gap', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1, snapshotChunkBytes: 200 } });
    const { cluster } = regions;
    const asia = regions.node(ASIA);
    regions.isolate(ASIA);
    const client = regions.connect(WEST);
    for (let at = 0; at < 30; at++) {
      for (const line of [`SET note:${at} v`, `SET position:${at} v`, `SET plan:${at} v`])
        expect(client.run(line)).toBe('+OK');
    }
    cluster.run(6_000);
    const end = stall(regions, ASIA, WEST, EAST);
    cluster.healAll();
    const isWhole = (): boolean => statusOf(asia).applied === statusOf(regions.node(WEST)).applied;
    expect(cluster.runUntil(isWhole, 20_000)).toBe(true);
    // it was sent the state and not the log, and shows none of it yet
    expect(asia.disk.quorum.load(GROUP).log.some(({ index }) => index === 3)).toBe(false);
    expect([asia.get('position:0'), asia.get('plan:0'), statusOf(asia).visible < statusOf(asia).applied]).toEqual([
      null,
      null,
      true,
    ]);
    expect(client.run('SET position:30 v')).toBe('+OK');
    cluster.run(500);
    expect([asia.get('position:0'), asia.get('position:30')]).toEqual([null, null]);
    end();
    for (let ms = 0; ms < 5_000; ms += 5) {
      cluster.run(5);
      if (asia.get('position:29') !== null) expect([asia.get('note:29'), asia.get('plan:28')]).toEqual(['v', 'v']);
      if (asia.get('plan:29') !== null) expect(asia.get('position:29')).toBe('v');
    }
    expect([asia.get('plan:29'), asia.get('position:30')]).toEqual(['v', 'v']);
    regions.sync();
  });

  test('while a group is shown behind, what is held is looked through again only when what it lacks may be there', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1 } });
    const { cluster } = regions;
    const [east, west, asia] = [regions.node(EAST), regions.node(WEST), regions.node(ASIA)];
    const here = regions.connect(EAST);
    // whose strong writes have seen what can be held, and not what that waits for
    const [middle, there] = [regions.connect(WEST), regions.connect(WEST)];
    regions.isolate(ASIA);
    here.run('SET note:1 root');
    expect(cluster.runUntil(() => west.get('note:1') === 'root', 1_000)).toBe(true);
    expect(middle.run('GET note:1')).toBe('"root"');
    for (let at = 0; at < 12; at++) {
      expect(middle.run(`SET middle:${at} v`)).toBe('+OK');
      expect(there.run(`GET middle:${at}`)).toBe('"v"');
      for (const line of [`SET position:${at} v`, `SET plan:${at} v`]) expect(there.run(line)).toBe('+OK');
      if (at % 4 === 3) cluster.run(3_000);
    }
    const ends = [east, west].map((from) => new Stall(cluster, from, asia, east));
    cluster.healAll();
    const areEqual = (): boolean => statusOf(asia).applied === statusOf(west).applied;
    expect(cluster.runUntil(() => areEqual() && asia.core.telemetry(0).holdBackTransactions > 0, 20_000)).toBe(true);
    cluster.run(500);
    const looks = vi.spyOn(HoldBack.prototype, 'reach');
    for (let at = 0; at < 40; at++) expect(there.run(`SET risk:${at} v`)).toBe('+OK');
    expect(cluster.runUntil(areEqual, 5_000)).toBe(true);
    expect([asia.get('position:0'), asia.get('plan:0'), asia.get('middle:0')]).toEqual([null, null, null]);
    expect(looks.mock.calls.length).toBeLessThanOrEqual(2);
    looks.mockRestore();
    for (const end of ends.toReversed()) end.end();
    expect(cluster.runUntil(() => asia.get('risk:39') === 'v', 5_000)).toBe(true);
    regions.sync();
  });
});
