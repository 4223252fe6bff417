import { Redis } from 'ioredis';
import { RespClient } from '../src/cli/resp-client.ts';
import { addressOf } from '../src/server/address.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { quantile, table } from './support/figures.ts';
import { redisVersion, startCauseway, startRedis, type MeasuredServer } from './support/measured-server.ts';
import { cpuNanoseconds } from './support/processes.ts';

const CLASSES = `classes:
  - match: ['quote:*']
    mirror: behind
  - match: ['limit:*']
    mirror: through
`;
const KEYS = 1_000;
const VALUE = 'v'.repeat(64);
const TOGETHER = 50;
const ALONE = 500;
const STOPPED_WITHIN_MS = 30_000;
/** What a stopped Redis may cost where nothing is written to it: names of changed keys are kept. */
const STOPPED_RATIO_MAX = 1.5;
const CAUGHT_UP_WITHIN_MS = 30_000;

interface Case {
  readonly name: string;
  readonly node: MeasuredServer;
  readonly client: Redis;
  /** Nanoseconds of CPU a request in batches, of each run. */
  readonly cpuNs: number[];
  /** Milliseconds of requests one at a time. */
  readonly aloneMs: number[];
  readonly throughMs: number[];
}

/**
 * What a regional Redis costs a node and its clients: without one, with one, and with one that was stopped (SIGSTOP). Half SETs and half GETs of mirrored
 * keys, the runs of the three taking turns; CPU of the node's process, which the load of the machine does not change much.
 */
export const regionalRedis: Bench = {
  name: 'regional-redis',
  summary: 'a node without a regional Redis, with one, and with one that is stopped',
  run: async (options: BenchOptions) => {
    const version = redisVersion();
    if (version === null) throw new Error('redis-server is not installed');
    const servers: MeasuredServer[] = [];
    const started = async (starting: Promise<MeasuredServer>): Promise<MeasuredServer> => {
      const server = await starting;
      servers.push(server);
      return server;
    };
    try {
      const [working, stopped] = [await started(startRedis(0)), await started(startRedis(0))];
      const [alone, beside, left] = await Promise.all([
        started(startCauseway(0, { classes: CLASSES })),
        started(startCauseway(0, { classes: CLASSES, redisPort: working.port })),
        started(startCauseway(0, { classes: CLASSES, redisPort: stopped.port })),
      ]);
      const cases = [caseOf('without', alone), caseOf('with', beside), caseOf('stopped', left)];
      try {
        return await measure(cases, { working, stopped }, options, version);
      } finally {
        for (const { client } of cases) client.disconnect();
        process.kill(stopped.pid, 'SIGCONT');
      }
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
};

function caseOf(name: string, node: MeasuredServer): Case {
  const client = new Redis({ host: '127.0.0.1', port: node.port });
  return { name, node, client, cpuNs: [], aloneMs: [], throughMs: [] };
}

async function measure(
  cases: readonly Case[],
  redis: { readonly working: MeasuredServer; readonly stopped: MeasuredServer },
  { small, requests, runs }: BenchOptions,
  version: string,
): Promise<BenchResult> {
  const each = small ? 5_000 : requests;
  for (const one of cases) await load(one, each / 5);
  for (const [name, server] of [
    ['with', redis.working],
    ['stopped', redis.stopped],
  ] as const)
    await until(`${name}: values are mirrored`, async () => (await server.client.send('EXISTS', 'quote:1')) === 1);
  process.kill(redis.stopped.pid, 'SIGSTOP');
  const last = cases.at(-1) as Case;
  await load(last, TOGETHER);
  await until('the breaker is open', async () => (await last.client.info('redis')).includes('redis_breaker:open'));
  for (let run = 0; run < (small ? 1 : runs); run++)
    for (const one of cases) {
      const beforeNs = cpuNanoseconds(one.node.pid);
      await load(one, each);
      one.cpuNs.push((cpuNanoseconds(one.node.pid) - beforeNs) / each);
      one.aloneMs.push(...(await oneByOne(one.client, 'quote')));
      one.throughMs.push(...(await oneByOne(one.client, 'limit')));
    }
  process.kill(redis.stopped.pid, 'SIGCONT');
  const beganMs = performance.now();
  await Promise.all(cases.map(({ client }) => client.set('quote:last', 'last')));
  const { port } = redis.stopped;
  const seen = await RespClient.connect(addressOf(`127.0.0.1:${port}`, 'the Redis of the bench'), CAUGHT_UP_WITHIN_MS);
  await until('it is caught up with', async () => (await seen.send('GET', 'quote:last')) === 'last');
  const caughtUpMs = performance.now() - beganMs;
  const values = await Promise.all(cases.map(({ client }) => client.get('quote:7')));
  const mirrored = [await redis.working.client.send('GET', 'quote:7'), await seen.send('GET', 'quote:7')];
  seen.close();
  const isRight = [...values, ...mirrored].every((value) => value === VALUE);
  return report(cases, caughtUpMs, isRight, version);
}

function report(cases: readonly Case[], caughtUpMs: number, isRight: boolean, version: string): BenchResult {
  const figures = cases.map(({ name, cpuNs, aloneMs, throughMs }) => ({
    name,
    cpuUs: quantile(cpuNs, 0.5) / 1_000,
    p50Ms: quantile(aloneMs, 0.5),
    p99Ms: quantile(aloneMs, 0.99),
    throughP50Ms: quantile(throughMs, 0.5),
  }));
  const [without] = figures;
  const rows = figures.map(({ name, cpuUs, p50Ms, p99Ms, throughP50Ms }) => [
    name,
    cpuUs.toFixed(2),
    (cpuUs / (without?.cpuUs ?? NaN)).toFixed(2),
    p50Ms.toFixed(3),
    (p50Ms / (without?.p50Ms ?? NaN)).toFixed(2),
    p99Ms.toFixed(3),
    throughP50Ms.toFixed(3),
  ]);
  const stoppedRatio = (figures.at(-1)?.cpuUs ?? NaN) / (without?.cpuUs ?? NaN);
  const passed = isRight && stoppedRatio <= STOPPED_RATIO_MAX;
  const head = ['redis', 'cpu us', 'ratio', 'p50 ms', 'ratio', 'p99 ms', 'through p50 ms'];
  return {
    text: [
      table(head, rows),
      `values ${isRight ? 'are right everywhere' : 'DIFFER'}; caught up ${caughtUpMs.toFixed(0)} ms after the stopped one went on (redis ${version})`,
      `a stopped one costs at most ${STOPPED_RATIO_MAX} of the CPU without: ${passed ? 'yes' : 'NO'}`,
    ].join('\n'),
    json: { figures, caughtUpMs, isRight },
    passed,
  };
}

/** Half SETs and half GETs, in batches. */
async function load({ client }: Case, requests: number): Promise<void> {
  for (let at = 0; at < requests; at += TOGETHER) {
    const pipeline = client.pipeline();
    for (let next = at; next < at + TOGETHER; next += 2) {
      const key = `quote:${(next / 2) % KEYS}`;
      pipeline.set(key, VALUE).get(key);
    }
    await pipeline.exec();
  }
}

/** How long SETs take one after the other, in milliseconds. */
async function oneByOne(client: Redis, kind: string): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < ALONE; at++) {
    const beganMs = performance.now();
    await client.set(`${kind}:${at % KEYS}`, VALUE);
    times.push(performance.now() - beganMs);
  }
  return times;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + STOPPED_WITHIN_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${STOPPED_WITHIN_MS / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
