import { describe, expect, test } from 'vitest';
import { CONTROL_UNREAD_BYTES_MAX } from '../../src/adapters/ws-connection.ts';
import type { GroupStatus } from '../../src/commands/strong-view.ts';
import { LANE_WINDOW_BYTES_MAX } from '../../src/groups/lane-limits.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualNode } from '../support/virtual-node.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const MEBIBYTE = 1024 * 1024;
/** 100 Mbit/s. */
const BYTES_PER_MS = 12_500;
const CLIENTS = 24;
const KEYS = 4;
const LIMIT_MS = 120_000;

/** Different for each client, and told from the others by its first bytes. */
const valueOf = (client: number): string => `<${client}>`.padEnd(7 * MEBIBYTE, '.');
const clientOf = (reply: string): number => Number(/^"<(\d+)>/.exec(reply)?.[1] ?? '-1');

function terms(regions: StrongRegions, at: readonly string[] = [EAST, WEST, ASIA]): number[] {
  return at.flatMap((region) =>
    regions
      .node(region)
      .core.strong.groups()
      .map(({ term }) => term),
  );
}

/** Lets time pass until all are answered. */
function answers(regions: StrongRegions, clients: readonly VirtualClient[]): string[] {
  for (let turns = 0; clients.some(({ answer }) => answer === null); turns++) {
    if (turns > 4_000) throw new Error('never answered');
    regions.cluster.run(5);
    for (const { server } of clients) server.turn();
  }
  return clients.map(({ answer }) => answer ?? '');
}

/** The west is away, and the east leads its group as well. */
function ledByEast(regions: StrongRegions): VirtualClient {
  regions.cluster.kill(regions.node(WEST));
  const east = regions.connect(EAST);
  const groups = (): GroupStatus[] => regions.node(EAST).core.strong.groups();
  const isLed = (): boolean => groups().every(({ role }) => role === 'leader');
  for (let turn = 0; !isLed() && turn < 20; turn++) {
    regions.cluster.run(1_000);
    east.run('CW.GROUP TRANSFER eu-west-1/region us-east-1/a');
  }
  expect(isLed()).toBe(true);
  return east;
}

describe('large values of strong keys through another region', () => {
  test(
    'neither elect a leader nor cut a connection; all are answered, and told the truth',
    () => {
      const regions = new StrongRegions({ bytesPerMs: BYTES_PER_MS });
      const before = terms(regions);
      const clients = Array.from({ length: CLIENTS }, () => regions.connect(ASIA));
      const bystander = regions.connect(ASIA);
      const beganMs = regions.cluster.timeMs;
      for (const [at, client] of clients.entries()) client.begin(['SET', `position:${at % KEYS}`, valueOf(at)]);
      // what is small does not wait behind what is large
      expect(bystander.run('SET position:small 1')).toBe('+OK');
      expect(regions.cluster.timeMs - beganMs).toBeLessThan(2_000);
      const written = answers(regions, clients);
      expect(regions.cluster.timeMs - beganMs).toBeLessThan(6_000);
      for (const answer of written) expect(answer).toMatch(/^\+OK|^-NOQUORUM |^-UNCERTAIN /);
      expect(written.filter((answer) => answer === '+OK').length).toBeGreaterThanOrEqual(3);
      // what had not left for the leader did not happen, and is known not to have
      expect(written.filter((answer) => answer.startsWith('-NOQUORUM')).length).toBeGreaterThanOrEqual(3);

      const readers = Array.from({ length: CLIENTS }, (_, at) =>
        regions.connect(ASIA).begin(`GET position:${at % KEYS}`),
      );
      regions.cluster.run(300);
      const askedMs = regions.cluster.timeMs;
      expect(bystander.run('GET position:small')).toBe('"1"');
      expect(regions.cluster.timeMs - askedMs).toBeLessThan(1_500);
      const read = answers(regions, readers);
      expect(read.filter((answer) => answer.startsWith('"')).length).toBeGreaterThanOrEqual(3);
      for (const answer of read) {
        if (!answer.startsWith('"')) expect(answer).toMatch(/^-NOQUORUM /);
        else expect(written[clientOf(answer)]).toMatch(/^\+OK|^-UNCERTAIN /);
      }
      expect(regions.cluster.controlCuts).toBe(0);
      expect(regions.cluster.unreadBytesMost).toBeLessThan(LANE_WINDOW_BYTES_MAX + MEBIBYTE / 8);
      expect(terms(regions)).toEqual(before);
    },
    LIMIT_MS,
  );

  test(
    'over a line that takes longer for one than a request may last: no leader is elected, and what is small goes on',
    () => {
      // 10 Mbit/s
      const regions = new StrongRegions({ bytesPerMs: 1_250 });
      const before = terms(regions);
      const clients = Array.from({ length: CLIENTS }, () => regions.connect(ASIA));
      for (const [at, client] of clients.entries()) client.begin(['SET', `position:${at % KEYS}`, valueOf(at)]);
      regions.cluster.run(1_000);
      const bystander = regions.connect(ASIA);
      for (let write = 1; write <= 5; write++) expect(bystander.run('INCR position:small')).toBe(`:${write}`);
      for (const answer of answers(regions, clients)) expect(answer).toMatch(/^-NOQUORUM /);
      expect(bystander.run('EXISTS position:0 position:1 position:2 position:3')).toBe(':0');
      expect(regions.cluster.controlCuts).toBe(0);
      expect(terms(regions)).toEqual(before);
    },
    LIMIT_MS,
  );

  test(
    'and whole states for who was away, of two groups at one leader with large entries: their windows do not add up',
    () => {
      const regions = new StrongRegions({ bytesPerMs: BYTES_PER_MS, raftLimits: { slackBytesMax: MEBIBYTE } });
      const { cluster } = regions;
      const east = ledByEast(regions);
      for (let at = 0; at < KEYS; at++) {
        east.begin(['SET', `position:${at}`, valueOf(at)]).answered();
        east.begin(['SET', `plan:${at}`, valueOf(at)]).answered();
      }
      cluster.run(3_000);
      const before = terms(regions, [EAST, ASIA]);
      cluster.unreadBytesMost = 0;
      cluster.restart(regions.node(WEST));
      const clients = Array.from({ length: CLIENTS }, () => regions.connect(ASIA));
      for (const [at, client] of clients.entries())
        client.begin(['SET', `${at % 2 === 0 ? 'position' : 'plan'}:${at % KEYS}`, valueOf(at)]);
      answers(regions, clients);
      expect(cluster.unreadBytesMost).toBeGreaterThan(MEBIBYTE);
      expect(cluster.unreadBytesMost).toBeLessThan(LANE_WINDOW_BYTES_MAX + MEBIBYTE / 8);
      expect(cluster.unreadBytesMost).toBeLessThan(CONTROL_UNREAD_BYTES_MAX);
      expect(cluster.controlCuts).toBe(0);
      expect(terms(regions, [EAST, ASIA])).toEqual(before);
      expect(cluster.runUntil(() => cluster.areEqual(), 60_000)).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'two whole states come over a slow line in about the time that the line takes',
    () => {
      const regions = new StrongRegions({ raftLimits: { slackBytesMax: MEBIBYTE } });
      const { cluster } = regions;
      const east = ledByEast(regions);
      for (let at = 0; at < 4; at++) {
        east.begin(['SET', `position:${at}`, '.'.repeat(2 * MEBIBYTE)]).answered();
        east.begin(['SET', `plan:${at}`, '.'.repeat(2 * MEBIBYTE)]).answered();
      }
      cluster.run(5_000);
      cluster.bytesPerMs = 1_250;
      const beganMs = cluster.timeMs;
      const away = regions.node(WEST);
      cluster.restart(away);
      const applied = (node: VirtualNode): number[] => node.core.strong.groups().map((group) => group.applied);
      const wanted = applied(regions.node(EAST));
      expect(cluster.runUntil(() => applied(away).every((index, at) => index >= (wanted[at] ?? 0)), 200_000)).toBe(
        true,
      );
      // 16 MiB at 1.25 MB/s
      expect(cluster.timeMs - beganMs).toBeLessThan(20_000);
      expect(cluster.controlCuts).toBe(0);
    },
    LIMIT_MS,
  );
});
