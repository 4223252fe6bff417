import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { RespClient } from '../src/cli/resp-client.ts';
import { connect } from '../src/client/connect.ts';
import { addressOf } from '../src/server/address.ts';
import { measureTiers, reportTiers } from './choosing-tiers.ts';
import { clientOf, HOME } from './strong-latency.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { startCluster, type BenchCluster } from './support/cluster.ts';
import { quantile, table } from './support/figures.ts';
import { outcome } from './support/outcome.ts';
import { askAdmin } from '../src/wan/admin-client.ts';

const FAR = 'ap-southeast-1';
const OTHER = 'eu-west-1';
const WARM_UP = 3;
/** Samples of each figure, and looks at a cut, of which each for a strong key waits for its deadline. */
const SMALL = { samples: 4, looks: 1 };
const FULL = { samples: 60, looks: 3 };
const SHOWN_WITHIN_MS = 10_000;

/** A kind of keys with the line of a classes file that makes it. */
interface Kind {
  readonly name: string;
  readonly prefix: string;
  readonly rule: Readonly<Record<string, unknown>>;
  /** Whether the copy elsewhere ever shows it. */
  readonly isReplicated: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'weak', prefix: 'w', rule: { consistency: 'weak' }, isReplicated: false },
  { name: 'causal', prefix: 'c', rule: { consistency: 'causal' }, isReplicated: true },
  { name: 'session', prefix: 's', rule: { consistency: 'session' }, isReplicated: true },
  { name: 'causal, siblings', prefix: 'b', rule: { conflict: 'siblings' }, isReplicated: true },
  {
    name: 'strong, reads: causal',
    prefix: 'l',
    rule: { consistency: 'strong', home: HOME, survive: 'region', reads: 'causal' },
    isReplicated: true,
  },
  {
    name: 'strong',
    prefix: 'k',
    rule: { consistency: 'strong', home: HOME, survive: 'region' },
    isReplicated: true,
  },
];

/** What one kind of keys costs, medians in milliseconds. */
interface Cost {
  readonly name: string;
  readonly writeHomeMs: number;
  readonly writeFarMs: number;
  readonly readFarMs: number;
  /** From the reply at home until a read far away shows it; null where it never does. */
  readonly staleMs: number | null;
  /** What a region that is cut off says to a write and a read, and after how long. */
  readonly cutWrite: string;
  readonly cutRead: string;
}

interface ClassCosts {
  readonly costs: readonly Cost[];
  /** A session's first read in another region. */
  readonly movedMs: number;
  /** From the reply at home until a near cache far away does not show what was before. */
  readonly nearMs: number;
}

/**
 * What each kind of keys costs under the measured delays: writes at home and from the farthest region, reads there, how old what they show can
 * be, and what still works in a region that is cut off from the others. One client, one request at a time. Then what is between a program and its
 * data beside the nodes: a near cache, a source, the regional Redis.
 */
export const choosing: Bench = {
  name: 'choosing',
  summary: 'what classes, the near cache, sources and a Redis cost: latency, staleness, what works when cut off',
  run: async (options: BenchOptions): Promise<BenchResult> => {
    const isWanted = (part: string): boolean => options.only.length === 0 || options.only.includes(part);
    const parts: BenchResult[] = [];
    if (isWanted('classes')) parts.push(reportClasses(await measureClasses(options)));
    if (isWanted('tiers')) parts.push(reportTiers(await measureTiers(options.small)));
    return {
      text: parts.map(({ text }) => text).join('\n'),
      json: Object.assign({}, ...parts.map(({ json }) => json)),
      passed: parts.every(({ passed }) => passed),
    };
  },
};

async function measureClasses(options: BenchOptions): Promise<ClassCosts> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-choosing-'));
  const classes = join(folder, 'classes.yaml');
  writeFileSync(
    classes,
    JSON.stringify({ classes: KINDS.map(({ prefix, rule }) => ({ match: [`${prefix}:*`], ...rule })) }),
  );
  const cluster = await startCluster(['--port-base', String(options.portBase), '--classes', classes]);
  try {
    return await measure(cluster, options.small ? SMALL : FULL);
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(cluster: BenchCluster, { samples, looks }: typeof FULL): Promise<ClassCosts> {
  const leader = await clientOf(cluster, `${HOME}/a`);
  leader.close();
  const home = await clientAt(cluster, HOME);
  const far = await clientAt(cluster, FAR);
  const before = new Map<Kind, Omit<Cost, 'cutWrite' | 'cutRead'>>();
  for (const kind of KINDS) before.set(kind, await connected(kind, home, far, samples));
  const movedMs = await moved(home, far, samples);
  const nearMs = await shownNear(cluster, home, samples);
  for (const other of [HOME, OTHER]) await askAdmin(cluster.wan, '/cut', { from: FAR, to: other });
  const costs: Cost[] = [];
  for (const kind of KINDS) {
    const cost = before.get(kind);
    if (cost !== undefined) costs.push({ ...cost, ...(await cutOff(kind, far, looks)) });
  }
  for (const client of [home, far]) client.close();
  return { costs, movedMs, nearMs };
}

async function clientAt(cluster: BenchCluster, region: string): Promise<RespClient> {
  const node = cluster.nodes.find((each) => each.region === region);
  return await RespClient.connect(addressOf(node?.resp ?? '', region), 30_000);
}

async function timed(samples: number, run: (at: number) => Promise<unknown>): Promise<number> {
  const tookMs: number[] = [];
  for (let at = -WARM_UP; at < samples; at++) {
    const beganMs = performance.now();
    await run(at);
    if (at >= 0) tookMs.push(performance.now() - beganMs);
  }
  return quantile(tookMs, 0.5);
}

async function connected(
  { name, prefix, isReplicated }: Kind,
  home: RespClient,
  far: RespClient,
  samples: number,
): Promise<Omit<Cost, 'cutWrite' | 'cutRead'>> {
  const writeHomeMs = await timed(samples, (at) => home.send('SET', `${prefix}:home`, `value ${at}`));
  const writeFarMs = await timed(samples, (at) => far.send('SET', `${prefix}:far`, `value ${at}`));
  const readFarMs = await timed(samples, () => far.send('GET', `${prefix}:far`));
  if (!isReplicated) return { name, writeHomeMs, writeFarMs, readFarMs, staleMs: null };
  const staleMs: number[] = [];
  for (let at = 0; at < samples; at++) {
    const value = `shown ${at}`;
    await home.send('SET', `${prefix}:shown`, value);
    const repliedMs = performance.now();
    // a linearizable read that began after the reply shows it, however long it takes itself
    let askedMs = performance.now();
    while ((await far.send('GET', `${prefix}:shown`)) !== value) {
      askedMs = performance.now();
      if (askedMs - repliedMs > SHOWN_WITHIN_MS) throw new Error(`${prefix}:shown did not come to ${FAR}`);
    }
    staleMs.push(askedMs - repliedMs);
  }
  return { name, writeHomeMs, writeFarMs, readFarMs, staleMs: quantile(staleMs, 0.5) };
}

/** What a session waits that writes at home, moves far away with its token and reads its own write there. */
async function moved(home: RespClient, far: RespClient, samples: number): Promise<number> {
  const tookMs: number[] = [];
  for (let at = 0; at < samples; at++) {
    const value = `moved ${at}`;
    await home.send('SET', 's:moved', value);
    const token = String(await home.send('CW.TOKEN'));
    const beganMs = performance.now();
    await far.send('CW.ATTACH', token);
    if ((await far.send('GET', 's:moved')) !== value) throw new Error('a session did not read its own write');
    tookMs.push(performance.now() - beganMs);
  }
  return quantile(tookMs, 0.5);
}

async function shownNear(cluster: BenchCluster, home: RespClient, samples: number): Promise<number> {
  const node = cluster.nodes.find(({ region }) => region === FAR);
  const near = await connect({
    regions: [{ name: FAR, nodes: [node?.resp ?? ''] }],
    near: { ttl: '10m' },
    codec: 'text',
  });
  const tookMs: number[] = [];
  try {
    for (let at = 0; at < samples; at++) {
      const value = `near ${at}`;
      const before = await near.get('c:near');
      await home.send('SET', 'c:near', value);
      const repliedMs = performance.now();
      while (near.getSync('c:near') === before && performance.now() - repliedMs < SHOWN_WITHIN_MS) await turn();
      tookMs.push(performance.now() - repliedMs);
      if ((await near.get('c:near')) !== value) throw new Error('a near cache does not show what was written');
    }
  } finally {
    await near.close();
  }
  return quantile(tookMs, 0.5);
}

async function cutOff({ prefix }: Kind, far: RespClient, looks: number): Promise<Pick<Cost, 'cutWrite' | 'cutRead'>> {
  return {
    cutWrite: await outcome(looks, () => far.send('SET', `${prefix}:far`, 'during the cut')),
    cutRead: await outcome(looks, () => far.send('GET', `${prefix}:home`)),
  };
}

function reportClasses({ costs, movedMs, nearMs }: ClassCosts): BenchResult {
  const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  const rows = costs.map((cost) => [
    cost.name,
    ms(cost.writeHomeMs),
    ms(cost.writeFarMs),
    ms(cost.readFarMs),
    cost.staleMs === null ? 'never shown' : ms(cost.staleMs),
    cost.cutWrite,
    cost.cutRead,
  ]);
  const text = [
    `medians in ms under the measured delays: home ${HOME}, far ${FAR}, one client, one request at a time`,
    table(
      ['class', 'write at home', 'write far', 'read far', 'shown far after', 'cut off: write', 'cut off: read'],
      rows,
    ),
    `a session that moved from ${HOME} to ${FAR} with its token read its own write after ${ms(movedMs)} ms`,
    `a near cache in ${FAR} drops what was written in ${HOME} ${ms(nearMs)} ms after the reply`,
  ].join('\n');
  // what is promised: local classes work in a region that is cut off, linearizable ones refuse and do not hang
  const isKept = costs.every(({ name, cutWrite, cutRead }) => {
    if (name === 'strong') return cutWrite !== 'works' && cutRead !== 'works';
    if (name.startsWith('strong')) return cutWrite !== 'works' && cutRead === 'works';
    return cutWrite === 'works' && cutRead === 'works';
  });
  return { text, json: { costs, movedMs, nearMs }, passed: isKept };
}
