import { describe, expect, test } from 'vitest';
import { stateOnDisk } from '../support/strong-disks.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

interface Client {
  client: VirtualClient;
  isAsking: boolean;
}

/** Clients that count one up without a pause, each with its number of what was acknowledged, in doubt and refused. */
class Counting {
  readonly regions: StrongRegions;
  readonly refused: string[] = [];
  acknowledged = 0;
  inDoubt = 0;
  lastAtMs = 0;
  longestGapMs = 0;
  readonly #clients: Client[];

  constructor(regions: StrongRegions, at: readonly string[]) {
    this.regions = regions;
    this.#clients = at.map((id) => ({ client: regions.connect(id), isAsking: false }));
    this.lastAtMs = regions.cluster.timeMs;
  }

  run(ms: number, isOn = true): this {
    const { cluster } = this.regions;
    for (const untilMs = cluster.timeMs + ms; cluster.timeMs < untilMs;) {
      for (const each of this.#clients) this.#serve(each, isOn);
      cluster.run(5);
    }
    return this;
  }

  #serve(each: Client, isOn: boolean): void {
    const { client } = each;
    const { server } = client;
    if (!server.node.isRunning) return;
    if (server.life !== server.node.life) {
      // the answer went with the connection
      if (each.isAsking) this.inDoubt++;
      each.isAsking = false;
      each.client = this.regions.connect(server.node.id);
      return;
    }
    server.turn();
    if (each.isAsking) {
      const { answer } = client;
      if (answer === null) return;
      each.isAsking = false;
      this.#note(answer);
    }
    if (!isOn) return;
    client.begin('INCR position:count');
    each.isAsking = true;
  }

  #note(answer: string): void {
    const { timeMs } = this.regions.cluster;
    if (answer.startsWith(':')) {
      this.acknowledged++;
      this.longestGapMs = Math.max(this.longestGapMs, timeMs - this.lastAtMs);
      this.lastAtMs = timeMs;
    } else if (answer.startsWith('-UNCERTAIN')) this.inDoubt++;
    else this.refused.push(answer);
  }

  /** What was acknowledged is there, and no more than what may be. */
  judge(): void {
    const count = Number(this.regions.connect(ASIA).run('GET position:count').replaceAll('"', ''));
    expect(count).toBeGreaterThanOrEqual(this.acknowledged);
    expect(count).toBeLessThanOrEqual(this.acknowledged + this.inDoubt);
  }
}

describe('what strong keys show', () => {
  test('the home is killed under load: writes go on within 3 s, none is lost, none happens twice, and it leads again without a failed one', () => {
    for (const seed of [1, 2, 3]) {
      const regions = new StrongRegions({ seed });
      const counting = new Counting(regions, [WEST, WEST, ASIA]).run(1_000 + seed * 37);
      const east = regions.node(EAST);
      regions.cluster.kill(east, { keepBatch: seed === 2 });
      counting.run(5_000);
      expect(counting.longestGapMs).toBeLessThan(3_000);
      regions.cluster.restart(east);
      counting.run(8_000);
      const leads = east.core.strong
        .groups()
        .some(({ name, role }) => name === 'us-east-1/region' && role === 'leader');
      expect(leads).toBe(true);
      counting.run(6_000, false);
      expect(counting.refused).toEqual([]);
      expect(counting.inDoubt).toBe(0);
      counting.judge();
      expect(counting.acknowledged).toBeGreaterThan(20);
    }
  });

  test('every node is killed and started again, one after the other, at whatever step', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1, snapshotChunkBytes: 300 } });
    const { cluster } = regions;
    const counting = new Counting(regions, [EAST, WEST, ASIA]);
    for (let round = 0; round < 9; round++) {
      const node = cluster.node(round % 3);
      counting.run(400 + round * 17);
      cluster.kill(node, { keepBatch: round % 2 === 0 });
      counting.run(200 + round * 31);
      cluster.restart(node);
      counting.run(3_000);
    }
    counting.run(6_000, false);
    regions.sync();
    counting.judge();
    const states = cluster.nodes.map((node) => stateOnDisk(node, 'us-east-1/region'));
    for (const { bytes } of states) expect(bytes.equals(states[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  test('survive zone: a node of the home goes at any moment and writes go on; every region has its copies', () => {
    const regions = new StrongRegions({ survive: 'zone', nodesPerRegion: 3 });
    const { cluster } = regions;
    const at = ['a', 'b', 'c'].map((letter) => `${EAST}/${letter}`);
    const counting = new Counting(regions, [at[1] ?? '', at[2] ?? '', `${ASIA}/b`]).run(500);
    const leader = cluster.nodes.find((node) =>
      node.core.strong.groups().some(({ name, role }) => name === 'us-east-1/zone' && role === 'leader'),
    );
    expect(leader?.member.region).toBe(EAST);
    const beganMs = cluster.timeMs;
    expect(regions.connect(at[0] ?? '').run('SET position:1 v')).toBe('+OK');
    expect(cluster.timeMs - beganMs).toBeLessThan(20);
    if (leader !== undefined) cluster.kill(leader);
    counting.run(4_000);
    expect(counting.longestGapMs).toBeLessThan(3_000);
    if (leader !== undefined) cluster.restart(leader);
    counting.run(7_000, false);
    regions.sync();
    counting.judge();
    for (const node of cluster.nodes) expect(node.get('position:1')).toBe('v');
  });

  test('a minority: told within the time, causal keys work as before, nothing old is read as new', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const east = regions.connect(EAST);
    east.run('SET position:1 old');
    regions.isolate(EAST);
    const west = regions.connect(WEST);
    let reply = '';
    while (reply !== '+OK') reply = west.run('SET position:1 new');
    for (const line of ['GET position:1', 'SET position:1 mine', 'EXISTS position:1', 'WATCH position:1']) {
      const beganMs = cluster.timeMs;
      expect(east.run(line)).toMatch(/^-(NOQUORUM|UNCERTAIN) /);
      expect(cluster.timeMs - beganMs).toBeLessThanOrEqual(5_010);
      expect(east.run('INCR note:n')).toMatch(/^:/);
    }
    regions.sync();
    regions.led();
    expect(regions.connect(ASIA).run('GET note:n')).toBe('"4"');
    expect(east.run('GET position:1')).toBe('"new"');
  });
});
