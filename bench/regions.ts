import { readFileSync } from 'node:fs';
import { childrenOf, commandLine, cpuSeconds } from './support/processes.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';
import { mean, quantile, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];
const VALUE = 'x'.repeat(64);
const KEY = /w:(\d+):(\d+)\r\n/g;

interface PairFigures {
  readonly from: string;
  readonly to: string;
  readonly oneWayMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly samples: number;
}

/**
 * The time from a write's reply to its visibility in another region, under `up` with the real delays. Writers and watchers are one process,
 * so there is one monotonic clock; a write is visible when the other region's keyspace notification of it was read, which is
 * after the apply: what is printed is an upper bound. Writes are open-loop at a fixed rate.
 */
export const regions: Bench = {
  name: 'regions',
  summary: 'visibility lag between regions under the measured delays',
  run: async (options: BenchOptions) => {
    const cluster = await startCluster(['--port-base', String(options.portBase)]);
    try {
      return await measure(cluster, options);
    } finally {
      await cluster.stop();
    }
  },
};

async function measure(cluster: BenchCluster, options: BenchOptions): Promise<BenchResult> {
  const seconds = options.small ? 3 : options.seconds;
  const writesPerSecond = options.rate;
  const replyAtMs: Float64Array[] = REGIONS.map(
    () => new Float64Array(Math.ceil((writesPerSecond * (seconds + 5)) / REGIONS.length)),
  );
  const sent = REGIONS.map(() => 0);
  const replied = REGIONS.map(() => 0);
  const lags: number[][][] = REGIONS.map(() => REGIONS.map(() => []));
  const connections: LoadConnection[] = [];

  for (const [at, node] of cluster.nodes.entries()) {
    const setup = await LoadConnection.open(node.resp);
    await setup.command('CONFIG', 'SET', 'notify-keyspace-events', 'E$');
    setup.close();
    const watcher = await LoadConnection.open(node.resp);
    await watcher.command('SUBSCRIBE', '__keyevent@0__:set');
    let rest = '';
    watcher.onData((bytes) => {
      const nowMs = performance.now();
      const text = rest + bytes.toString('latin1');
      let end = 0;
      for (const match of text.matchAll(KEY)) {
        end = match.index + match[0].length;
        const from = Number(match[1]);
        const repliedMs = replyAtMs[from]?.[Number(match[2])] ?? 0;
        if (from !== at && repliedMs > warmUntilMs) lags[from]?.[at]?.push(nowMs - repliedMs);
      }
      rest = text.slice(end).slice(-256);
    });
    connections.push(watcher);
  }

  const writers: LoadConnection[] = [];
  for (const [at, node] of cluster.nodes.entries()) {
    const writer = await LoadConnection.open(node.resp);
    writer.onData((bytes) => {
      const nowMs = performance.now();
      let replies = 0;
      for (const byte of bytes) if (byte === 10) replies++;
      const first = replied[at] ?? 0;
      replyAtMs[at]?.fill(nowMs, first, first + replies);
      replied[at] = first + replies;
    });
    writers.push(writer);
  }
  connections.push(...writers);

  const shaper = childrenOf(cluster.pid).find((pid) => commandLine(pid).includes('wan-shaper'));
  const startMs = performance.now();
  const warmUntilMs = startMs + Math.min(2_000, seconds * 300);
  const cpuAtStart = shaper === undefined ? NaN : cpuSeconds(shaper);
  await paced(startMs, seconds, writesPerSecond / REGIONS.length, (count) => {
    for (const [at, writer] of writers.entries()) {
      let bytes = '';
      for (let each = 0; each < count; each++) bytes += encode(['SET', keyOf(at, sent), VALUE]);
      writer.send(bytes);
    }
  });
  const cpuShare =
    shaper === undefined ? NaN : (cpuSeconds(shaper) - cpuAtStart) / ((performance.now() - startMs) / 1000);
  await settled(cluster);
  const equal = await digests(cluster);
  for (const connection of connections) connection.close();

  const figures = REGIONS.flatMap((from, fromAt) =>
    REGIONS.flatMap((to, toAt): PairFigures[] => {
      if (fromAt === toAt) return [];
      const samples = lags[fromAt]?.[toAt] ?? [];
      const oneWayMs = oneWay(from, to);
      return [
        { from, to, oneWayMs, p50Ms: quantile(samples, 0.5), p99Ms: quantile(samples, 0.99), samples: samples.length },
      ];
    }),
  );
  const rows = figures.map((each) => [
    `${each.from} → ${each.to}`,
    each.oneWayMs,
    each.p50Ms,
    each.p50Ms - each.oneWayMs,
    each.p99Ms,
    each.p99Ms - each.oneWayMs,
    String(each.samples),
  ]);
  const achieved = (mean(replied) * REGIONS.length) / seconds;
  const passed =
    equal &&
    figures.every((each) => each.samples > 0 && each.p50Ms <= each.oneWayMs + 2 && each.p99Ms <= each.oneWayMs + 10);
  const text = [
    `visibility lag, ${achieved.toFixed(0)} writes/s in all (asked for ${writesPerSecond}), ${seconds} s, SET of 64 B; from the reply read to the notification read, one clock`,
    table(['pair', 'one way ms', 'p50 ms', 'p50 − limit', 'p99 ms', 'p99 − limit', 'samples'], rows),
    `shaper: ${(cpuShare * 100).toFixed(1)} % of a core; digests ${equal ? 'equal' : 'DIFFER'}; bar: p50 ≤ one way + 2 ms, p99 ≤ one way + 10 ms: ${passed ? 'met' : 'NOT met'}`,
  ].join('\n');
  return { text, json: { figures, achieved, shaperCpuShare: cpuShare, equal }, passed };
}

function keyOf(at: number, sent: number[]): string {
  const count = sent[at] ?? 0;
  sent[at] = count + 1;
  return `w:${at}:${count}`;
}

/** Calls `send` with how many are due, about every millisecond, for so many seconds. */
async function paced(
  startMs: number,
  seconds: number,
  perSecond: number,
  send: (count: number) => void,
): Promise<void> {
  let done = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startMs;
      const due = Math.floor((Math.min(elapsedMs, seconds * 1000) * perSecond) / 1000) - done;
      if (due > 0) send(due);
      done += Math.max(0, due);
      if (elapsedMs < seconds * 1000) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
}

/** Waits until all regions have applied what was written: WAIT on a last write in each. */
async function settled(cluster: BenchCluster): Promise<void> {
  for (const node of cluster.nodes) {
    const connection = await LoadConnection.open(node.resp);
    await connection.command('SET', `end:${node.id}`, '1');
    await connection.command('WAIT', String(REGIONS.length - 1), '20000');
    connection.close();
  }
}

async function digests(cluster: BenchCluster): Promise<boolean> {
  const seen = new Set<string>();
  for (const node of cluster.nodes) {
    const connection = await LoadConnection.open(node.resp);
    seen.add(await connection.command('CW.DIGEST'));
    connection.close();
  }
  return seen.size === 1;
}

/** Half of the measured average round trip: the physical limit of this cluster. */
function oneWay(from: string, to: string): number {
  const rows = readFileSync(new URL('../regions/rtt.csv', import.meta.url), 'utf8').split('\n');
  const row = rows.find((line) => line.startsWith(`${from},${to},`));
  return Number(row?.split(',')[3] ?? NaN) / 2;
}
