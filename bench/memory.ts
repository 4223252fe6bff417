import { fileURLToPath } from 'node:url';
import { barChart } from './support/bar-chart.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';
import { encode } from './support/load-connection.ts';
import { LoopProbe } from './support/loop-probe.ts';
import {
  longestTurn,
  redisVersion,
  startCauseway,
  startRedis,
  type MeasuredServer,
} from './support/measured-server.ts';
import type { LongestTurn } from './support/turn-watch.ts';
import { CLIENT_CORE, startPinned, type PinnedProcess } from './support/pinned.ts';
import { Pipelined } from './support/pipelined.ts';
import { residentBytes } from './support/processes.ts';
import { random } from './support/random.ts';

const SIZES = [1_000_000, 5_000_000] as const;
const SMALL_KEYS = 20_000;
const VALUE_BYTES = 64;
const SEED = 6;
/** Commands sent together: the queue that a probe may stand behind. */
const TOGETHER = 32;
const SETTLED_PART = 0.002;
const SETTLE_EVERY_MS = 1_000;
const SETTLE_LOOKS = 20;
const RATIO_MAX = 1.1;
const PAUSE_MS_MAX = 20;

const IDLE_SERVER = fileURLToPath(new URL('support/idle-server.ts', import.meta.url));

interface SizeRow {
  readonly keys: number;
  /** Resident growth over the empty server, by key. */
  readonly ownBytes: number;
  readonly redisBytes: number;
  readonly ratio: number;
}

interface PauseRow {
  readonly during: string;
  readonly keys: number;
  readonly longestMs: number;
  readonly idleMs: number;
  /** The longest turn by the CPU of the loop's thread; NaN where that is not watched. */
  readonly turn: LongestTurn;
}

interface Found {
  readonly bytesAKey: number;
  readonly pauses: readonly PauseRow[];
  readonly faults: readonly string[];
}

/**
 * What a key takes, and how long the server stands still: keys of 12 bytes with values of 64 are written in pipelines to a node and to
 * redis-server, one after the other in one run. Bytes are resident growth over the empty server. The pause is the longest that a PING took on a
 * connection of its own, while the keys were written and under a mixed load on the most of them, beside that of a process that does nothing.
 */
export const memory: Bench = {
  name: 'memory',
  summary: "resident bytes a key beside Debian's redis-server, and the longest pause, at 1 and 5 million keys",
  run: async (options: BenchOptions) => {
    const sizes = options.small ? [SMALL_KEYS] : SIZES.filter((keys) => keys <= options.operations);
    const redis = redisVersion();
    const rows: SizeRow[] = [];
    const pauses: PauseRow[] = [];
    const faults: string[] = [];
    const idle = startPinned(CLIENT_CORE, process.execPath, [IDLE_SERVER]);
    try {
      for (const keys of sizes) {
        const seconds = options.small ? 1 : options.seconds;
        const turns = options.only.includes('stacks') ? 'stacks' : 'cpu';
        const own = await measured(await startCauseway(0, { turns }), keys, seconds, idle);
        const theirs = redis === null ? null : await measured(await startRedis(0), keys, 0, idle);
        pauses.push(...own.pauses);
        faults.push(...own.faults, ...(theirs?.faults ?? []));
        const redisBytes = theirs?.bytesAKey ?? NaN;
        rows.push({ keys, ownBytes: own.bytesAKey, redisBytes, ratio: own.bytesAKey / redisBytes });
      }
    } finally {
      await idle.stop();
    }
    return resultOf(rows, pauses, faults, redis);
  },
};

async function measured(server: MeasuredServer, keys: number, seconds: number, idle: PinnedProcess): Promise<Found> {
  const probes = await Promise.all(
    [server.port, Number.parseInt(idle.output(), 10)].map(async (port) => await LoopProbe.open(port)),
  );
  const load = await Pipelined.open(`127.0.0.1:${server.port}`);
  try {
    const emptyBytes = await settledBytes(server.pid);
    const pauses: PauseRow[] = [];
    const forgetPauses = async (): Promise<void> => {
      await longestTurn(server);
      probes.forEach((probe) => void probe.take());
    };
    const taken = async (during: string): Promise<void> => {
      const [longestMs = NaN, idleMs = NaN] = probes.map((probe) => probe.take());
      pauses.push({ during, keys, longestMs, idleMs, turn: await longestTurn(server) });
    };
    await forgetPauses();
    await fill(load, keys);
    await taken('writing the keys');
    const bytesAKey = ((await settledBytes(server.pid)) - emptyBytes) / keys;
    const faults = await faultsOf(server, keys);
    if (seconds > 0) {
      await forgetPauses();
      await mix(load, keys, seconds);
      await taken('mixed load');
      for (const command of SWEEPS) {
        await forgetPauses();
        await sweep(server, command);
        await taken(command.slice(0, 4).join(' '));
      }
    }
    if (load.errors > 0) faults.push(`${server.name}: ${load.errors} errors`);
    return { bytesAKey, pauses, faults };
  } finally {
    for (const probe of probes) probe.close();
    load.close();
    await server.stop();
  }
}

const keyOf = (number: number): string => `key:${String(number).padStart(8, '0')}`;
const valueOf = (number: number, bytes: number): string => String(number).padEnd(bytes, 'v');

async function fill(load: Pipelined, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += TOGETHER) {
    const count = Math.min(TOGETHER, keys - from);
    let commands = '';
    for (let number = from; number < from + count; number++)
      commands += encode(['SET', keyOf(number), valueOf(number, VALUE_BYTES)]);
    await load.send(commands, count);
  }
}

/** Reads, writes of other lengths, new keys, counters, expiries and removals, for some seconds. */
async function mix(load: Pipelined, keys: number, seconds: number): Promise<void> {
  const unit = random(SEED);
  const below = (limit: number): number => Math.floor(unit() * limit);
  const untilMs = performance.now() + seconds * 1000;
  let fresh = keys;
  while (performance.now() < untilMs) {
    let commands = '';
    let lines = 0;
    for (let each = 0; each < TOGETHER; each++) {
      const what = below(20);
      const key = keyOf(below(keys));
      lines++;
      // the value is read, and the reply is one line
      if (what < 9) commands += encode(['STRLEN', key]);
      else if (what < 15) commands += encode(['SET', key, valueOf(each, 16 + below(160))]);
      else if (what < 17) commands += encode(['SET', keyOf(fresh++), valueOf(each, VALUE_BYTES)]);
      else if (what < 18)
        commands += encode(['SET', key, valueOf(each, VALUE_BYTES), 'PX', String(100 + below(3_000))]);
      else if (what < 19) commands += encode(['INCR', `counter:${below(1_000)}`]);
      else commands += encode(['DEL', key]);
    }
    await load.send(commands, lines);
  }
}

/** What concerns every key. */
const SWEEPS: readonly (readonly string[])[] = [
  ['SCAN', '0', 'COUNT', '1000000', 'MATCH', 'none'],
  ['CW.DIGEST'],
  ['FLUSHALL'],
];

/** Runs one of them, and waits for what is left to be done behind its reply. */
async function sweep({ client }: MeasuredServer, command: readonly string[]): Promise<void> {
  await client.send(...(command as [string, ...string[]]));
  while (Number(/lazyfree_pending_objects:(\d+)/.exec(String(await client.send('INFO', 'memory')))?.[1] ?? 0) > 0)
    await new Promise((resolve) => setTimeout(resolve, SETTLE_EVERY_MS));
}

/** Resident bytes once they change no more. */
async function settledBytes(pid: number): Promise<number> {
  let bytes = residentBytes(pid);
  for (let look = 0; look < SETTLE_LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_EVERY_MS));
    const before = bytes;
    bytes = residentBytes(pid);
    if (Math.abs(bytes - before) <= before * SETTLED_PART) break;
  }
  return bytes;
}

async function faultsOf({ name, client }: MeasuredServer, keys: number): Promise<string[]> {
  const faults: string[] = [];
  const unit = random(SEED);
  const count = Number(await client.send('DBSIZE'));
  // the one that the start was waited for with
  if (count < keys || count > keys + 1) faults.push(`${name}: ${count} keys of ${keys}`);
  for (let sample = 0; sample < 200; sample++) {
    const number = Math.floor(unit() * keys);
    const value = await client.send('GET', keyOf(number));
    if (value !== valueOf(number, VALUE_BYTES)) faults.push(`${name}: ${keyOf(number)} is ${String(value)}`);
  }
  return faults;
}

function resultOf(
  rows: readonly SizeRow[],
  pauses: readonly PauseRow[],
  faults: readonly string[],
  redis: string | null,
): BenchResult {
  const last = pauses.findLast(({ during }) => during === 'mixed load');
  const beyondMs = last === undefined ? NaN : last.longestMs - last.idleMs;
  const [first] = rows;
  const isSmallEnough = redis === null || (first !== undefined && first.ratio <= RATIO_MAX);
  const passed = faults.length === 0 && isSmallEnough && beyondMs <= PAUSE_MS_MAX;
  return {
    text: [
      `keys of 12 B with values of ${VALUE_BYTES} B; ${redis === null ? 'redis-server is not installed' : `Redis ${redis}`}`,
      table(
        ['keys', 'bytes a key', "Redis's", 'ours / Redis'],
        rows.map(({ keys, ownBytes, redisBytes, ratio }) => [String(keys), ownBytes, redisBytes, ratio]),
      ),
      '',
      table(
        ['longest pause, ms', 'keys', 'server', 'idle process', 'beyond it', "the turn's CPU"],
        pauses.map(({ during, keys, longestMs, idleMs, turn }) => [
          during,
          String(keys),
          longestMs,
          idleMs,
          longestMs - idleMs,
          turn.cpuMs,
        ]),
      ),
      ...pauses.flatMap(({ during, keys, turn: { ran } }) =>
        ran.length === 0
          ? []
          : [`${during}, ${keys} keys:`, ...ran.map(({ where, ms }) => `  ${ms.toFixed(1)} ms ${where}`)],
      ),
      `checks: ${faults.length === 0 ? 'all held' : faults.slice(0, 5).join('; ')}`,
      `bars: at ${first?.keys ?? 0} keys ≤ ${RATIO_MAX} of Redis; the longest pause of the mixed load ≤ ${PAUSE_MS_MAX} ms beyond the idle process: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { rows, pauses, faults },
    svg: barChart({
      title: "The longest turn of the server's loop, by its processor time",
      series: ['ms'],
      groups: pauses.map(({ during, keys, turn }) => ({
        label: `${during}, ${keys / 1e6} M`,
        values: [turn.cpuMs],
      })),
      line: PAUSE_MS_MAX,
      unit: ' ms',
    }),
    passed,
  };
}
