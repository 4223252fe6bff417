import { startCluster, type BenchCluster } from './support/cluster.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { mean, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { residentBytes } from './support/processes.ts';

const KEYS = 10_000;
const VALUE_BYTES = 64;
const PIPELINE = 100;
/** Writes a node may be ahead of what the others applied: the lag is not what is measured here. */
const AHEAD_MAX = 20_000;
const SAMPLE_EVERY_MS = 250;

/**
 * Overwrites of the same keys from three regions: memory follows the keys, not the writes. The mean resident size of the last quarter of the
 * run beside that of the second, a node each.
 */
export const overwrites: Bench = {
  name: 'overwrites',
  summary: 'resident memory under endless overwrites of 10,000 keys from three regions',
  run: async (options: BenchOptions) => {
    const cluster = await startCluster(['--port-base', String(options.portBase)]);
    try {
      return await measure(cluster, options.small ? 60_000 : options.operations);
    } finally {
      await cluster.stop();
    }
  },
};

async function measure(cluster: BenchCluster, operations: number): Promise<BenchResult> {
  const samples: { done: number; bytes: number[] }[] = [];
  const share = Math.floor(operations / cluster.nodes.length);
  const done = cluster.nodes.map(() => 0);
  const sample = (): void => {
    samples.push({
      done: done.reduce((sum, each) => sum + each, 0),
      bytes: cluster.nodes.map((node) => residentBytes(node.pid)),
    });
  };
  const startMs = performance.now();
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  await Promise.all(cluster.nodes.map(async (_node, at) => await overwrite(cluster, at, share, done)));
  clearInterval(timer);
  sample();
  const seconds = (performance.now() - startMs) / 1000;
  const counts = await Promise.all(cluster.nodes.map(async (node) => await ask(node.resp, 'DBSIZE')));
  const digests = new Set(await Promise.all(cluster.nodes.map(async (node) => await ask(node.resp, 'CW.DIGEST'))));
  const total = share * cluster.nodes.length;
  const quarter = (from: number, at: number): number =>
    mean(
      samples
        .filter(({ done: when }) => when > total * from && when <= total * (from + 0.25))
        .map(({ bytes }) => bytes[at] ?? NaN),
    );
  const rows = cluster.nodes.map((node, at) => {
    const second = quarter(0.25, at);
    const last = quarter(0.75, at);
    return [node.id, second / 2 ** 20, last / 2 ** 20, last / second] as const;
  });
  const right = digests.size === 1 && counts.every((count) => count === `:${KEYS}\r\n`);
  const passed = right && rows.every(([, , , ratio]) => ratio <= 1.1);
  return {
    text: [
      `${total} overwrites of ${KEYS} keys of ${VALUE_BYTES} B from ${cluster.nodes.length} regions in ${seconds.toFixed(0)} s (${(total / seconds).toFixed(0)} writes/s in all)`,
      table(['node', 'second quarter MiB', 'last quarter MiB', 'ratio'], rows),
      `keys and digests ${right ? 'equal' : 'DIFFER'}; bar: ratio ≤ 1.1: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { total, seconds, rows, right },
    passed,
  };
}

/** Writes the share of one node in pipelines, waiting for the others now and then, and at the end until all have everything. */
async function overwrite(cluster: BenchCluster, at: number, share: number, done: number[]): Promise<void> {
  const connection = await LoadConnection.open(cluster.nodes[at]?.resp ?? '');
  let owed = 0;
  let resolveDrained: (() => void) | null = null;
  connection.onData((bytes) => {
    for (const byte of bytes) if (byte === 10) owed--;
    if (owed === 0) resolveDrained?.();
  });
  const send = async (commands: string, count: number): Promise<void> => {
    owed += count;
    const drained = new Promise<void>((resolve) => (resolveDrained = resolve));
    connection.send(commands);
    await drained;
  };
  let sinceWait = 0;
  for (let written = 0; written < share; written += PIPELINE) {
    let commands = '';
    for (let each = 0; each < PIPELINE; each++) {
      const number = (written + each) * 7_919 + at;
      commands += encode(['SET', `key:${number % KEYS}`, String(number).padEnd(VALUE_BYTES, 'v')]);
    }
    await send(commands, PIPELINE);
    done[at] = written + PIPELINE;
    sinceWait += PIPELINE;
    if (sinceWait < AHEAD_MAX) continue;
    sinceWait = 0;
    await send(encode(['WAIT', String(cluster.nodes.length - 1), '30000']), 1);
  }
  await send(encode(['WAIT', String(cluster.nodes.length - 1), '60000']), 1);
  connection.close();
}

async function ask(address: string, ...command: string[]): Promise<string> {
  const connection = await LoadConnection.open(address);
  const reply = await connection.command(...command);
  connection.close();
  return reply;
}
