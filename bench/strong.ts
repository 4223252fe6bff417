import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { startCluster } from './support/cluster.ts';
import { table } from './support/figures.ts';
import { startBare } from './strong-bare.ts';
import { etcdVersion, startEtcd } from './strong-etcd.ts';
import {
  clientOf,
  HOME,
  leaderOf,
  regionLatencies,
  writeClasses,
  zoneLatencies,
  type LatencyRow,
} from './strong-latency.ts';
import {
  bareContender,
  causewayContender,
  etcdContender,
  throughput,
  type Throughput,
  type ThroughputRow,
} from './strong-throughput.ts';

const SECONDS_MAX = 10;
const ROUND_MS = 2_000;
/** A node's code is compiled in full after 100,000 writes or so. */
const WARM_UP_MS = 40_000;
const WRITES_PER_SECOND = 14;
const READS = 2_000;

/** How much the throughput with 64 writers is to be beside etcd's, and the median with one at most. */
const TIMES_ETCD = 3;
const SHARE_OF_ETCD = 0.6;

/**
 * Keys of a quorum: how long an operation takes under the measured delays beside what it takes at least, and how many writes three
 * voters of one region take with every one of them on disk, beside etcd on the same disk.
 */
export const strong: Bench = {
  name: 'strong',
  summary: 'latency of strong keys under the measured delays, and writes a second beside etcd',
  run: async (options: BenchOptions): Promise<BenchResult> => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-strong-'));
    try {
      const seconds = options.small ? 0.2 : Math.min(options.seconds, SECONDS_MAX);
      const hasLatencies = !options.only.includes('throughput');
      const { latencies, writes } = await measure(folder, options.portBase, seconds, hasLatencies);
      return report(latencies, writes);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Measured {
  readonly latencies: readonly LatencyRow[];
  readonly writes: Throughput;
}

async function measure(folder: string, portBase: number, seconds: number, hasLatencies: boolean): Promise<Measured> {
  const samples = Math.ceil(seconds * WRITES_PER_SECOND);
  const classes = join(folder, 'classes.yaml');
  const base = ['--port-base', String(portBase), '--classes', classes];
  const latencies: LatencyRow[] = [];
  if (hasLatencies) {
    writeClasses(classes, 'region');
    const regions = await startCluster(base);
    try {
      latencies.push(...(await regionLatencies(regions, samples, Math.ceil((READS * seconds) / SECONDS_MAX))));
    } finally {
      await regions.stop();
    }
  }
  writeClasses(classes, 'zone');
  const zone = await startCluster([...base, '--regions', HOME, '--nodes-per-region', '3']);
  const version = etcdVersion();
  const etcd = version === null ? null : await startEtcd(version);
  const bare = await startBare();
  try {
    const client = await clientOf(zone, `${HOME}/a`);
    if (hasLatencies) latencies.push(await zoneLatencies(client, samples * 10));
    const leader = await leaderOf(client);
    const address = zone.nodes.find(({ id }) => id === leader)?.resp ?? '';
    const pids = zone.nodes.map(({ pid }) => pid);
    const others = [...(etcd === null ? [] : [etcdContender(etcd)]), bareContender(bare)];
    const contenders = [causewayContender(address, client, pids), ...others];
    const warmUpMs = Math.min(WARM_UP_MS, seconds * 4_000);
    const rounds = Math.max(1, Math.round((seconds * 1_000) / ROUND_MS));
    const writes = await throughput(contenders, rounds, Math.min(ROUND_MS, seconds * 1_000), warmUpMs);
    client.close();
    return { latencies, writes };
  } finally {
    await bare.stop();
    await etcd?.stop();
    await zone.stop();
  }
}

function report(latencies: readonly LatencyRow[], { rows, read, missing }: Throughput): BenchResult {
  const latencyBar = latencies.every(({ p50Ms, barMs }) => p50Ms <= barMs);
  const [one, etcdOne] = rowsOf(rows, 1);
  const [many, etcdMany] = rowsOf(rows, 64);
  const times = (many?.perSecond ?? NaN) / (etcdMany?.perSecond ?? NaN);
  const share = (one?.p50Ms ?? NaN) / (etcdOne?.p50Ms ?? NaN);
  const etcdBar = etcdOne === undefined || (times >= TIMES_ETCD && share <= SHARE_OF_ETCD);
  const text = [
    ...(latencies.length === 0 ? [] : latencyLines(latencies, latencyBar)),
    'writes of 256 B on loopback, three voters that have each on disk, a connection a writer, medians of the rounds after a warm-up of each',
    table(
      ['cluster', 'writers', 'writes/s', 'p50 ms', 'p99 ms', 'client CPU us', 'server CPU us'],
      rows.map((each) => [
        each.name,
        String(each.writers),
        each.perSecond,
        each.p50Ms,
        each.p99Ms,
        each.clientCpuUs,
        each.serverCpuUs,
      ]),
    ),
    `${read - missing} of ${read} keys read back as acknowledged last`,
    etcdOne === undefined
      ? 'etcd is not installed: nothing to stand beside'
      : `64 writers: ${times.toFixed(2)} × etcd (bar: ≥ ${TIMES_ETCD}); one writer: p50 ${share.toFixed(2)} × etcd (bar: ≤ ${SHARE_OF_ETCD}): ${etcdBar ? 'met' : 'NOT met'}`,
  ].join('\n');
  const passed = latencyBar && etcdBar && missing === 0;
  return { text, json: { latencies, writes: rows, read, missing }, passed };
}

function latencyLines(latencies: readonly LatencyRow[], isMet: boolean): string[] {
  return [
    'latency with the measured delays, one client a region',
    table(
      ['operation', 'limit ms', 'p50 ms', 'bar ms', 'p99 ms', 'samples'],
      latencies.map((each) => [each.what, each.limitMs, each.p50Ms, each.barMs, each.p99Ms, String(each.samples)]),
    ),
    `bar: p50: ${isMet ? 'met' : 'NOT met'}`,
    '',
  ];
}

/** Ours and etcd's with so many writers. */
function rowsOf(rows: readonly ThroughputRow[], writers: number): readonly (ThroughputRow | undefined)[] {
  const named = (name: string): ThroughputRow | undefined =>
    rows.find((row) => row.writers === writers && row.name.startsWith(name));
  return [named('causeway'), named('etcd')];
}
