import { askAdmin } from '../src/wan/admin-client.ts';
import type { BenchOptions, BenchResult } from './support/bench.ts';
import type { BenchCluster } from './support/cluster.ts';
import { quantile } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { startIdle, type Idle } from './support/idle.ts';
import { longestTurn } from './support/measured-server.ts';
import type { LongestTurn } from './support/turn-watch.ts';
import { random } from './support/random.ts';
import { areEqual, paced, REGIONS, settled } from './support/three-regions.ts';

const NEWLINE = 0x0a;
/** What an error begins with; a reply to SET has it nowhere else. */
const ERROR = 0x2d;
const VALUE = 'x'.repeat(64);
const KEYS = 100_000;
const SEED = 7;
const WRITES_PER_SECOND = 5_000;
/** The region that is cut off. */
const CUT = 'ap-southeast-1';
/** Catch-up by the rate of writes. */
const TIMES_MIN = 10;
const STALL_MS_MAX = 20;
const LOOK_EVERY_MS = 2;
const WITHIN_MS = 120_000;
/** Of an error, for the table. */
const REFUSAL_CHARS = 100;

/** Asks for one key again and again, and keeps how long each answer took. */
class Pinger {
  readonly #connection: LoadConnection;
  #sentMs = 0;
  #isOver = false;
  #timer: NodeJS.Timeout | null = null;
  readonly #key: string;
  readonly #answered: (text: string) => void;
  tookMs: number[] = [];

  constructor(connection: LoadConnection, key: string, answered: (text: string) => void) {
    this.#connection = connection;
    this.#key = key;
    this.#answered = answered;
    connection.onData((bytes) => this.#took(bytes.toString('latin1')));
    this.#ask();
  }

  #ask(): void {
    this.#sentMs = performance.now();
    this.#connection.send(encode(['MGET', `${this.#key}:0`, `${this.#key}:1`]));
  }

  #took(text: string): void {
    this.tookMs.push(performance.now() - this.#sentMs);
    this.#answered(text);
    if (!this.#isOver) this.#timer = setTimeout(() => this.#ask(), LOOK_EVERY_MS);
  }

  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#connection.close();
  }
}

/**
 * One region is cut off from the others, all go on writing at the same rate, and the link heals. From then on it is measured how long it
 * takes until the region shows all that the others had written by then, connections made anew included, and how long reads there
 * take meanwhile. Writing goes on all the time.
 */
export async function measureCatchUp(cluster: BenchCluster, options: BenchOptions): Promise<BenchResult> {
  const idle = await startIdle();
  try {
    return await measureBeside(idle, cluster, options);
  } finally {
    await idle.stop();
  }
}

async function measureBeside(idle: Idle, cluster: BenchCluster, options: BenchOptions): Promise<BenchResult> {
  const cutSeconds = options.small ? 2 : options.cutSeconds;
  const rate = options.small ? 1_000 : WRITES_PER_SECOND;
  const unit = random(SEED);
  const writers: LoadConnection[] = [];
  const replied = REGIONS.map(() => 0);
  let refused = 0;
  let refusal = '';
  for (const [at, node] of cluster.nodes.entries()) {
    const writer = await LoadConnection.open(node.resp);
    writer.onData((bytes) => {
      for (const [place, byte] of bytes.entries()) {
        if (byte === NEWLINE) replied[at] = (replied[at] ?? 0) + 1;
        else if (byte === ERROR && refused++ === 0)
          refusal = `; the first: ${bytes.toString('latin1', place, place + REFUSAL_CHARS)}`;
      }
    });
    writers.push(writer);
  }
  let isOver = false;
  const writing = paced(
    rate / REGIONS.length,
    () => isOver,
    (count) => {
      for (const writer of writers) {
        let bytes = '';
        for (let each = 0; each < count; each++) bytes += encode(['SET', `key:${draw(unit)}`, VALUE]);
        writer.send(bytes);
      }
    },
  );
  const idlePinger = new Pinger(await LoadConnection.open(idle.address), 'mark', () => {});
  const cutAt = REGIONS.indexOf(CUT);
  const others = REGIONS.filter((region) => region !== CUT);
  const reader = await LoadConnection.open(cluster.nodes[cutAt]?.resp ?? '');
  let whenThere: (() => void) | null = null;
  const pinger = new Pinger(reader, 'mark', (text) => {
    if ((text.match(/there/g) ?? []).length === others.length) whenThere?.();
  });

  for (const other of others) await askAdmin(cluster.wan, '/cut', { from: CUT, to: other });
  await longestTurns(cluster);
  const writtenBefore = [...replied];
  await sleep(cutSeconds * 1_000);
  const missed = missedBy(cutAt, writtenBefore, replied);
  for (const [at, other] of others.entries()) {
    const node = cluster.nodes[REGIONS.indexOf(other)];
    const connection = await LoadConnection.open(node?.resp ?? '');
    await connection.command('SET', `mark:${at}`, 'there');
    connection.close();
  }
  const calmMs = pinger.tookMs.splice(0);
  const idleCalmMs = idlePinger.tookMs.splice(0);
  const calmTurns = await longestTurns(cluster);
  const healedMs = performance.now();
  const caughtUp = new Promise<void>((resolve, reject) => {
    whenThere = resolve;
    setTimeout(() => reject(new Error(`not caught up after ${WITHIN_MS / 1_000} s`)), WITHIN_MS).unref();
  });
  for (const other of others) await askAdmin(cluster.wan, '/heal', { from: CUT, to: other });
  await caughtUp;
  const tookMs = performance.now() - healedMs;
  const readMs = pinger.tookMs.splice(0);
  const idleMs = idlePinger.tookMs.splice(0);
  const turns = await longestTurns(cluster);
  pinger.stop();
  idlePinger.stop();
  isOver = true;
  await writing;
  await settled(cluster);
  const equal = await areEqual(cluster);
  for (const writer of writers) writer.close();

  const perSecond = missed / (tookMs / 1_000);
  const longestMs = Math.max(...readMs);
  const idleLongestMs = Math.max(...idleMs);
  const isQuick = perSecond >= TIMES_MIN * rate;
  const met = (isMet: boolean): string => (isMet ? 'met' : 'NOT met');
  const text = [
    `catch-up of ${CUT} after a cut of ${cutSeconds} s at ${rate} writes/s in all, which go on`,
    `${missed} updates missed, all there ${(tookMs / 1_000).toFixed(2)} s after the link healed: ${perSecond.toFixed(0)} a second, ${(perSecond / rate).toFixed(1)} × the rate of writes; bar: ≥ ${TIMES_MIN} ×: ${met(isQuick)}`,
    `reads there meanwhile: ${readMs.length}, p50 ${quantile(readMs, 0.5).toFixed(2)} ms, p99 ${quantile(readMs, 0.99).toFixed(2)} ms, longest ${longestMs.toFixed(2)} ms (during the cut ${Math.max(...calmMs).toFixed(2)} ms); bar: longest ≤ ${STALL_MS_MAX} ms: ${met(longestMs <= STALL_MS_MAX)}`,
    `a process that does nothing, asked likewise: ${idleMs.length}, p50 ${quantile(idleMs, 0.5).toFixed(2)} ms, p99 ${quantile(idleMs, 0.99).toFixed(2)} ms, longest ${idleLongestMs.toFixed(2)} ms (during the cut ${Math.max(...idleCalmMs).toFixed(2)} ms)`,
    `longest turn of each node, ms of its loop's CPU: ${told(turns, 'cpuMs')} (during the cut ${told(calmTurns, 'cpuMs')})`,
    `longest by the clock, less what it waited for a processor: ${told(turns, 'stoodMs')} (during the cut ${told(calmTurns, 'stoodMs')})`,
    ...turns.flatMap(({ ran, stoodIn }, at) => [...stacks(at, 'CPU', ran), ...stacks(at, 'clock', stoodIn)]),
    `${refused} writes refused${refusal.trimEnd()}; digests ${equal ? 'equal' : 'DIFFER'}`,
  ].join('\n');
  const json = {
    cutSeconds,
    rate,
    missed,
    tookMs,
    perSecond,
    reads: readMs.length,
    readP50Ms: quantile(readMs, 0.5),
    readP99Ms: quantile(readMs, 0.99),
    readLongestMs: longestMs,
    calmLongestMs: Math.max(...calmMs),
    idleP99Ms: quantile(idleMs, 0.99),
    idleLongestMs,
    idleCalmLongestMs: Math.max(...idleCalmMs),
    turns,
    calmTurns,
    refused,
    equal,
  };
  return { text, json, passed: equal && refused === 0 && isQuick && longestMs <= STALL_MS_MAX };
}

/** The longest turns of each node's loop since the last call, which what else runs on the machine does not make longer. */
async function longestTurns({ nodes, turnFile }: BenchCluster): Promise<LongestTurn[]> {
  const turns: LongestTurn[] = [];
  for (const { pid } of nodes) turns.push(await longestTurn({ pid, turnFile: turnFile.replace('{pid}', String(pid)) }));
  return turns;
}

function told(turns: readonly LongestTurn[], which: 'cpuMs' | 'stoodMs'): string {
  return REGIONS.map((region, at) => `${region} ${(turns[at]?.[which] ?? NaN).toFixed(1)}`).join(', ');
}

function stacks(at: number, by: string, ran: LongestTurn['ran']): string[] {
  if (ran.length === 0) return [];
  return [
    `longest turn of ${REGIONS[at] ?? ''} by ${by}:`,
    ...ran.map(({ where, ms }) => `  ${ms.toFixed(1)} ms ${where}`),
  ];
}

/** What the others wrote while the region was cut off. */
function missedBy(cutAt: number, before: readonly number[], after: readonly number[]): number {
  return after.reduce((sum, count, at) => (at === cutAt ? sum : sum + count - (before[at] ?? 0)), 0);
}

function draw(unit: () => number): string {
  return String(Math.floor(unit() * KEYS)).padStart(8, '0');
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
