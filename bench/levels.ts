import { readFileSync } from 'node:fs';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { parsePriceRows } from '../src/cli/price-rows.ts';
import { connect, type Client } from '../src/client/connect.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { quantile, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { redisVersion, startCauseway, startRedis, type MeasuredServer } from './support/measured-server.ts';
import { random } from './support/random.ts';
import { paced } from './support/three-regions.ts';

const SYMBOLS = 10_000;
const UPDATES_A_SECOND = 5_000;
const READS_A_SECOND = 20_000;
const PEERS = 2;
const SEED = 7;
/** Popularity: a read is of the symbol at this power of a number in [0, 1). */
const SKEW = 3;
const SECONDS_MAX = 30;
const LAG_EVERY_MS = 50;
const TIMED_READS = 1_000;
const TIMED_RUNS = 200;
const CHECKED = 200;
const SETTLED_WITHIN_MS = 30_000;
const NODE_MB_MAX = 500;
const NEAR_READ_US_MAX = 1;

const CLASSES = `classes:
  - match: ['quote:*']
    mirror: behind
`;

/**
 * All levels at once: a program with a near cache reads 10,000 quotes, the popular ones more often, while rows of prices are replayed over them; the node replicates to two peers and
 * mirrors to a regional Redis. What is read at the end is the last that was written, at every level.
 */
export const levels: Bench = {
  name: 'levels',
  summary: '10,000 symbols under 5,000 updates a second: near cache, node and regional Redis together',
  run: async (options: BenchOptions) => {
    const version = redisVersion();
    if (version === null) throw new Error('redis-server is not installed');
    const redis = await startRedis(0);
    try {
      const node = await startCauseway(PEERS, { classes: CLASSES, redisPort: redis.port });
      try {
        return await measure(node, redis, options.small ? 2 : Math.min(options.seconds, SECONDS_MAX), version);
      } finally {
        await node.stop();
      }
    } finally {
      await redis.stop();
    }
  },
};

const keyOf = (symbol: number): string => `quote:S${String(symbol).padStart(5, '0')}`;

/** The values that are written, one after the other, and what each key has been given last. */
class Replay {
  readonly #rows: readonly string[];
  readonly last: string[] = [];
  updates = 0;

  constructor() {
    const rows = parsePriceRows(readFileSync(new URL('../examples/prices.csv', import.meta.url), 'utf8'), 'prices.csv');
    this.#rows = rows.map(({ fields }) => JSON.stringify(Object.fromEntries(fields)));
  }

  next(): string {
    const at = this.updates++;
    // each symbol has its number in its values, so that one that is shown under another's name is found
    const value = `${this.#rows[at % this.#rows.length]?.slice(0, -1)},"n":${at}}`;
    this.last[at % SYMBOLS] = value;
    return encode(['SET', keyOf(at % SYMBOLS), value]);
  }
}

async function measure(
  node: MeasuredServer,
  redis: MeasuredServer,
  seconds: number,
  version: string,
): Promise<BenchResult> {
  const client = await connect({
    regions: [{ name: 'here', nodes: [`127.0.0.1:${node.port}`] }],
    codec: 'text',
    near: { ttl: '10m', entriesMax: SYMBOLS },
    deadlineMs: 10_000,
  });
  const replay = new Replay();
  const writer = await LoadConnection.open(`127.0.0.1:${node.port}`);
  writer.onData(() => undefined);
  for (let at = 0; at < SYMBOLS; at++) writer.send(replay.next());
  await until(
    'all symbols are there',
    async () => await node.client.send('GET', keyOf(SYMBOLS - 1)),
    replay.last.at(-1),
  );
  const before = await hitsOf(node);
  const endMs = performance.now() + seconds * 1_000;
  const isOver = (): boolean => performance.now() >= endMs;
  const lagMs: number[] = [];
  await Promise.all([
    paced(UPDATES_A_SECOND, isOver, (count) => {
      for (let left = count; left > 0; left--) writer.send(replay.next());
    }),
    read(client, isOver),
    sampleLag(client, node, isOver, lagMs),
  ]);
  const { near } = client.figures;
  const after = await hitsOf(node);
  const checked = await check(client, node, redis, replay);
  const nearUs = await timeNear(client);
  const info = String(await node.client.send('INFO', 'memory'));
  const nodeMb = Number(/used_memory_rss:(\d+)/.exec(info)?.[1]) / 2 ** 20;
  await client.close();
  writer.close();
  const hits = near?.hits ?? 0;
  const misses = near?.misses ?? 0;
  const nodeHits = (after.hits - before.hits) / (after.hits - before.hits + after.misses - before.misses);
  const passed = checked.wrong === 0 && nodeMb < NODE_MB_MAX && nearUs < NEAR_READ_US_MAX;
  return {
    text: [
      `${SYMBOLS} symbols, ${Math.round((replay.updates - SYMBOLS) / seconds)} updates/s for ${seconds} s, ${Math.round((hits + misses) / seconds)} reads/s of one program, ${PEERS} peers, redis ${version}`,
      table(
        ['what', 'seen', 'bar'],
        [
          ['hit ratio of the near cache', (hits / (hits + misses)).toFixed(3), '-'],
          ['hit ratio of the node, of what was left', nodeHits.toFixed(3), '-'],
          ['a read of the near cache, median', `${nearUs.toFixed(2)} us`, `< ${NEAR_READ_US_MAX} us`],
          ['invalidation after the write was answered, p50', `${quantile(lagMs, 0.5).toFixed(2)} ms`, '-'],
          ['the same, p99', `${quantile(lagMs, 0.99).toFixed(2)} ms`, '-'],
          ['memory of the node', `${nodeMb.toFixed(0)} MB`, `< ${NODE_MB_MAX} MB`],
        ],
      ),
      `${checked.right} of ${checked.right + checked.wrong} values drawn at the end are the last that was written, at each of the three levels`,
    ].join('\n'),
    json: { hits, misses, nodeHits, nearUs, lagMs: [quantile(lagMs, 0.5), quantile(lagMs, 0.99)], nodeMb, ...checked },
    passed,
  };
}

/** Reads at its rate, the popular symbols more often. */
async function read(client: Client, isOver: () => boolean): Promise<void> {
  const unit = random(SEED);
  const beganMs = performance.now();
  for (let reads = 0; !isOver(); await delay(1)) {
    const due = ((performance.now() - beganMs) * READS_A_SECOND) / 1_000 - reads;
    const asked: Promise<unknown>[] = [];
    for (let left = due; left > 0; left--, reads++) {
      const key = keyOf(Math.floor(SYMBOLS * unit() ** SKEW));
      // as programs that can do without the promise of a hit
      if (client.getSync(key) === undefined) asked.push(client.get(key));
    }
    await Promise.all(asked);
  }
}

/** From the answer to a write until the near cache no longer has what was there before. */
async function sampleLag(client: Client, node: MeasuredServer, isOver: () => boolean, into: number[]): Promise<void> {
  for (let sample = 0; !isOver(); sample++) {
    const key = `lag:${sample}`;
    await node.client.send('SET', key, 'before');
    await client.get(key);
    await node.client.send('SET', key, 'after');
    const answeredMs = performance.now();
    while (client.getSync(key) === 'before') await turn();
    into.push(performance.now() - answeredMs);
    await delay(LAG_EVERY_MS);
  }
}

async function hitsOf(node: MeasuredServer): Promise<{ hits: number; misses: number }> {
  const info = String(await node.client.send('INFO', 'stats'));
  const figure = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
  return { hits: figure('keyspace_hits'), misses: figure('keyspace_misses') };
}

/** Whether the client, the node and the Redis show the last value of symbols that are spread over all of them. */
async function check(
  client: Client,
  node: MeasuredServer,
  redis: MeasuredServer,
  replay: Replay,
): Promise<{ right: number; wrong: number }> {
  const at = (replay.updates - 1) % SYMBOLS;
  const newest = replay.last[at] ?? '';
  await until('the last value is mirrored', async () => await redis.client.send('GET', keyOf(at)), newest);
  let right = 0;
  for (let sample = 0; sample < CHECKED; sample++) {
    const symbol = (sample * SYMBOLS) / CHECKED;
    const key = keyOf(symbol);
    const shown = [await client.get(key), await node.client.send('GET', key), await redis.client.send('GET', key)];
    if (shown.every((value) => value === replay.last[symbol])) right++;
  }
  return { right, wrong: CHECKED - right };
}

/** Microseconds of a hit, the median of runs. */
async function timeNear(client: Client): Promise<number> {
  const keys = Array.from({ length: TIMED_READS }, (_, symbol) => keyOf(symbol));
  await client.mget(keys);
  const runsUs: number[] = [];
  let length = 0;
  for (let run = 0; run < TIMED_RUNS; run++) {
    const beganMs = performance.now();
    for (const key of keys) length += (client.getSync(key) as string).length;
    runsUs.push(((performance.now() - beganMs) * 1_000) / TIMED_READS);
  }
  if (length === 0) throw new Error('nothing was read');
  return quantile(runsUs, 0.5);
}

async function until<T>(what: string, look: () => Promise<T>, wanted: T): Promise<void> {
  const endMs = performance.now() + SETTLED_WITHIN_MS;
  while ((await look()) !== wanted) {
    if (performance.now() > endMs) throw new Error(`not within ${SETTLED_WITHIN_MS / 1_000} s: ${what}`);
    await delay(20);
  }
}
