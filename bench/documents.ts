import { SharedDocument } from '../src/crdt/document.ts';
import { parseJson } from '../src/crdt/document-json.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { mean, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { residentBytes } from './support/processes.ts';

const KEY = 'document';
const FIELDS = 40;
const VALUE_BYTES = 64;
const PIPELINE = 20;
/** Writes a node may be ahead of what the others applied: the lag is not what is measured here. */
const AHEAD_MAX = 2_000;
const SAMPLE_EVERY_MS = 250;
/** Every so many overwrites one element is appended that must be there at the end. */
const APPEND_EVERY = 500;
const OVERWRITES_MAX = 200_000;
const QUIET_MS_MAX = 30_000;

/** What CW.EXPLAIN says of a document's history. */
const HISTORY = /(\d+) bytes, (\d+) edits not stable/;

/**
 * Overwrites of the members of one document from three regions: once it is quiet the encoded document is at most three times
 * a fresh one on every node, the resident memory of the last quarter is that of the second, and no appended element is missing.
 */
export const documents: Bench = {
  name: 'documents',
  summary: 'size and resident memory under 200,000 overwrites of one document from three regions',
  run: async (options: BenchOptions) => {
    const cluster = await startCluster(['--port-base', String(options.portBase)]);
    try {
      return await measure(cluster, options.small ? 6_000 : Math.min(options.operations, OVERWRITES_MAX));
    } finally {
      await cluster.stop();
    }
  },
};

async function measure(cluster: BenchCluster, operations: number): Promise<BenchResult> {
  const { nodes } = cluster;
  const share = Math.floor(operations / nodes.length);
  const total = share * nodes.length;
  const done = nodes.map(() => 0);
  await begin(cluster);
  const samples: { done: number; bytes: number[] }[] = [];
  const sample = (): void => {
    const bytes = nodes.map((node) => residentBytes(node.pid));
    samples.push({ done: done.reduce((sum, each) => sum + each, 0), bytes });
  };
  const startMs = performance.now();
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  await Promise.all(nodes.map(async (_node, at) => await overwrite(cluster, at, share, done)));
  clearInterval(timer);
  sample();
  const seconds = (performance.now() - startMs) / 1000;
  const sizes = await Promise.all(nodes.map(async (node) => await quietBytes(node.resp)));
  const values = await Promise.all(nodes.map(async (node) => await ask(node.resp, 'JSON.GET', KEY)));
  const digests = new Set(await Promise.all(nodes.map(async (node) => await ask(node.resp, 'CW.DIGEST'))));
  const text = (values[0] ?? '').slice((values[0] ?? '').indexOf('\n') + 1).trimEnd();
  const parsed = parseJson(text);
  const freshBytes = parsed === null ? NaN : SharedDocument.fromJson(parsed.value).encode().length;
  const appended = nodes.length * Math.ceil(share / APPEND_EVERY);
  const kept = (JSON.parse(text) as { log: unknown[] }).log.length;
  const quarter = (from: number, at: number): number =>
    mean(
      samples
        .filter(({ done: when }) => when > total * from && when <= total * (from + 0.25))
        .map(({ bytes }) => bytes[at] ?? NaN),
    );
  const rows = nodes.map((node, at) => {
    const second = quarter(0.25, at);
    const last = quarter(0.75, at);
    const bytes = sizes[at] ?? NaN;
    return [node.id, bytes, bytes / freshBytes, second / 2 ** 20, last / 2 ** 20, last / second] as const;
  });
  const right = digests.size === 1 && kept === appended;
  const passed = right && rows.every(([, , times, , , ratio]) => times <= 3 && !(ratio > 1.15));
  return {
    text: [
      `${total} overwrites of one document of ${FIELDS} members of ${VALUE_BYTES} B from ${nodes.length} regions in ${seconds.toFixed(0)} s (${(total / seconds).toFixed(0)} writes/s in all)`,
      table(['node', 'encoded B', '× fresh', 'second quarter MiB', 'last quarter MiB', 'ratio'], rows),
      `${kept} of ${appended} appended elements kept, digests ${digests.size === 1 ? 'equal' : 'DIFFER'}; bar: ≤ 3 × fresh (${freshBytes} B), ratio ≤ 1.15: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { total, seconds, rows, kept, appended, freshBytes },
    passed,
  };
}

const valueOf = (number: number): string => JSON.stringify(String(number).padEnd(VALUE_BYTES, 'v'));

async function begin({ nodes }: BenchCluster): Promise<void> {
  const connection = await LoadConnection.open(nodes[0]?.resp ?? '');
  const fields = Array.from({ length: FIELDS }, (_, index) => `"f${index}":${valueOf(index)}`);
  await connection.command('JSON.SET', KEY, '$', `{"log":[],${fields.join()}}`);
  await connection.command('WAIT', String(nodes.length - 1), '60000');
  connection.close();
}

/** Writes the share of one node in pipelines, waiting for the others now and then, and at the end until all have everything. */
async function overwrite(cluster: BenchCluster, at: number, share: number, done: number[]): Promise<void> {
  const connection = await LoadConnection.open(cluster.nodes[at]?.resp ?? '');
  let owed = 0;
  let resolveDrained: (() => void) | null = null;
  connection.onData((bytes) => {
    for (const byte of bytes) if (byte === 13) owed--;
    if (bytes.includes('-')) throw new Error(`refused: ${bytes.toString('latin1')}`);
    if (owed === 0) resolveDrained?.();
  });
  const send = async (commands: string, lines: number): Promise<void> => {
    owed += lines;
    const drained = new Promise<void>((resolve) => (resolveDrained = resolve));
    connection.send(commands);
    await drained;
  };
  const others = String(cluster.nodes.length - 1);
  for (let written = 0, sinceWait = 0; written < share; written += PIPELINE) {
    let commands = '';
    let lines = 0;
    for (let number = written; number < Math.min(share, written + PIPELINE); number++) {
      commands += encode(['JSON.SET', KEY, `.f${(number * 7 + at) % FIELDS}`, valueOf(number)]);
      lines++;
      if (number % APPEND_EVERY !== 0) continue;
      commands += encode(['JSON.ARRAPPEND', KEY, '.log', String(number)]);
      lines++;
    }
    await send(commands, lines);
    done[at] = written + PIPELINE;
    sinceWait += PIPELINE;
    if (sinceWait < AHEAD_MAX) continue;
    sinceWait = 0;
    await send(encode(['WAIT', others, '30000']), 1);
  }
  await send(encode(['WAIT', others, '60000']), 1);
  connection.close();
}

/** The encoded bytes once nothing of the document waits for stability and its size stays. */
async function quietBytes(address: string): Promise<number> {
  const endMs = performance.now() + QUIET_MS_MAX;
  let beforeBytes = NaN;
  let same = 0;
  while (performance.now() < endMs) {
    const history = HISTORY.exec(await ask(address, 'CW.EXPLAIN', KEY));
    const bytes = Number(history?.[1]);
    same = bytes === beforeBytes && history?.[2] === '0' ? same + 1 : 0;
    if (same === 5) return bytes;
    beforeBytes = bytes;
    await new Promise((resolve) => void setTimeout(resolve, 200));
  }
  return NaN;
}

async function ask(address: string, ...command: string[]): Promise<string> {
  const connection = await LoadConnection.open(address);
  const reply = await connection.command(...command);
  connection.close();
  return reply;
}
