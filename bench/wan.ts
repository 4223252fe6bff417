import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { loadTopology } from '../src/server/topology.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';
import { Shaper, type ForwardRequest, type ForwardStatus } from '../src/wan/shaper.ts';

const NODES = ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'] as const;
const FRAME_BYTES = 256;
const TICK_MS = 2;
const SHAPER_ARGUMENT = '--wan-bench-shaper';

interface Lateness {
  readonly framesPerSecond: number;
  readonly frames: number;
  readonly earliestMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly shaperCpuShare: number;
  readonly isOrdered: boolean;
}

interface ChildRequest {
  readonly forwards?: readonly ForwardRequest[];
}

interface ChildReply {
  readonly forwards?: readonly ForwardStatus[];
  readonly cpuMs: number;
}

/** The shaper in a process of its own, as `up` runs it. */
function runShaper(): void {
  const shaper = new Shaper({ topology: loadTopology('regions') });
  process.on('disconnect', () => process.exit(0));
  process.on('message', (request: ChildRequest) => {
    void (async () => {
      const forwards = request.forwards === undefined ? undefined : await shaper.register(request.forwards);
      const cpu = process.cpuUsage();
      process.send?.({ forwards, cpuMs: (cpu.user + cpu.system) / 1_000 });
    })();
  });
}

async function ask(child: ChildProcess, request: ChildRequest): Promise<ChildReply> {
  const reply = once(child, 'message') as Promise<[ChildReply]>;
  child.send(request);
  return (await reply)[0];
}

/** How late frames arrive that carry their time of sending, sent evenly over all six directions between three regions. */
async function measureWan(framesPerSecond: number, seconds: number): Promise<Lateness> {
  const topology = loadTopology('regions');
  const child = fork(import.meta.filename, [SHAPER_ARGUMENT], { execArgv: [] });
  const lateMs: number[] = [];
  let isOrdered = true;

  const receive = (socket: Socket, oneWayMs: number): void => {
    let rest = Buffer.alloc(0);
    let last = -Infinity;
    socket.on('data', (chunk) => {
      const nowMs = performance.now();
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= FRAME_BYTES; rest = rest.subarray(FRAME_BYTES)) {
        const sentMs = rest.readDoubleLE(0);
        isOrdered &&= sentMs >= last;
        last = sentMs;
        lateMs.push(nowMs - sentMs - oneWayMs);
      }
    });
  };

  const pairs = NODES.flatMap((from, index) => NODES.slice(index + 1).map((to) => ({ from, to })));
  const oneWayMs = (from: string, to: string): number => topology.oneWayMs(from.slice(0, -2), to.slice(0, -2));
  const senders: Socket[] = [];
  const servers = pairs.map(({ from, to }) =>
    createServer({ noDelay: true }, (socket) => {
      receive(socket, oneWayMs(from, to));
      senders.push(socket);
    }),
  );
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const targets = servers.map((server) => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }));
  const requests = pairs.map(({ from, to }, index) => ({ from, to, target: targets[index] ?? { host: '', port: 0 } }));
  const { forwards = [] } = await ask(child, { forwards: requests });
  for (const [index, { from, to }] of pairs.entries()) {
    const port = Number(forwards[index]?.listen.split(':')[1]);
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    receive(socket, oneWayMs(to, from));
    senders.push(socket);
  }
  while (senders.length < pairs.length * 2) await new Promise((resolve) => setTimeout(resolve, 10));

  const before = await ask(child, {});
  const startedMs = performance.now();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedMs;
      for (const due = Math.floor((elapsedMs * framesPerSecond) / 1_000); sent < due; sent += 1) {
        const frame = Buffer.alloc(FRAME_BYTES);
        frame.writeDoubleLE(performance.now(), 0);
        senders[sent % senders.length]?.write(frame);
      }
      if (elapsedMs < seconds * 1_000) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  const after = await ask(child, {});
  const elapsedMs = performance.now() - startedMs;
  while (lateMs.length < sent) await new Promise((resolve) => setTimeout(resolve, 10));
  for (const sender of senders) sender.destroy();
  for (const server of servers) server.close();
  child.disconnect();

  lateMs.sort((a, b) => a - b);
  const at = (share: number): number => lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * share))] ?? NaN;
  return {
    framesPerSecond,
    frames: lateMs.length,
    earliestMs: at(0),
    meanMs: lateMs.reduce((sum, late) => sum + late, 0) / lateMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    shaperCpuShare: (after.cpuMs - before.cpuMs) / elapsedMs,
    isOrdered,
  };
}

/** Frames a second in all: near idle, light, and what 2000 writes a second make in three regions unbatched. */
const RATES = [60, 600, 4_000];
/** The shaper's promise under load. */
const CPU_SHARE_MAX = 0.25;
/** Its own tolerance and the grain of two readings of the clock. */
const EARLY_MS_MAX = 0.2;

export const wan: Bench = {
  name: 'wan',
  summary: 'how late the WAN shaper is beyond the delay, and what it costs',
  run: async (options: BenchOptions): Promise<BenchResult> => {
    const seconds = options.small ? 1 : Math.min(options.seconds, 10);
    const rows: Lateness[] = [];
    for (const rate of options.small ? [600] : RATES) rows.push(await measureWan(rate, seconds));
    const isRight = rows.every((row) => row.isOrdered && row.earliestMs > -EARLY_MS_MAX);
    const passed = isRight && rows.every((row) => row.shaperCpuShare < CPU_SHARE_MAX);
    const figures = rows.map((row) => [
      row.framesPerSecond,
      row.earliestMs,
      row.meanMs,
      row.p50Ms,
      row.p99Ms,
      row.maxMs,
      `${(row.shaperCpuShare * 100).toFixed(1)} %`,
    ]);
    const text = [
      `lateness of ${FRAME_BYTES}-byte frames over six directions beyond the one-way delay, ms, ${seconds} s a row`,
      table(['frames/s', 'earliest', 'mean', 'p50', 'p99', 'max', 'shaper CPU'], figures),
      `${isRight ? 'all in order, none early' : 'OUT OF ORDER OR EARLY'}; bar: shaper under ${CPU_SHARE_MAX * 100} % of a core: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n');
    return { text, json: rows, passed };
  },
};

if (process.argv[2] === SHAPER_ARGUMENT) runShaper();
