import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { connect, type Client } from '../src/client/connect.ts';
import { CausewayError } from '../src/errors.ts';
import type { BenchResult } from './support/bench.ts';
import { quantile, table } from './support/figures.ts';
import { redisVersion, startCauseway, startRedis, type MeasuredServer } from './support/measured-server.ts';
import { outcome } from './support/outcome.ts';
import { cpuNanoseconds } from './support/processes.ts';

const KEYS = 1_000;
/** Requests that are on their way together while processor time is counted. */
const TOGETHER = 50;
/** Of what waits for the source there is so much less. */
const SLOW_SHARE = 0.1;
/** Reads in the process that are timed together: one is too short for the clock. */
const NEAR_TOGETHER = 1_000;
const SMALL = { samples: 40, counted: 500, looks: 2, shown: 2 };
const FULL = { samples: 1_000, counted: 20_000, looks: 3, shown: 10 };
/** How long a loaded value is fresh where that is measured. */
const TTL_MS = 1_000;
const SHOWN_WITHIN_MS = 30_000;
/** Above all numbers of keys that were asked for before. */
const UNASKED: number = KEYS * 1_000_000;

/** What is between a program and its data beside the node: a near cache, a source, the regional Redis. */
interface Tiers {
  readonly node: MeasuredServer;
  readonly redis: MeasuredServer | null;
  /** With a near cache. */
  readonly near: Client;
  readonly client: Client;
  readonly sourceUrl: string;
}

interface Row {
  readonly name: string;
  /** One request; `at` is another one each time. */
  readonly run: (tiers: Tiers, at: number) => unknown;
  /** Of how many is the time of one the mean; 1 where nothing is said. */
  readonly timedTogether?: number;
  /** Whether the source is asked, so that there is less to be seen in the same time. */
  readonly isSlow?: boolean;
  /** Milliseconds from a change until it shows there. */
  readonly shown?: (tiers: Tiers, at: number) => Promise<number>;
  /** What is taken away from it, and whether it goes on. */
  readonly cut: Cut;
  readonly worksWhenCut: boolean;
}

type Cut = 'node' | 'source' | 'redis' | null;

/** What one way to a value costs. */
interface TierCost {
  readonly name: string;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly nodeCpuUs: number;
  readonly clientCpuUs: number;
  /** Null where there is nothing between it and what was written. */
  readonly shownMs: number | null;
  readonly cut: Cut;
  readonly whenCut: string;
  readonly isKept: boolean;
}

const ROWS: readonly Row[] = [
  {
    name: 'near cache, getSync',
    run: ({ near }, at) => near.getSync(`near:${at % KEYS}`),
    timedTogether: NEAR_TOGETHER,
    shown: shownNear,
    cut: 'node',
    worksWhenCut: true,
  },
  {
    name: 'near cache, get',
    run: async ({ near }, at) => near.get(`near:${at % KEYS}`),
    timedTogether: NEAR_TOGETHER,
    cut: 'node',
    worksWhenCut: true,
  },
  { name: 'node', run: async ({ client }, at) => client.get(`near:${at % KEYS}`), cut: 'node', worksWhenCut: false },
  {
    name: 'source, fresh',
    run: async ({ client }, at) => client.get(`loaded:${at % KEYS}`),
    shown: shownAfterTtl,
    cut: 'source',
    worksWhenCut: true,
  },
  {
    name: 'source, too old, stale-if-error',
    run: async ({ client }) => client.get('aging:0'),
    cut: 'source',
    worksWhenCut: true,
  },
  {
    name: 'source, not here',
    run: async ({ client }, at) => client.get(`missed:${at}`),
    isSlow: true,
    cut: 'source',
    worksWhenCut: false,
  },
  {
    name: 'source, LEVEL strong',
    run: async ({ client }, at) => readStrong(client, `loaded:${at % KEYS}`),
    isSlow: true,
    shown: shownStrong,
    cut: 'source',
    worksWhenCut: false,
  },
  { name: 'write', run: async ({ client }, at) => client.set(`near:${at % KEYS}`, 'v'), cut: null, worksWhenCut: true },
  ...(['behind', 'through'] as const).map((mode): Row => ({
    name: `write, source ${mode}`,
    run: async ({ client }, at) => client.set(`${mode}:${at}`, 'v'),
    // more would be beyond what may wait for the source
    isSlow: true,
    shown: async ({ client, sourceUrl }, at) => {
      const [key, value] = [`${mode}:shown`, `value ${at}`];
      await client.set(key, value);
      return untilShown(async () => (await (await fetch(`${sourceUrl}/${key}?now`)).text()) === value);
    },
    cut: 'source',
    worksWhenCut: mode === 'behind',
  })),
  ...(['behind', 'through'] as const).map((mode): Row => ({
    name: `write, Redis ${mode}`,
    run: async ({ client }, at) => client.set(`mirrored-${mode}:${at % KEYS}`, 'v'),
    shown: async ({ client, redis }, at) => {
      const [key, value] = [`mirrored-${mode}:shown`, `value ${at}`];
      await client.set(key, value);
      return untilShown(async () => (await redis?.client.send('GET', key)) === value);
    },
    cut: 'redis',
    worksWhenCut: true,
  })),
];

/**
 * What the ways to a value cost that a class or a client may have beside its node: the near cache, a source that takes 5 ms for a row, the regional Redis.
 * Times are of one request at a time, processor time is of 50 together; and what happens when the next thing on the way does not answer.
 */
export async function measureTiers(small: boolean): Promise<TierCost[]> {
  const sizes = small ? SMALL : FULL;
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const source = new Worker(new URL('support/slow-source.ts', import.meta.url));
    ends.push(async () => source.terminate());
    const [address] = (await once(source, 'message')) as [AddressInfo];
    const sourceUrl = `http://127.0.0.1:${address.port}`;
    const redis = redisVersion() === null ? null : await startRedis(0);
    if (redis !== null) ends.push(async () => redis.stop());
    const beside = { classes: classesOf(sourceUrl), ...(redis === null ? {} : { redisPort: redis.port }) };
    const node = await startCauseway(0, beside);
    ends.push(async () => node.stop());
    const regions = [{ name: 'us-east-1', nodes: [`127.0.0.1:${node.port}`] }];
    // a busy machine is no dead node
    const patient = { regions, codec: 'text', silentMs: 5_000, deadlineMs: 5_000 } as const;
    const client = await connect(patient);
    ends.push(async () => client.close());
    const near = await connect({
      ...patient,
      near: { ttl: '10m', entriesMax: 2 * KEYS, whenLost: { serveForMs: 600_000 } },
    });
    ends.push(async () => near.close());
    return await measure({ node, redis, near, client, sourceUrl }, source, sizes);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function classesOf(sourceUrl: string): string {
  const url = `${sourceUrl}/{key}`;
  return JSON.stringify({
    classes: [
      { match: ['loaded:*', 'missed:*'], source: { url, ttl: '1h' } },
      {
        match: ['aging:*'],
        source: { url, ttl: `${TTL_MS}ms`, jitter: 0, early: 0, stampede: 'node', 'stale-if-error': '1h' },
      },
      ...['behind', 'through'].flatMap((mode) => [
        { match: [`${mode}:*`], source: { url, ttl: '1h', write: mode } },
        { match: [`mirrored-${mode}:*`], mirror: mode },
      ]),
    ],
  });
}

async function measure(tiers: Tiers, source: Worker, sizes: typeof FULL): Promise<TierCost[]> {
  const { node, redis, near, client } = tiers;
  const rows = ROWS.filter(({ cut }) => cut !== 'redis' || redis !== null);
  for (let at = 0; at < KEYS; at += TOGETHER) {
    const some = Array.from({ length: TOGETHER }, (_, index) => at + index);
    await Promise.all(some.map(async (key) => client.set(`near:${key}`, 'v')));
    await Promise.all(some.map(async (key) => client.get(`loaded:${key}`)));
  }
  const costs = new Map<Row, Omit<TierCost, 'whenCut' | 'isKept'>>();
  for (const row of rows) {
    // writes have taken away what was near
    await near.mget(Array.from({ length: KEYS }, (_, key) => `near:${key}`));
    costs.set(row, await costOf(row, tiers, sizes));
  }
  const whenCut = new Map<Row, string>();
  const lookAt = async (cut: Cut): Promise<void> => {
    for (const [at, row] of rows.entries())
      if (row.cut === cut)
        whenCut.set(row, await outcome(sizes.looks, async () => found(row.run(tiers, UNASKED + at))));
  };
  if (redis !== null) {
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await lookAt('redis');
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
  }
  await client.get('aging:0');
  source.postMessage('end');
  await once(source, 'exit');
  await delay(TTL_MS);
  await lookAt('source');
  process.kill(node.pid, 'SIGSTOP');
  try {
    // what is near is told to be stale once the connection is taken for lost
    await untilShown(async () => (await near.getWithInfo('near:0')).isStale);
    await lookAt('node');
  } finally {
    process.kill(node.pid, 'SIGCONT');
  }
  return rows.map((row): TierCost => {
    const said = whenCut.get(row) ?? '';
    const cost = costs.get(row) as Omit<TierCost, 'whenCut' | 'isKept'>;
    return { ...cost, whenCut: said, isKept: row.cut === null || (said === 'works') === row.worksWhenCut };
  });
}

async function found(value: unknown): Promise<void> {
  if ((await value) === undefined) throw new CausewayError('UNAVAILABLE', 'it is not near');
}

async function costOf(
  { name, run, timedTogether = 1, isSlow = false, shown, cut }: Row,
  tiers: Tiers,
  { samples, counted, shown: shownTimes }: typeof FULL,
): Promise<Omit<TierCost, 'whenCut' | 'isKept'>> {
  const { node } = tiers;
  const share = isSlow ? SLOW_SHARE : 1;
  let next = 0;
  const tookUs: number[] = [];
  for (let sample = 0; sample < samples * share; sample++) {
    const beganMs = performance.now();
    for (let at = 0; at < timedTogether; at++) {
      const value = run(tiers, next++);
      // waiting for what is there already would take a turn
      if (value instanceof Promise) await value;
    }
    tookUs.push(((performance.now() - beganMs) * 1_000) / timedTogether);
  }
  const count = counted * share * timedTogether ** 0.5;
  const nodeNs = cpuNanoseconds(node.pid);
  const ownUs = ownCpuUs();
  let done = 0;
  for (; done < count; done += TOGETHER) await Promise.all(Array.from({ length: TOGETHER }, () => run(tiers, next++)));
  const clientCpuUs = (ownCpuUs() - ownUs) / done;
  const nodeCpuUs = (cpuNanoseconds(node.pid) - nodeNs) / 1_000 / done;
  const shownMs: number[] = [];
  for (let at = 0; shown !== undefined && at < shownTimes; at++) shownMs.push(await shown(tiers, at));
  return {
    name,
    p50Us: quantile(tookUs, 0.5),
    p99Us: quantile(tookUs, 0.99),
    nodeCpuUs,
    clientCpuUs,
    shownMs: shown === undefined ? null : quantile(shownMs, 0.5),
    cut,
  };
}

/** Of this thread: the source has one of its own. */
function ownCpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

async function readStrong(client: Client, key: string): Promise<unknown> {
  return client.command(['CW.GET', key, 'LEVEL', 'strong'], { keys: [key], isRead: true });
}

/** From a write's reply until the near cache of another client does not show what was before. */
async function shownNear({ near, client }: Tiers, at: number): Promise<number> {
  const [key, value] = ['near:shown', `value ${at}`];
  await near.get(key);
  await client.set(key, value);
  return untilShown(() => {
    const shown = near.getSync(key);
    return shown === undefined || shown === value;
  });
}

/** From a change in the source that nobody told of until it is read, where the value was loaded just before. */
async function shownAfterTtl({ client, sourceUrl }: Tiers, at: number): Promise<number> {
  const [key, value] = [`aging:${at}`, 'changed'];
  await client.get(key);
  await fetch(`${sourceUrl}/${key}`, { method: 'PUT', body: value });
  return untilShown(async () => (await client.get(key)) === value);
}

/** The same of a read that asks the source. */
async function shownStrong({ client, sourceUrl }: Tiers, at: number): Promise<number> {
  const [key, value] = ['loaded:shown', `value ${at}`];
  await fetch(`${sourceUrl}/${key}`, { method: 'PUT', body: value });
  return untilShown(async () => String(await readStrong(client, key)).includes(value));
}

/** Until a look that began then shows it, in milliseconds. */
async function untilShown(isShown: () => boolean | Promise<boolean>): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const askedMs = performance.now();
    if (await isShown()) return askedMs - beganMs;
    if (askedMs - beganMs > SHOWN_WITHIN_MS) throw new Error(`it does not show within ${SHOWN_WITHIN_MS / 1_000} s`);
    await turn();
  }
}

export function reportTiers(costs: readonly TierCost[]): BenchResult {
  const us = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  const rows = costs.map(({ name, p50Us, p99Us, nodeCpuUs, clientCpuUs, shownMs, cut, whenCut }) => [
    name,
    us(p50Us),
    us(p99Us),
    us(nodeCpuUs),
    us(clientCpuUs),
    shownMs === null ? '' : us(shownMs),
    cut === null ? '' : `${cut}: ${whenCut}`,
  ]);
  const head = ['request', 'p50 µs', 'p99 µs', 'node CPU µs', 'client CPU µs', 'shown after ms', 'cut off from'];
  return {
    text: [
      `one client at one node; a source that takes 5 ms for a row; CPU a request of ${TOGETHER} together, the rest one at a time`,
      table(head, rows),
    ].join('\n'),
    json: { tiers: costs },
    passed: costs.every(({ isKept }) => isKept),
  };
}
