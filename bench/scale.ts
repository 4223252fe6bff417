import { FIXED_NODES_MAX } from '../src/cli/cluster-plan.ts';
import { cpuSeconds, residentBytes } from './support/processes.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';
import { mean, table } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';
import { Pipelined } from './support/pipelined.ts';
import { random } from './support/random.ts';
import { barChart } from './support/bar-chart.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';

/** Regions of `regions/topology.yaml`, in the order in which a cluster grows here. */
const REGIONS = [
  'us-east-1',
  'eu-west-1',
  'ap-southeast-1',
  'us-west-2',
  'sa-east-1',
  'eu-central-1',
  'ap-northeast-1',
  'ap-south-1',
  'ca-central-1',
  'ap-southeast-2',
];
const VALUE_BYTES = 64;
const PIPELINE = 16;
const KEYS_AT_ONCE = 1_000;
const IDLE_MS = 2_000;
/** Nodes that take more of a core are not idle: what was written goes to the disk yet. */
const IDLE_SHARE_MAX = 0.2;
const CALM_MS_MAX = 180_000;
const SETTLED_MS_MAX = 120_000;
const LOOK_MS = 50;
/** A seed of the keys that are written, so that two runs write the same. */
const SEED = 6;

interface Size {
  readonly regions: number;
  readonly nodes: number;
  readonly keys: number;
}

interface SizeFigures extends Size {
  /** Of the node that is written to, for each write. */
  readonly writerMicros: number;
  /** Of every other node, for each write that it applies; the mean of them. */
  readonly applierMicros: number;
  /** Share of a core that a node takes with nothing to do, the mean of all. */
  readonly idleShare: number;
  /** Of the node that is written to, as it was before the first key. */
  readonly bytesAKey: number;
  readonly isEqual: boolean;
}

const SMALL: readonly Size[] = [
  { regions: 1, nodes: 1, keys: 1_000 },
  { regions: 3, nodes: 1, keys: 1_000 },
];
const SIZES: readonly Size[] = [
  { regions: 1, nodes: 1, keys: 10_000 },
  { regions: 3, nodes: 1, keys: 10_000 },
  { regions: 5, nodes: 1, keys: 10_000 },
  { regions: 10, nodes: 1, keys: 10_000 },
  { regions: 3, nodes: 3, keys: 10_000 },
  { regions: 1, nodes: 9, keys: 10_000 },
  { regions: 3, nodes: 9, keys: 10_000 },
  { regions: 3, nodes: 1, keys: 100_000 },
  { regions: 3, nodes: 1, keys: 1_000_000 },
  { regions: 3, nodes: 1, keys: 10_000_000 },
];
const OVERWRITES = 60_000;

/**
 * What a write costs as a cluster grows: overwrites of random keys in pipelines of 16 on one connection to one node, under `up` without the
 * delays of the regions. Processor time is user and system of whole processes, from the first write until all nodes show the same, less what
 * they take when idle.
 */
export const scale: Bench = {
  name: 'scale',
  summary: 'processor time a write with 1 to 10 regions, 1 to 9 nodes a region, 10 k to 10 M keys',
  run: async (options: BenchOptions) => {
    const figures: SizeFigures[] = [];
    const unmeasured: string[] = [];
    const { only, small } = options;
    for (const size of small ? SMALL : SIZES) {
      if (only.length > 0 && !only.includes(`${size.regions}x${size.nodes}x${size.keys}`)) continue;
      if (!small) console.log(`${size.regions} × ${size.nodes}, ${size.keys} keys …`);
      try {
        figures.push(await measure(size, small ? 2_000 : OVERWRITES, options.portBase));
      } catch (error) {
        if (!(error instanceof Refused) || small) throw error;
        unmeasured.push(`${size.regions} × ${size.nodes}, ${size.keys} keys: ${error.message}`);
      }
    }
    return resultOf(figures, unmeasured);
  },
};

function resultOf(figures: readonly SizeFigures[], unmeasured: readonly string[]): BenchResult {
  const areEqual = figures.every(({ isEqual }) => isEqual);
  const passed = areEqual && figures.length > 0;
  const rows = figures.map((each) => [
    String(each.regions),
    String(each.nodes),
    String(each.keys),
    each.writerMicros,
    each.applierMicros,
    each.idleShare * 100,
    each.bytesAKey,
  ]);
  return {
    text: [
      `SET of ${VALUE_BYTES} B at one node, pipelines of ${PIPELINE}, one connection; no delays between the regions`,
      table(['regions', 'nodes', 'keys', 'writer µs', 'applier µs', 'idle % of a core', 'bytes a key'], rows),
      `key counts and digests ${areEqual ? 'equal' : 'DIFFER'}; memory a key is what resident memory grew by, at few keys mostly the process itself; no bar`,
      ...unmeasured.map((each) => `not measured: ${each}`),
    ].join('\n'),
    json: { figures, unmeasured },
    svg: barChart({
      title: 'Processor time a write, by the size of the cluster',
      series: ['the node that is written to', 'every other node'],
      groups: figures.map(({ regions, nodes, keys, writerMicros, applierMicros }) => ({
        label: `${regions} × ${nodes}, ${keys} keys`,
        values: [writerMicros, applierMicros],
      })),
      unit: ' µs',
    }),
    passed,
  };
}

async function measure(size: Size, overwrites: number, fixedBase: number): Promise<SizeFigures> {
  // more do not fit into the fixed ports
  const portBase = size.regions * size.nodes > FIXED_NODES_MAX ? 0 : fixedBase;
  const cluster = await startCluster([
    ...['--port-base', String(portBase), '--wan-scale', '0'],
    ...['--regions', REGIONS.slice(0, size.regions).join(), '--nodes-per-region', String(size.nodes)],
  ]);
  try {
    return await measureOn(cluster, size, overwrites);
  } finally {
    await cluster.stop();
  }
}

async function measureOn(cluster: BenchCluster, size: Size, overwrites: number): Promise<SizeFigures> {
  const [writer] = cluster.nodes;
  if (writer === undefined) throw new Error('up started no node');
  const asker = await Asker.open(cluster);
  const load = await Pipelined.open(writer.resp);
  const bytesBefore = residentBytes(writer.pid);
  for (let key = 0; key < size.keys; key += KEYS_AT_ONCE)
    await write(load, Math.min(KEYS_AT_ONCE, size.keys - key), (each) => key + each);
  await settled(asker);
  const bytesAKey = (residentBytes(writer.pid) - bytesBefore) / size.keys;

  const cpu = (): number[] => cluster.nodes.map(({ pid }) => cpuSeconds(pid));
  const idleShares = await idleSharesOf(cpu);

  const startMs = performance.now();
  const from = cpu();
  const unit = random(SEED);
  for (let written = 0; written < overwrites; written += PIPELINE) {
    await write(load, PIPELINE, () => Math.floor(unit() * size.keys));
  }
  await settled(asker);
  const seconds = (performance.now() - startMs) / 1000;
  const micros = cpu().map((total, at) => {
    const busySeconds = total - (from[at] ?? 0) - (idleShares[at] ?? 0) * seconds;
    return (busySeconds / overwrites) * 1e6;
  });
  const [counts, digests] = [await asker.ask('DBSIZE'), await asker.ask('CW.DIGEST')];
  asker.close();
  load.close();
  return {
    ...size,
    writerMicros: micros[0] ?? NaN,
    applierMicros: mean(micros.slice(1)),
    idleShare: mean(idleShares),
    bytesAKey,
    isEqual: counts.size === 1 && counts.has(`:${size.keys}\r\n`) && digests.size === 1,
  };
}

/** What each process takes of a core once it has nothing to do. */
async function idleSharesOf(cpu: () => number[]): Promise<number[]> {
  const untilMs = performance.now() + CALM_MS_MAX;
  for (;;) {
    const from = cpu();
    await new Promise((resolve) => void setTimeout(resolve, IDLE_MS));
    const shares = cpu().map((seconds, at) => (seconds - (from[at] ?? 0)) / (IDLE_MS / 1000));
    if (mean(shares) <= IDLE_SHARE_MAX || performance.now() > untilMs) return shares;
  }
}

/** A node takes no writes: so many processes that their clocks seem apart, because rows of peers wait for a core. */
class Refused extends Error {}

/** Writes so many keys and waits for the replies. */
async function write(load: Pipelined, count: number, keyOf: (each: number) => number): Promise<void> {
  let commands = '';
  for (let each = 0; each < count; each++) {
    const key = keyOf(each);
    commands += encode(['SET', `key:${String(key).padStart(8, '0')}`, String(key).padEnd(VALUE_BYTES, 'v')]);
  }
  await load.send(commands, count);
  if (load.errors > 0) throw new Refused(`${load.errors} writes were refused, the first: ${load.firstError}`);
}

/** Waits until all nodes have applied the same. */
async function settled(asker: Asker): Promise<void> {
  const untilMs = performance.now() + SETTLED_MS_MAX;
  while ((await asker.ask('CW.VECTOR')).size > 1) {
    if (performance.now() > untilMs) throw new Error(`the nodes are not equal after ${SETTLED_MS_MAX} ms`);
    await new Promise((resolve) => void setTimeout(resolve, LOOK_MS));
  }
}

/** Asks every node of a cluster the same. */
class Asker {
  readonly #connections: readonly LoadConnection[];

  private constructor(connections: readonly LoadConnection[]) {
    this.#connections = connections;
  }

  static async open({ nodes }: BenchCluster): Promise<Asker> {
    return new Asker(await Promise.all(nodes.map(async ({ resp }) => await LoadConnection.open(resp))));
  }

  /** The different answers. */
  async ask(...command: string[]): Promise<Set<string>> {
    return new Set(
      await Promise.all(this.#connections.map(async (connection) => await connection.command(...command))),
    );
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
