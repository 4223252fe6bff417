import { describe, expect, test } from 'vitest';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { nodeOf } from '../../src/clock/origin.ts';
import { stateOnDisk } from '../support/strong-disks.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

describe('T5: once, and told the truth', () => {
  test('a request whose answer is lost with its leader runs once, whoever leads next', () => {
    for (let cutAfterMs = 20; cutAfterMs < 420; cutAfterMs += 20) {
      const regions = new StrongRegions();
      const { cluster } = regions;
      const asia = regions.connect(ASIA);
      asia.run('SET position:n 0');
      asia.begin('INCR position:n');
      cluster.run(cutAfterMs);
      cluster.kill(regions.node(EAST), { keepBatch: cutAfterMs % 40 === 0 });
      expect(asia.answered()).toBe(':1');
      expect(asia.run('GET position:n')).toBe('"1"');
      cluster.restart(regions.node(EAST));
      regions.led();
      expect(regions.connect(EAST).run('GET position:n')).toBe('"1"');
    }
  });

  test('what was asked and answered is in the snapshot: who got the state that way runs no retry again', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1, snapshotChunkBytes: 150 } });
    const { cluster } = regions;
    const wall = regions.node(ASIA).now().wallMs;
    regions.isolate(ASIA);
    const west = regions.connect(WEST);
    expect(west.run(`CW.ONCE order-1 ${wall} INCR position:n`)).toBe(':1');
    for (let at = 0; at < 20; at++) west.run(`SET position:${at} v`);
    cluster.run(5_000);
    cluster.healAll();
    const asia = regions.node(ASIA);
    const applied = (): number => asia.core.strong.groups().find(({ name }) => name === GROUP)?.applied ?? 0;
    const target =
      regions
        .node(EAST)
        .core.strong.groups()
        .find(({ name }) => name === GROUP)?.applied ?? 0;
    expect(cluster.runUntil(() => applied() >= target, 20_000)).toBe(true);
    regions.sync();
    const states = [EAST, WEST, ASIA].map((region) => stateOnDisk(regions.node(region), GROUP));
    for (const { bytes } of states) expect(bytes.equals(states[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
    expect(regions.connect(EAST).run(`CW.GROUP TRANSFER ${GROUP} ${ASIA}/a`)).toBe('+OK');
    for (const region of [EAST, WEST, ASIA])
      expect(regions.connect(region).run(`CW.ONCE order-1 ${wall} INCR position:n`)).toBe(':1');
    expect(west.run('GET position:n')).toBe('"1"');
  });

  test('NOQUORUM where it was appended nowhere, UNCERTAIN where it may have been; both within the time, and causal keys work', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    asia.run('SET position:1 before');
    regions.isolate(ASIA);
    cluster.run(2_000);
    let beganMs = cluster.timeMs;
    const refused = asia.run('SET position:1 never');
    expect(refused).toMatch(/^-NOQUORUM .*us-east-1\/region.* 5000 ms.*did not happen/);
    expect(cluster.timeMs - beganMs).toBeLessThan(5_100);
    expect(asia.run('SET note:1 v')).toBe('+OK');
    expect(asia.run('GET position:1')).toMatch(/^-NOQUORUM .*nothing was read/);
    cluster.healAll();
    regions.sync();
    expect(east.run('GET position:1')).toBe('"before"');

    regions.isolate(EAST);
    beganMs = cluster.timeMs;
    const doubtful = east.run('INCR position:n');
    expect(doubtful).toMatch(/^-UNCERTAIN .*us-east-1\/region.* 5000 ms/);
    expect(cluster.timeMs - beganMs).toBeLessThan(5_100);
    expect(east.run('SET note:2 v')).toBe('+OK');
    regions.sync();
    regions.led();
    expect(east.run('GET position:n')).toMatch(/^(nil|"1")$/);
  });

  test('a request on the way to a leader that goes away is never NOQUORUM if it can still come to be', () => {
    for (const cutAfterMs of [10, 60, 120, 200]) {
      const regions = new StrongRegions();
      const { cluster } = regions;
      const asia = regions.connect(ASIA);
      asia.begin('INCR position:n');
      cluster.run(cutAfterMs);
      regions.isolate(ASIA);
      const reply = asia.answered();
      cluster.healAll();
      regions.sync();
      const count = regions.connect(EAST).run('GET position:n');
      if (reply.startsWith('-NOQUORUM')) expect(count).toBe('nil');
      else expect(reply).toMatch(/^-UNCERTAIN/);
    }
  });

  test('running deps are those of the log, on every member and after a snapshot', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1, snapshotChunkBytes: 150 } });
    const { cluster } = regions;
    const west = regions.connect(WEST);
    west.run('SET note:1 v');
    west.run('SET position:1 v');
    regions.isolate(ASIA);
    west.run('SET note:2 v');
    west.run('SET position:1 w');
    cluster.run(6_000);
    regions.sync();
    cluster.run(2_000);
    const running = [EAST, WEST, ASIA].map((region) => [
      ...stateOnDisk(regions.node(region), GROUP).state.running.dots(),
    ]);
    expect(running[1]).toEqual(running[0]);
    expect(running[2]).toEqual(running[0]);
    expect(running[0]?.map(([origin]) => nodeOf(origin))).toEqual([regions.node(WEST).member.nodeNumber]);
    expect(running[0]?.some(([origin]) => origin === groupOrigin(1, 'region'))).toBe(false);
  });
});
