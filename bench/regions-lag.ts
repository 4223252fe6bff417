import { BareFrames } from './support/bare-frames.ts';
import type { BenchOptions, BenchResult } from './support/bench.ts';
import type { BenchCluster } from './support/cluster.ts';
import { quantile, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { cpuSeconds } from './support/processes.ts';
import { areEqual, oneWay, paced, REGIONS, settled, wireBytes } from './support/three-regions.ts';

const NEWLINE = 0x0a;
/** What an error begins with; a reply to SET has it nowhere else. */
const ERROR = 0x2d;
const VALUE = 'x'.repeat(64);
/** Writes that a client sends at once, and for how long, to see what they take on the wire. */
const BATCH = 16;
const BATCHED_MS = 4_000;
const KEY_DIGITS = 8;
const KEY = /w:(\d):0*(\d+)\r\n/g;
const KEY_BYTES = `w:0:`.length + KEY_DIGITS;
/** Beyond a bare frame through the same shaper in the same run. */
const P50_MS_MAX = 1;
const P99_MS_MAX = 5;
/** Of key and value. */
const WIRE_SHARE_MAX = 1.25;

interface PairFigures {
  readonly from: string;
  readonly to: string;
  readonly oneWayMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bareP50Ms: number;
  readonly bareP99Ms: number;
  readonly samples: number;
}

/** Times of replies and of what the other regions showed, by the writer's place in `REGIONS`. */
class Sightings {
  readonly replied: number[] = REGIONS.map(() => 0);
  readonly lags: number[][][] = REGIONS.map(() => REGIONS.map(() => []));
  readonly #replyAtMs: Float64Array[];
  warmUntilMs = Infinity;
  errors = 0;

  constructor(writes: number) {
    this.#replyAtMs = REGIONS.map(() => new Float64Array(writes));
  }

  noteReplies(at: number, bytes: Buffer): void {
    const nowMs = performance.now();
    let replies = 0;
    for (const byte of bytes) {
      if (byte === NEWLINE) replies++;
      else if (byte === ERROR) this.errors++;
    }
    const first = this.replied[at] ?? 0;
    this.#replyAtMs[at]?.fill(nowMs, first, first + replies);
    this.replied[at] = first + replies;
  }

  /** Notes what a watcher's bytes tell of; returns the rest that is not whole. */
  noteShown(at: number, text: string): string {
    const nowMs = performance.now();
    let end = 0;
    for (const match of text.matchAll(KEY)) {
      end = match.index + match[0].length;
      const from = Number(match[1]);
      const repliedMs = this.#replyAtMs[from]?.[Number(match[2])] ?? 0;
      if (from !== at && repliedMs > this.warmUntilMs) this.lags[from]?.[at]?.push(nowMs - repliedMs);
    }
    return text.slice(end).slice(-256);
  }
}

/**
 * The time from a write's reply to its visibility in another region, under `up` with the real delays. Writers and watchers are one process,
 * so there is one monotonic clock; a write is visible when the other region's keyspace notification of it was read, which is
 * after the apply: what is printed is an upper bound. Writes are open-loop at a fixed rate. Bytes are counted by the shaper.
 */
export async function measureLag(cluster: BenchCluster, options: BenchOptions): Promise<BenchResult> {
  const seconds = options.small ? 3 : options.seconds;
  const rate = options.small ? Math.min(options.rate, 2_000) : options.rate;
  const sightings = new Sightings(Math.ceil((rate * (seconds + 15)) / REGIONS.length));
  const connections: LoadConnection[] = [];
  const writers: LoadConnection[] = [];
  for (const [at, node] of cluster.nodes.entries()) {
    const setup = await LoadConnection.open(node.resp);
    await setup.command('CONFIG', 'SET', 'notify-keyspace-events', 'E$');
    setup.close();
    const watcher = await LoadConnection.open(node.resp);
    await watcher.command('SUBSCRIBE', '__keyevent@0__:set');
    let rest = '';
    watcher.onData((bytes) => (rest = sightings.noteShown(at, rest + bytes.toString('latin1'))));
    const writer = await LoadConnection.open(node.resp);
    writer.onData((bytes) => sightings.noteReplies(at, bytes));
    writers.push(writer);
    connections.push(watcher, writer);
  }

  const bare = await BareFrames.open(cluster.wan, REGIONS);
  const sent = REGIONS.map(() => 0);
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  sightings.warmUntilMs = startMs + Math.min(3_000, seconds * 300);
  setTimeout(() => bare.restart(), sightings.warmUntilMs - startMs);
  const before = { wire: (await wireBytes(cluster)) - bare.sentBytes, cpu: cpuSeconds(cluster.wanPid ?? 0) };
  await paced(
    rate / REGIONS.length,
    () => performance.now() >= endMs,
    (count) => {
      for (const [at, writer] of writers.entries()) {
        let bytes = '';
        for (let each = 0; each < count; each++) bytes += encode(['SET', keyOf(at, sent), VALUE]);
        writer.send(bytes);
      }
    },
  );
  const spreadBytes = (await wireBytes(cluster)) - bare.sentBytes - before.wire;
  const spreadWrites = writesOf(sightings);
  const shaperCpuShare = (cpuSeconds(cluster.wanPid ?? 0) - before.cpu) / ((performance.now() - startMs) / 1_000);
  // what is still measured is over; the same writes go on by sixteens
  const figures = pairFigures(sightings, bare);
  sightings.warmUntilMs = Infinity;
  const batchesEndMs = performance.now() + (options.small ? 1_000 : BATCHED_MS);
  const batchedBefore = (await wireBytes(cluster)) - bare.sentBytes;
  let dueInAll = 0;
  await paced(
    rate / REGIONS.length / BATCH,
    () => performance.now() >= batchesEndMs,
    (count) => {
      dueInAll += count * BATCH * REGIONS.length;
      for (const [at, writer] of writers.entries())
        for (let batch = 0; batch < count; batch++)
          writer.send(Array.from({ length: BATCH }, () => encode(['SET', keyOf(at, sent), VALUE])).join(''));
    },
  );
  await settled(cluster);
  const batchedBytes = (await wireBytes(cluster)) - bare.sentBytes - batchedBefore;
  const equal = await areEqual(cluster);

  bare.close();
  for (const connection of connections) connection.close();
  const deliveries = REGIONS.length - 1;
  const bytesAnUpdate = batchedBytes / (dueInAll * deliveries);
  const spreadBytesAnUpdate = spreadBytes / (spreadWrites * deliveries);
  const bytesMax = (KEY_BYTES + VALUE.length) * WIRE_SHARE_MAX;
  const achieved = spreadWrites / seconds;
  const isInTime = figures.every(
    (each) =>
      each.samples > 0 && each.p50Ms <= each.bareP50Ms + P50_MS_MAX && each.p99Ms <= each.bareP99Ms + P99_MS_MAX,
  );
  const rows = figures.map((each) => [
    `${each.from} → ${each.to}`,
    each.oneWayMs,
    each.bareP50Ms,
    each.p50Ms,
    each.p50Ms - each.bareP50Ms,
    each.bareP99Ms,
    each.p99Ms,
    each.p99Ms - each.bareP99Ms,
    String(each.samples),
  ]);
  const met = (isMet: boolean): string => (isMet ? 'met' : 'NOT met');
  const text = [
    `visibility lag, ${achieved.toFixed(0)} writes/s in all (asked for ${rate}), ${seconds} s, SET of a ${KEY_BYTES} B key and 64 B; from the reply read to the notification read, one clock; bare: a frame of 100 B through the same shaper in the same run`,
    table(
      ['pair', 'one way ms', 'bare p50', 'p50 ms', 'p50 − bare', 'bare p99', 'p99 ms', 'p99 − bare', 'samples'],
      rows,
    ),
    `bar: p50 ≤ bare + ${P50_MS_MAX} ms, p99 ≤ bare + ${P99_MS_MAX} ms: ${met(isInTime)}`,
    `wire bytes an update and region, all that went between regions: ${bytesAnUpdate.toFixed(1)} B where clients send ${BATCH} at a time, ${spreadBytesAnUpdate.toFixed(1)} B where about ${(rate / REGIONS.length / 1_000).toFixed(0)} come in a millisecond; bar: ≤ ${bytesMax.toFixed(0)} B: ${met(bytesAnUpdate <= bytesMax)}`,
    `shaper: ${(shaperCpuShare * 100).toFixed(1)} % of a core; ${sightings.errors} writes refused; digests ${equal ? 'equal' : 'DIFFER'}`,
  ].join('\n');
  const json = {
    figures,
    achieved,
    bytesAnUpdate,
    spreadBytesAnUpdate,
    refused: sightings.errors,
    shaperCpuShare,
    equal,
  };
  const isRight = equal && sightings.errors === 0;
  return { text, json, passed: isRight && isInTime && bytesAnUpdate <= bytesMax };
}

const writesOf = ({ replied }: Sightings): number => replied.reduce((sum, count) => sum + count, 0);

function pairFigures(sightings: Sightings, bare: BareFrames): PairFigures[] {
  return REGIONS.flatMap((from, fromAt) =>
    REGIONS.flatMap((to, toAt): PairFigures[] => {
      if (fromAt === toAt) return [];
      const samples = sightings.lags[fromAt]?.[toAt] ?? [];
      const bareLags = bare.lagsOf(from, to);
      return [
        {
          from,
          to,
          oneWayMs: oneWay(from, to),
          p50Ms: quantile(samples, 0.5),
          p99Ms: quantile(samples, 0.99),
          bareP50Ms: quantile(bareLags, 0.5),
          bareP99Ms: quantile(bareLags, 0.99),
          samples: samples.length,
        },
      ];
    }),
  );
}

function keyOf(at: number, sent: number[]): string {
  const count = sent[at] ?? 0;
  sent[at] = count + 1;
  return `w:${at}:${String(count).padStart(KEY_DIGITS, '0')}`;
}
