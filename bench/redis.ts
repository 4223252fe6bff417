import { keyOf, LOADS, type Load } from './redis-loads.ts';
import { barChart } from './support/bar-chart.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { quantile, table } from './support/figures.ts';
import { areSettled, redisVersion, startCauseway, startRedis, type MeasuredServer } from './support/measured-server.ts';
import { canPin, CLIENT_CORE, runPinned } from './support/pinned.ts';
import { cpuNanoseconds } from './support/processes.ts';
import { random } from './support/random.ts';

const CLIENTS = 50;
const SIZES = [64, 1024] as const;
const PIPELINES = [1, 16, 64] as const;
const SEED = 6;
const SAMPLES = 200;
const SETTLED_WITHIN_MS = 60_000;
const FILL_KEYS = 1_000;

interface Row {
  readonly command: string;
  /** Bytes of a value, null for commands without one. */
  readonly bytes: number | null;
  readonly pipeline: number;
  readonly replicas: number;
  /** Medians: microseconds of processor a command, and commands a second. */
  readonly own: Figures;
  readonly redis: Figures;
  /** What a command costs Redis, by what it costs here. */
  readonly cpuRatio: number;
  readonly opsRatio: number;
  /** The least `cpuRatio` that is asked for, null for none. */
  readonly bar: number | null;
}

interface Figures {
  readonly cpuUsec: number;
  readonly opsPerSecond: number;
}

/** One measured run. */
interface Run extends Figures {
  readonly requests: number;
}

interface Plan {
  readonly requests: number;
  readonly runs: number;
  readonly keyspace: number;
  readonly loads: readonly Load[];
  readonly pipelines: readonly number[];
  readonly sizes: readonly number[];
  readonly replicas: readonly number[];
}

/**
 * What a command costs beside Redis: redis-benchmark against both by turns, in one run. The servers have one core, all else the other.
 * CPU is that of the whole server process, from before the first request until every replica has all of it.
 */
export const besideRedis: Bench = {
  name: 'redis',
  summary: "processor time a command and commands a second beside Debian's redis-server",
  run: async (options) => {
    const version = redisVersion();
    if (version === null) {
      const text =
        'redis-server and redis-benchmark are not installed (Debian: redis-server, redis-tools): nothing measured';
      return { text, json: null, passed: options.small };
    }
    return await measure(planOf(options), version);
  },
};

function planOf({ small, requests, runs, only, pipeline, bytes, peers }: BenchOptions): Plan {
  const unknown = only.filter((command) => !LOADS.some((load) => load.command === command));
  if (unknown.length > 0)
    throw new Error(`no load ${unknown.join(', ')}; there are ${LOADS.map((load) => load.command).join(', ')}`);
  return {
    requests: small ? 3_200 : requests,
    runs: small ? 1 : runs,
    keyspace: small ? 1_000 : 100_000,
    loads: LOADS.filter(({ command }) => only.length === 0 || only.includes(command)),
    pipelines: pipeline ?? (small ? [16] : PIPELINES),
    sizes: bytes ?? (small ? SIZES.slice(0, 1) : SIZES),
    replicas: peers ?? [2, 0],
  };
}

async function measure(plan: Plan, version: string): Promise<BenchResult> {
  const rows: Row[] = [];
  const faults: string[] = [];
  for (const replicas of plan.replicas) {
    const servers = await started(replicas);
    try {
      for (const bytes of plan.sizes) {
        for (const load of plan.loads) {
          if (!load.isSized && bytes !== plan.sizes[0]) continue;
          rows.push(...(await measureLoad(servers, load, bytes, replicas, plan, faults)));
        }
      }
      for (const server of servers) faults.push(...(await differencesOf(server)));
    } finally {
      await Promise.all(servers.map(async (server) => await server.stop()));
    }
  }
  return resultOf(rows, faults, plan, version);
}

async function started(replicas: number): Promise<readonly [own: MeasuredServer, redis: MeasuredServer]> {
  const own = await startCauseway(replicas);
  try {
    return [own, await startRedis(replicas)];
  } catch (error) {
    await own.stop();
    throw error;
  }
}

/** One command at every depth of pipeline: by turns, so that what else the machine does meets both. */
async function measureLoad(
  servers: readonly [own: MeasuredServer, redis: MeasuredServer],
  load: Load,
  bytes: number,
  replicas: number,
  plan: Plan,
  faults: string[],
): Promise<Row[]> {
  const { keyspace, runs } = plan;
  const unit = random(SEED);
  const samples = Array.from({ length: SAMPLES }, () => Math.floor(unit() * keyspace));
  if (load.keysRead > 0) for (const server of servers) await fill(server, keyspace, bytes);
  const requestsOf = servers.map(() => 0);
  const rows: Row[] = [];
  for (const pipeline of plan.pipelines) {
    const found: Run[][] = servers.map(() => []);
    for (let run = -1; run < runs; run++) {
      for (const [at, server] of servers.entries()) {
        // the first warms up
        const result = await runOnce(server, load, bytes, pipeline, plan, faults);
        requestsOf[at] = (requestsOf[at] ?? 0) + result.requests;
        if (run >= 0) found[at]?.push(result);
      }
    }
    const [own, redis] = found.map(mediansOf) as [Figures, Figures];
    const row = {
      command: load.command,
      bytes: load.isSized ? bytes : null,
      pipeline,
      replicas,
      own,
      redis,
      cpuRatio: redis.cpuUsec / own.cpuUsec,
      opsRatio: own.opsPerSecond / redis.opsPerSecond,
      bar: barOf(load, bytes, pipeline, replicas),
    };
    console.error(`  ${labelOf(row)}, ${replicas} replicas: ${row.cpuRatio.toFixed(2)}`);
    rows.push(row);
  }
  for (const [at, server] of servers.entries()) {
    for (const client of [server.client, ...server.replicas]) {
      const fault = await load.fault(client, { requests: requestsOf[at] ?? 0, bytes, keyspace, samples });
      if (fault !== null) faults.push(`${server.name}: ${fault}`);
    }
  }
  return rows;
}

/** What issue after issue promises: as Redis where requests come together, nearly where each costs two system calls. */
function barOf({ command }: Load, bytes: number, pipeline: number, replicas: number): number | null {
  if (replicas === 0 || bytes !== SIZES[0]) return null;
  if (command === 'GET' || command === 'SET') return pipeline === 1 ? 0.85 : 1;
  return pipeline === 16 ? 0.85 : null;
}

function mediansOf(runs: Run[]): Figures {
  return {
    cpuUsec: quantile(
      runs.map(({ cpuUsec }) => cpuUsec),
      0.5,
    ),
    opsPerSecond: quantile(
      runs.map(({ opsPerSecond }) => opsPerSecond),
      0.5,
    ),
  };
}

async function runOnce(
  server: MeasuredServer,
  load: Load,
  bytes: number,
  pipeline: number,
  plan: Plan,
  faults: string[],
): Promise<Run> {
  const before = await statsOf(server, load);
  const cpuBefore = cpuNanoseconds(server.pid);
  const asked = Math.ceil(plan.requests / pipeline) * pipeline;
  const output = await runPinned(CLIENT_CORE, 'redis-benchmark', [
    ...['-h', '127.0.0.1', '-p', String(server.port), '-c', String(CLIENTS), '-P', String(pipeline)],
    ...['-n', String(asked), '-r', String(plan.keyspace), '-d', String(bytes), '--csv', ...load.arguments],
  ]);
  const isSettled = await areSettled(server.client, server.replicas.length, SETTLED_WITHIN_MS);
  const cpuUsec = (cpuNanoseconds(server.pid) - cpuBefore) / 1_000;
  const after = await statsOf(server, load);
  const requests = after.calls - before.calls;
  const opsPerSecond = Number(/"(\d+\.\d+)"/.exec(output.split('\n')[1] ?? '')?.[1] ?? NaN);
  const what = `${server.name}, ${load.command} P${pipeline}`;
  if (!isSettled) faults.push(`${what}: replicas do not have everything after ${SETTLED_WITHIN_MS / 1_000} s`);
  if (requests !== asked) faults.push(`${what}: ${requests} of ${asked} requests were run`);
  if (after.errors > before.errors) faults.push(`${what}: ${after.errors - before.errors} error replies`);
  const hits = after.hits - before.hits;
  if (hits !== requests * load.keysRead)
    faults.push(`${what}: ${hits} of ${requests * load.keysRead} reads found a value`);
  return { requests, cpuUsec: cpuUsec / requests, opsPerSecond };
}

/** What the server itself has counted: calls of the command, error replies, reads that found something. */
async function statsOf(
  { client }: MeasuredServer,
  load: Load,
): Promise<{ calls: number; errors: number; hits: number }> {
  const commands = String(await client.send('INFO', 'commandstats'));
  const stats = String(await client.send('INFO', 'stats'));
  const figure = (text: string, name: string): number => Number(new RegExp(`${name}(\\d+)`).exec(text)?.[1] ?? 0);
  // the settling SET is counted with the others
  const own = load.command === 'SET' ? figure(commands, 'cmdstat_wait:calls=') : 0;
  return {
    calls: figure(commands, `cmdstat_${load.command.toLowerCase()}:calls=`) - own,
    errors: figure(stats, 'total_error_replies:'),
    hits: load.keysRead === 0 ? 0 : figure(stats, 'keyspace_hits:'),
  };
}

/** Gives every key a value of that size. */
async function fill({ client, replicas }: MeasuredServer, keyspace: number, bytes: number): Promise<void> {
  const value = 'v'.repeat(bytes);
  for (let first = 0; first < keyspace; first += FILL_KEYS) {
    const args = Array.from({ length: Math.min(FILL_KEYS, keyspace - first) }, (_, at) => [
      keyOf('key', first + at),
      value,
    ]);
    await client.send('MSET', ...args.flat());
  }
  await areSettled(client, replicas.length, SETTLED_WITHIN_MS);
}

/** Replicas that do not show what the server shows. */
async function differencesOf({ name, client, replicas }: MeasuredServer): Promise<string[]> {
  const digest = name === 'redis' ? ['DEBUG', 'DIGEST'] : ['CW.DIGEST'];
  const all = await Promise.all([client, ...replicas].map(async (each) => String(await each.send(...digest))));
  return all.every((each) => each === all[0]) ? [] : [`${name}: replicas differ: ${all.join(', ')}`];
}

function resultOf(rows: readonly Row[], faults: readonly string[], plan: Plan, version: string): BenchResult {
  const missed = rows.filter(({ cpuRatio, bar }) => bar !== null && cpuRatio < bar);
  const sections = plan.replicas.flatMap((replicas) => [
    replicas === 0 ? '\nboth alone' : `\n${replicas} peers replicating, Redis with ${replicas} replicas attached`,
    tableOf(rows.filter((row) => row.replicas === replicas)),
  ]);
  const text = [
    `Redis ${version}, ${CLIENTS} connections, ${plan.keyspace} keys, ${plan.requests} requests a run, medians of ${plan.runs}; ` +
      `${canPin ? 'server and client have a core each' : 'NOT pinned: taskset or a second core is missing'}; ` +
      'CPU: user and system of the whole process until every replica has everything',
    ...sections,
    `checks: ${faults.length === 0 ? 'all held' : `FAILED: ${faults.join('; ')}`}`,
    `bars: ${missed.length === 0 ? 'met' : `NOT met: ${missed.map((row) => `${labelOf(row)} ${row.cpuRatio.toFixed(2)} of ${row.bar}`).join(', ')}`}`,
  ].join('\n');
  return {
    text,
    json: { version, plan: { ...plan, loads: plan.loads.map(({ command }) => command) }, rows, faults },
    svg: chartOf(rows),
    passed: faults.length === 0 && missed.length === 0,
  };
}

function labelOf({ command, bytes, pipeline }: Row): string {
  return `${command}${bytes === SIZES[1] ? ' 1 KiB' : ''} P${pipeline}`;
}

function tableOf(rows: readonly Row[]): string {
  return table(
    ['command', 'CPU µs', 'Redis µs', 'Redis / ours', 'bar', 'k op/s', 'Redis k op/s', 'ours / Redis'],
    rows.map(({ own, redis, cpuRatio, opsRatio, bar, ...row }) => [
      labelOf({ own, redis, cpuRatio, opsRatio, bar, ...row }),
      own.cpuUsec,
      redis.cpuUsec,
      cpuRatio,
      bar === null ? '' : `≥ ${bar.toFixed(2)}`,
      own.opsPerSecond / 1_000,
      redis.opsPerSecond / 1_000,
      opsRatio,
    ]),
  );
}

function chartOf(rows: readonly Row[]): string {
  const replicaCounts = [...new Set(rows.map(({ replicas }) => replicas))];
  return barChart({
    title: 'Processor time a command: Redis / Causeway (above 1 is cheaper than Redis)',
    line: 1,
    series: replicaCounts.map((replicas) =>
      replicas === 0 ? 'both alone' : `${replicas} peers, ${replicas} replicas`,
    ),
    groups: [...new Set(rows.map(labelOf))].map((label) => ({
      label,
      values: replicaCounts.map(
        (replicas) => rows.find((row) => row.replicas === replicas && labelOf(row) === label)?.cpuRatio ?? NaN,
      ),
    })),
  });
}
