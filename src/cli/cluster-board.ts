import type { Topology } from '../server/topology.ts';
import type { PlannedNode } from './cluster-plan.ts';
import type { NodeStats } from '../server/server-types.ts';
import type { NodeState, ReadyFile } from './ready-file.ts';
import { tableOf } from './table.ts';
import { bold, programPrefix, type Terminal } from './usage.ts';

/** What `up` shows: lines that stay, and below them one that is rewritten each second. */
export class ClusterBoard {
  readonly #terminal: Terminal;
  /** Lines on the terminal that the next output replaces. */
  #liveLines = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Lines that stay. */
  say(text: string): void {
    this.#clearLive();
    this.#terminal.write(`${text}\n`);
  }

  /** How each region does now: one line, or one a region where that is too long for the terminal. */
  showLive(parts: readonly string[]): void {
    const { isTty } = this.#terminal;
    const columns = this.#terminal.columns();
    const line = parts.join(' | ');
    if (!isTty) {
      this.#terminal.write(`${line}\n`);
      return;
    }
    const lines = line.length < columns ? [line] : parts.map((part) => part.slice(0, columns - 1));
    this.#clearLive();
    this.#terminal.write(`${lines.join('\n')}\n`);
    this.#liveLines = lines.length;
  }

  #clearLive(): void {
    if (this.#liveLines > 0) this.#terminal.write(`\u001b[${this.#liveLines}A\u001b[J`);
    this.#liveLines = 0;
  }
}

/** Where to connect, how far the regions are apart, and what to try first. */
export function welcomeText(options: {
  ready: ReadyFile;
  readyFile: string;
  topology: Topology;
  wanScale: number;
  tookMs: number;
  terminal: Terminal;
}): string {
  const { ready, terminal } = options;
  const regions = [...new Set(ready.nodes.map((node) => node.region))];
  const rows = ready.nodes.map((node) => [node.id, node.resp, `http://${node.http}/metrics`]);
  const title = `Causeway: ${regions.length} ${regions.length === 1 ? 'region' : 'regions'} on this machine, ready in ${(options.tookMs / 1_000).toFixed(1)} s`;
  const portOf = (index: number): string => ready.nodes.at(index)?.resp.split(':').at(-1) ?? '';
  return [
    bold(terminal, title),
    '',
    tableOf(['node', 'redis', 'http'], rows, '  '),
    ...distanceLines(regions, options.topology, options.wanScale),
    bold(terminal, 'Try'),
    `  redis-cli -p ${portOf(0)} SET greeting hello`,
    `  redis-cli -p ${portOf(-1)} GET greeting`,
    `  ${programPrefix()} inspect greeting --ready-file ${options.readyFile}`,
    '',
    'Ctrl-C stops everything.',
  ].join('\n');
}

function distanceLines(regions: readonly string[], topology: Topology, scale: number): string[] {
  const pairs = regions.flatMap((from, index) => regions.slice(index + 1).map((to) => ({ from, to })));
  if (pairs.length === 0) return [];
  const widest = 6;
  const shown = pairs.slice(0, widest).map(({ from, to }) => {
    return `  ${from} to ${to}: ${(topology.oneWayMs(from, to) * scale).toFixed(1)} ms one way`;
  });
  const more = pairs.length > widest ? [`  and ${pairs.length - widest} more (\`wan links\`)`] : [];
  return [...shown, ...more, ''];
}

/** What one node says of itself, for the live line; `stats` is null while it does not run. */
export interface LiveNode {
  readonly plan: Pick<PlannedNode, 'region'>;
  readonly state: NodeState;
  readonly stats: NodeStats | null;
}

/** With more regions than this to lag behind, the worst is shown. */
const LAGS_SHOWN_MAX = 3;

/** One part a region, `us-east-1 1,200 ops/s, 34 keys, lag eu 36 ap 118 ms`, and one a quorum group. */
export function liveParts(nodes: readonly LiveNode[]): string[] {
  const regions = [...new Set(nodes.map((node) => node.plan.region))];
  return [...regionParts(regions, nodes), ...groupParts(nodes)];
}

/** `us-east-1/region led by us-east-1/a`: whoever knows the latest term knows the leader. */
function groupParts(nodes: readonly LiveNode[]): string[] {
  const latest = new Map<string, NodeStats['groups'][number]>();
  for (const group of nodes.flatMap((node) => node.stats?.groups ?? [])) {
    const known = latest.get(group.name);
    const isNews =
      known === undefined || group.term > known.term || (group.term === known.term && known.leader === null);
    if (isNews) latest.set(group.name, group);
  }
  return Array.from(latest.values(), ({ name, leader }) =>
    leader === null ? `${name} without a leader` : `${name} led by ${leader}`,
  );
}

function regionParts(regions: readonly string[], nodes: readonly LiveNode[]): string[] {
  return regions.map((region) => {
    const own = nodes.filter((node) => node.plan.region === region);
    const stats = own.flatMap((node) => (node.stats === null ? [] : [node.stats]));
    const absent = own.length - stats.length;
    if (stats.length === 0) return `${region} ${own.map((node) => node.state).join(', ')}`;
    const opsPerSecond = stats.reduce((sum, one) => sum + one.opsPerSecond, 0);
    const keys = Math.max(...stats.map((one) => one.keys));
    const absentText = absent === 0 ? '' : ` (${absent} of ${own.length} nodes away)`;
    return `${region}${absentText} ${grouped(opsPerSecond)} ops/s, ${grouped(keys)} keys${lagText(region, regions, stats)}`;
  });
}

function lagText(region: string, regions: readonly string[], stats: readonly NodeStats[]): string {
  const short = shortNames(regions);
  const lags = regions
    .filter((other) => other !== region)
    .map((other) => {
      const known = stats.map((one) => one.lagMs[other] ?? null);
      const lagMs = known.every((lag) => lag !== null) ? Math.round(Math.max(...known)) : null;
      return { name: short.get(other) ?? other, lagMs };
    });
  if (lags.length === 0) return '';
  const shown = lags.length <= LAGS_SHOWN_MAX ? lags : [lags.reduce(worse)];
  const text = shown.map(({ name, lagMs }) => `${name} ${lagMs ?? '?'}`).join(' ');
  return `, ${shown.length === lags.length ? 'lag' : 'worst lag'} ${text} ms`;
}

/** The one that is further behind; unknown is furthest. */
function worse<T extends { readonly lagMs: number | null }>(a: T, b: T): T {
  return (a.lagMs ?? Infinity) >= (b.lagMs ?? Infinity) ? a : b;
}

/** `eu` for `eu-west-1` where no other region begins so. */
function shortNames(regions: readonly string[]): Map<string, string> {
  const areaOf = (region: string): string => region.split('-')[0] ?? region;
  return new Map(
    regions.map((region) => {
      const isAlone = regions.filter((other) => areaOf(other) === areaOf(region)).length === 1;
      return [region, isAlone ? areaOf(region) : region];
    }),
  );
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
