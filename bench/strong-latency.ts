import { writeFileSync } from 'node:fs';
import { RespClient } from '../src/cli/resp-client.ts';
import { addressOf } from '../src/server/address.ts';
import { loadTopology } from '../src/server/topology.ts';
import type { BenchCluster } from './support/cluster.ts';
import { quantile } from './support/figures.ts';

const POLL_MS = 50;
const WARM_UP = 5;

/** One kind of operation with the time that it takes at least. */
export interface LatencyRow {
  readonly what: string;
  readonly limitMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What the median may be. */
  readonly barMs: number;
  readonly samples: number;
}

/** Writes a classes file whose one class has its keys under a prefix, at home in us-east-1. */
export function writeClasses(file: string, survive: 'zone' | 'region'): void {
  const rule = { match: ['k:*'], consistency: 'strong', home: HOME, survive };
  writeFileSync(file, JSON.stringify({ classes: [rule] }));
}

export const HOME = 'us-east-1';

/** A connection to a node, fulfilled when a node of the home region leads the group. */
export async function clientOf(cluster: BenchCluster, id: string): Promise<RespClient> {
  const node = cluster.nodes.find((each) => each.id === id);
  const client = await RespClient.connect(addressOf(node?.resp ?? '', id), 30_000);
  while (!(await leaderOf(client)).startsWith(HOME)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return client;
}

/** The leader's id, empty for none. */
export async function leaderOf(client: RespClient): Promise<string> {
  const [, leader] = (await client.send('CW.HOME', 'k:')) as [string, string | null, string];
  return leader ?? '';
}

async function timed(count: number, run: (at: number) => Promise<unknown>): Promise<number[]> {
  const latenciesMs: number[] = [];
  for (let at = -WARM_UP; at < count; at++) {
    const startedMs = performance.now();
    await run(at);
    if (at >= 0) latenciesMs.push(performance.now() - startedMs);
  }
  return latenciesMs;
}

/**
 * Writes of one client a region, all at once, and reads at home after them, under the measured delays. The limit of a write is the way to
 * the leader and back and that of the leader to the nearest other voter and back.
 */
export async function regionLatencies(cluster: BenchCluster, writes: number, reads: number): Promise<LatencyRow[]> {
  const topology = loadTopology('regions');
  const roundTripMs = (from: string, to: string): number => 2 * topology.oneWayMs(from, to);
  const others = cluster.nodes.map(({ region }) => region).filter((region) => region !== HOME);
  const quorumMs = Math.min(...others.map((region) => roundTripMs(HOME, region)));
  const clients = await Promise.all(cluster.nodes.map(async ({ id }) => await clientOf(cluster, id)));
  const rows = await Promise.all(
    cluster.nodes.map(async ({ region }, at): Promise<LatencyRow> => {
      const isHome = region === HOME;
      const limitMs = quorumMs + (isHome ? 0 : roundTripMs(region, HOME));
      const count = Math.max(3, Math.ceil((writes * quorumMs) / limitMs));
      const latenciesMs = await timed(count, async (n) => await clients[at]?.send('SET', `k:${region}`, `value ${n}`));
      const barMs = 1.05 * limitMs + (isHome ? 3 : 5);
      return row(`write ${isHome ? 'at home' : 'from'} ${region}, survive region`, limitMs, barMs, latenciesMs);
    }),
  );
  const readsMs = await timed(reads, async () => await clients[0]?.send('GET', `k:${HOME}`));
  for (const client of clients) client.close();
  return [...rows, row(`linearizable read at home`, 0, 1, readsMs)];
}

/** Writes of one client in the region of all voters. */
export async function zoneLatencies(client: RespClient, writes: number): Promise<LatencyRow> {
  return row(
    'write at home, survive zone',
    0,
    5,
    await timed(writes, async (n) => await client.send('SET', 'k:zone', `value ${n}`)),
  );
}

function row(what: string, limitMs: number, barMs: number, latenciesMs: number[]): LatencyRow {
  const [p50Ms, p99Ms] = [quantile(latenciesMs, 0.5), quantile(latenciesMs, 0.99)];
  return { what, limitMs, p50Ms, p99Ms, barMs, samples: latenciesMs.length };
}
