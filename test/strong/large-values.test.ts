import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA } from '../support/virtual-regions.ts';

const MEBIBYTE = 1024 * 1024;
/** 100 Mbit/s. */
const BYTES_PER_MS = 12_500;
const CLIENTS = 24;
const KEYS = 4;
const LIMIT_MS = 120_000;

/** Different for each client, and told from the others by its first bytes. */
const valueOf = (client: number): string => `<${client}>`.padEnd(7 * MEBIBYTE, '.');
const clientOf = (reply: string): number => Number(/^"<(\d+)>/.exec(reply)?.[1] ?? '-1');

function terms(regions: StrongRegions): number[] {
  return regions.cluster.running().flatMap(({ core }) => core.strong.groups().map(({ term }) => term));
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
      const read = answers(regions, readers);
      expect(read.filter((answer) => answer.startsWith('"')).length).toBeGreaterThanOrEqual(3);
      for (const answer of read) {
        if (!answer.startsWith('"')) expect(answer).toMatch(/^-NOQUORUM /);
        else expect(written[clientOf(answer)]).toMatch(/^\+OK|^-UNCERTAIN /);
      }
      expect(regions.cluster.controlCuts).toBe(0);
      expect(regions.cluster.unreadBytesMost).toBeLessThan(4 * MEBIBYTE);
      expect(terms(regions)).toEqual(before);
    },
    LIMIT_MS,
  );
});
