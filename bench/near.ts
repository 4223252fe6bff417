import { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { connect } from '../src/client/connect.ts';
import type { RunningServer } from '../src/index.ts';
import { startLoneServer } from '../test/conformance/own-server.ts';
import { barChart } from './support/bar-chart.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { quantile, table } from './support/figures.ts';
import { random } from './support/random.ts';

const KEYS = 10_000;
const VALUE_BYTES = 64;
const READS = 2_000_000;
/** Reads over a connection, one after the other: few are enough for what they take. */
const ASKED = 2_000;
const TOGETHER = 500;
const RUNS = 5;
const SEED = 6;
const RATIO_MAX = 3;
/** It keeps the order of use and looks at the clock, as lru-cache with both; about half a microsecond where a Map takes 30 ns. */
const CLIENT_RATIO_MAX = 40;
/** Until an invalidation has to be there. */
const TOLD_MS_MAX = 10_000;

type Read = (key: string) => string | null | undefined;

/**
 * What a read in the process takes: `get` of a node that runs in this process, and the near cache of the TypeScript client, beside a plain Map and lru-cache with the same keys and the same
 * order of reads, the length of all that was read checked. Medians of runs that take turns; beside them a GET over a connection to the same node.
 */
export const near: Bench = {
  name: 'near',
  summary: 'reads in the process of a node beside Map and lru-cache, 10,000 keys',
  run: async (options: BenchOptions) => {
    const server = await startLoneServer();
    try {
      return await measure(server, options.small ? 20_000 : READS);
    } finally {
      await server.close();
    }
  },
};

async function measure(server: RunningServer, reads: number): Promise<BenchResult> {
  const keys = Array.from({ length: KEYS }, (_, index) => `key:${String(index).padStart(8, '0')}`);
  const valueOf = (key: string): string => key.padEnd(VALUE_BYTES, 'v');
  const client = new Redis({ host: '127.0.0.1', port: server.ports.resp });
  for (let from = 0; from < KEYS; from += TOGETHER)
    await client.mset(...keys.slice(from, from + TOGETHER).flatMap((key) => [key, valueOf(key)]));
  const map = new Map(keys.map((key) => [key, valueOf(key)]));
  const cache = new LRUCache<string, string>({ max: KEYS });
  for (const key of keys) cache.set(key, valueOf(key));
  const cached = await connect({
    regions: [{ name: 'here', nodes: [`127.0.0.1:${server.ports.resp}`] }],
    codec: 'text',
    near: { ttl: '10m', entriesMax: KEYS },
  });
  for (let from = 0; from < KEYS; from += TOGETHER) await cached.mget(keys.slice(from, from + TOGETHER));
  const unit = random(SEED);
  const order = Array.from({ length: reads }, () => keys[Math.floor(unit() * KEYS)] ?? '');

  const readers: readonly (readonly [name: string, read: Read])[] = [
    ['Map.get', (key) => map.get(key)],
    ['lru-cache get', (key) => cache.get(key)],
    ['node get', (key) => server.get(key)],
    ["the client's getSync", (key) => cached.getSync<string>(key)],
  ];
  const times = readers.map((): number[] => []);
  let isRight = true;
  for (let run = 0; run < RUNS; run++) {
    for (const [at, [, read]] of readers.entries()) {
      const startMs = performance.now();
      let chars = 0;
      for (const key of order) chars += read(key)?.length ?? 0;
      times[at]?.push(((performance.now() - startMs) * 1e6) / reads);
      isRight &&= chars === reads * VALUE_BYTES;
    }
  }
  // a value that was read before and is written again is not shown any more
  const [first = ''] = keys;
  await client.set(first, 'another');
  isRight &&= server.get(first) === 'another';
  const writtenMs = performance.now();
  while (cached.getSync(first) !== undefined && performance.now() - writtenMs < TOLD_MS_MAX)
    await new Promise((resolve) => setImmediate(resolve));
  isRight &&= cached.getSync(first) === undefined;

  const startMs = performance.now();
  for (let asked = 0; asked < ASKED; asked++) await client.get(keys[asked % KEYS] ?? '');
  const askedNs = ((performance.now() - startMs) * 1e6) / ASKED;
  client.disconnect();
  await cached.close();

  const medians = times.map((each) => quantile(each, 0.5));
  const [mapNs = NaN, , ownNs = NaN, clientNs = NaN] = medians;
  const passed = isRight && ownNs <= RATIO_MAX * mapNs && clientNs <= CLIENT_RATIO_MAX * mapNs;
  const rows = readers.map(([name], at) => [name, medians[at] ?? NaN, (medians[at] ?? NaN) / mapNs] as const);
  return {
    text: [
      `${reads} reads of ${KEYS} keys of ${VALUE_BYTES} B in a random order, medians of ${RUNS}`,
      table(['read', 'ns', '× Map.get'], [...rows, ['ioredis get, one at a time', askedNs, askedNs / mapNs]]),
      `what was read is ${isRight ? 'right' : 'WRONG'}; bars: node get ≤ ${RATIO_MAX} × Map.get, the client's getSync ≤ ${CLIENT_RATIO_MAX} × Map.get: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { reads, rows, askedNs, isRight },
    svg: barChart({
      title: 'A read in the process, by a read of a Map',
      series: ['× Map.get'],
      groups: rows.map(([label, , ratio]) => ({ label, values: [ratio] })),
      line: RATIO_MAX,
    }),
    passed,
  };
}
