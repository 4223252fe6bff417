import { readFileSync } from 'node:fs';
import { askAdmin } from '../../src/wan/admin-client.ts';
import type { BenchCluster } from './cluster.ts';
import { LoadConnection } from './load-connection.ts';

/** The regions that `up` runs when nothing is said. */
export const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];

/** Half of the measured average round trip: the physical limit of this cluster. */
export function oneWay(from: string, to: string): number {
  const rows = readFileSync(new URL('../../regions/rtt.csv', import.meta.url), 'utf8').split('\n');
  const row = rows.find((line) => line.startsWith(`${from},${to},`));
  return Number(row?.split(',')[3] ?? NaN) / 2;
}

/** Bytes that went between regions since the start, frames and all, as the shaper counts them on its sockets. */
export async function wireBytes(cluster: BenchCluster): Promise<number> {
  const { links } = (await askAdmin(cluster.wan, '/links')) as { links: { bytesTotal: number }[] };
  return links.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0);
}

/** Calls `send` with how many are due, about every millisecond, until `isOver`. */
export async function paced(perSecond: number, isOver: () => boolean, send: (count: number) => void): Promise<void> {
  const startMs = performance.now();
  let done = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startMs) * perSecond) / 1000) - done;
      if (due > 0) send(due);
      done += Math.max(0, due);
      if (!isOver()) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
}

/** Waits until all regions have applied what was written: WAIT on a last write in each. */
export async function settled(cluster: BenchCluster): Promise<void> {
  for (const node of cluster.nodes) {
    const connection = await LoadConnection.open(node.resp);
    await connection.command('SET', `end:${node.id}`, '1');
    await connection.command('WAIT', String(REGIONS.length - 1), '60000');
    connection.close();
  }
}

/** Whether all regions show the same. */
export async function areEqual(cluster: BenchCluster): Promise<boolean> {
  const seen = new Set<string>();
  for (const node of cluster.nodes) {
    const connection = await LoadConnection.open(node.resp);
    seen.add(await connection.command('CW.DIGEST'));
    connection.close();
  }
  return seen.size === 1;
}
