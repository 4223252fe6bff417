import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';
import { quantile, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { oneWay, paced } from './support/three-regions.ts';

const RATE_MAX = 1_000;
const TOGETHER = 500;
const VALUE = 'x'.repeat(64);
const DIGITS = 8;
/** In the writer's region. */
const P99_MS_MAX = 10;
const MISSING_MS_MAX = 20_000;
const NEWLINE = 0x0a;
const KEY = /inv:(\d{8})\r\n/g;

/** Who is told: a client that has read every key before, or one that asked for all below a prefix. */
const KINDS = ['keys read before', 'prefix'] as const;

/** What one reader was told, by the number of the write. */
class Reader {
  readonly region: string;
  readonly kind: string;
  readonly connection: LoadConnection;
  readonly toldAtMs: Float64Array;
  told = 0;
  #rest = '';

  constructor(region: string, kind: string, connection: LoadConnection, writes: number) {
    this.region = region;
    this.kind = kind;
    this.connection = connection;
    this.toldAtMs = new Float64Array(writes);
  }

  /** From now on what comes is invalidations. */
  listen(): void {
    this.connection.onData((bytes) => this.#take(bytes.toString('latin1')));
  }

  #take(text: string): void {
    const nowMs = performance.now();
    const all = this.#rest + text;
    let end = 0;
    for (const match of all.matchAll(KEY)) {
      end = match.index + match[0].length;
      const write = Number(match[1]);
      if (this.toldAtMs[write] !== 0) continue;
      this.toldAtMs[write] = nowMs;
      this.told++;
    }
    this.#rest = all.slice(end).slice(-256);
  }
}

const keyOf = (write: number): string => `inv:${String(write).padStart(DIGITS, '0')}`;

/** How late a client with a cache of its own learns that a key was written, in the writer's region and in the others. */
export const invalidations: Bench = {
  name: 'invalidations',
  summary:
    'client-side caching: from a write sent to the invalidation read, in its region and across the measured delays',
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
  const seconds = options.small ? 2 : Math.min(options.seconds, 30);
  const rate = Math.min(options.rate, RATE_MAX);
  const writes = rate * seconds;
  const readers: Reader[] = [];
  for (const { region, resp } of cluster.nodes) {
    for (const kind of KINDS) readers.push(await openReader(resp, region, kind, writes));
  }
  const [home] = cluster.nodes;
  const writer = await LoadConnection.open(home?.resp ?? '');
  const sentAtMs = new Float64Array(writes);
  let sent = 0;
  // what the machine itself takes in this run: the write's own reply
  const repliedAtMs: number[] = [];
  writer.onData((bytes) => {
    const nowMs = performance.now();
    for (const byte of bytes) if (byte === NEWLINE) repliedAtMs.push(nowMs);
  });
  await paced(
    rate,
    () => sent >= writes,
    (count) => {
      for (let each = 0; each < count && sent < writes; each++) {
        sentAtMs[sent] = performance.now();
        writer.send(encode(['SET', keyOf(sent++), VALUE]));
      }
    },
  );
  const lateMs = performance.now() + MISSING_MS_MAX;
  while (readers.some(({ told }) => told < writes) && performance.now() < lateMs) await delay(50);
  writer.close();
  for (const { connection } of readers) connection.close();

  // the first tenth warms the code up
  const measured = Array.from({ length: writes }, (_unused, write) => write).slice(Math.floor(writes / 10));
  const figures = readers.map(({ region, kind, told, toldAtMs }) => {
    const lags = measured.map((write) => (toldAtMs[write] ?? NaN) - (sentAtMs[write] ?? NaN));
    const wayMs = region === home?.region ? 0 : oneWay(home?.region ?? '', region);
    return { region, kind, told, wayMs, p50Ms: quantile(lags, 0.5), p99Ms: quantile(lags, 0.99) };
  });
  const replies = measured.map((write) => (repliedAtMs[write] ?? NaN) - (sentAtMs[write] ?? NaN));
  const reply = { p50Ms: quantile(replies, 0.5), p99Ms: quantile(replies, 0.99) };
  const isComplete = figures.every(({ told }) => told === writes);
  const isInTime = figures.every(({ wayMs, p99Ms }) => wayMs > 0 || p99Ms <= P99_MS_MAX);
  return {
    text: [
      `${writes} SETs of ${VALUE.length} B at ${rate}/s in ${home?.region ?? ''}; from the request sent to the invalidation read, one clock; two readers a region`,
      table(
        ['region', 'told of', 'one way ms', 'p50 ms', 'p99 ms', 'p99 − one way', 'invalidations'],
        [
          [home?.region ?? '', '(the reply)', 0, reply.p50Ms, reply.p99Ms, reply.p99Ms, String(repliedAtMs.length)],
          ...figures.map(({ region, kind, told, wayMs, p50Ms, p99Ms }) => [
            region,
            kind,
            wayMs,
            p50Ms,
            p99Ms,
            p99Ms - wayMs,
            String(told),
          ]),
        ],
      ),
      `${isComplete ? 'every write was told to every reader' : 'invalidations are MISSING'}; bar: p99 ≤ ${P99_MS_MAX} ms in the writer's region: ${isInTime ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { figures, reply, writes, rate },
    passed: isComplete && isInTime,
  };
}

async function openReader(resp: string, region: string, kind: string, writes: number): Promise<Reader> {
  const connection = await LoadConnection.open(resp);
  await connection.command('HELLO', '3');
  const reader = new Reader(region, kind, connection, writes);
  if (kind === 'prefix') {
    await connection.command('CLIENT', 'TRACKING', 'on', 'BCAST', 'PREFIX', 'inv:');
  } else {
    await connection.command('CLIENT', 'TRACKING', 'on');
    for (let from = 0; from < writes; from += TOGETHER) {
      const keys = Array.from({ length: Math.min(TOGETHER, writes - from) }, (_unused, at) => keyOf(from + at));
      await connection.command('EXISTS', ...keys);
    }
  }
  reader.listen();
  return reader;
}
