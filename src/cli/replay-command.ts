import { setTimeout as later } from 'node:timers/promises';
import { readText } from '../server/topology.ts';
import { CausewayError } from '../errors.ts';
import { clusterNodesOf, connectTo, type ClusterNode, type NodesOptions } from './cluster-nodes.ts';
import { parsePriceRows, type PriceRow } from './price-rows.ts';
import type { RespClient } from './resp-client.ts';
import { tableOf } from './table.ts';
import type { Terminal } from './usage.ts';

export interface ReplayOptions extends NodesOptions {
  /** Trading days a second. */
  readonly speed: number;
}

/** Rows sent and not answered yet, before it waits for the answers. */
const IN_FLIGHT_MAX = 500;
const PROGRESS_EVERY_MS = 1_000;
/** Longer than any healthy link; a link that was cut or slowed on purpose may take longer, and that is then said. */
const AGREE_WITHIN_MS = 10_000;
const AGREE_CHECK_MS = 20;

/** A node and what it was given. */
interface Target {
  readonly node: ClusterNode;
  readonly client: RespClient;
  writes: number;
}

/**
 * Plays the rows as `quote:SYMBOL` hashes, oldest first. Each share is written in one region, as each is traded at one
 * exchange, and the shares are spread over the regions. In the end it waits until every region shows the last quotes.
 */
export async function runReplay(file: string, options: ReplayOptions, terminal: Terminal): Promise<void> {
  const rows = parsePriceRows(readText(file), file);
  const nodes = clusterNodesOf(options).filter((node) => node.isRunning);
  if (rows.length === 0) throw new CausewayError('CONFIG', `${file} has no rows`);
  if (nodes.length === 0) throw new CausewayError('ERR', 'no node of the cluster runs');
  const targets: Target[] = [];
  try {
    for (const node of nodes) targets.push({ node, client: await connectTo(node.resp, options), writes: 0 });
    const startedMs = performance.now();
    await play(rows, targets, options.speed, terminal);
    const elapsedMs = performance.now() - startedMs;
    terminal.write(summaryOf(rows, targets, elapsedMs));
    terminal.write(`${await agreement(rows, targets)}\n`);
  } finally {
    for (const { client } of targets) client.close();
  }
}

async function play(
  rows: readonly PriceRow[],
  targets: readonly Target[],
  daysPerSecond: number,
  terminal: Terminal,
): Promise<void> {
  const days = [...new Set(rows.map((row) => row.date))];
  const symbols = [...new Set(rows.map((row) => row.symbol))];
  const byDay = new Map<string, PriceRow[]>(days.map((day) => [day, []]));
  for (const row of rows) byDay.get(row.date)?.push(row);
  const regions = spreadOverRegions(targets);
  const startedMs = performance.now();
  let shownMs = startedMs;
  let written = 0;
  let inFlight: Promise<void>[] = [];
  for (const [index, day] of days.entries()) {
    const dueMs = startedMs + (index * 1_000) / daysPerSecond;
    const leftMs = dueMs - performance.now();
    if (leftMs >= 1) await later(leftMs);
    for (const row of byDay.get(day) ?? []) {
      const target = regions[symbols.indexOf(row.symbol) % regions.length];
      if (target !== undefined) inFlight.push(write(row, target));
      written += 1;
    }
    // A node that is slow to answer does not slow the market down, but it is not left behind without bound either.
    if (inFlight.length >= IN_FLIGHT_MAX || index === days.length - 1) {
      await Promise.all(inFlight);
      inFlight = [];
    }
    const nowMs = performance.now();
    if (nowMs - shownMs < PROGRESS_EVERY_MS) continue;
    shownMs = nowMs;
    const progress = `${day}  ${written} of ${rows.length} rows`;
    terminal.write(terminal.isTty ? `\r${progress}` : `${progress}\n`);
  }
  if (terminal.isTty) terminal.write('\r\u001b[K');
}

function write(row: PriceRow, target: Target): Promise<void> {
  target.writes += 1;
  const done = target.client.send('HSET', `quote:${row.symbol}`, ...row.fields.flat()).then(() => undefined);
  // Waited for later, with others.
  done.catch(() => undefined);
  return done;
}

/** The targets, one of each region before the second of any. */
function spreadOverRegions(targets: readonly Target[]): Target[] {
  const seen = new Map<string, number>();
  const ranked = targets.map((target) => {
    const rank = seen.get(target.node.region) ?? 0;
    seen.set(target.node.region, rank + 1);
    return { target, rank };
  });
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ target }) => target);
}

function summaryOf(rows: readonly PriceRow[], targets: readonly Target[], elapsedMs: number): string {
  const symbols = new Set(rows.map((row) => row.symbol)).size;
  const seconds = elapsedMs / 1_000;
  const span = `${rows[0]?.date ?? ''} to ${rows.at(-1)?.date ?? ''}`;
  const perSecond = Math.round(rows.length / Math.max(seconds, 0.001));
  const table = tableOf(
    ['node', 'writes'],
    targets.map(({ node, writes }) => [node.id, String(writes)]),
    '  ',
  );
  return `${rows.length} rows of ${symbols} shares, ${span}, in ${seconds.toFixed(1)} s (${perSecond} writes/s)\n${table}`;
}

/** Waits until every node shows the last row of every share. */
async function agreement(rows: readonly PriceRow[], targets: readonly Target[]): Promise<string> {
  const last = new Map(rows.map((row) => [row.symbol, row]));
  const startedMs = performance.now();
  for (;;) {
    const behind = new Set<string>();
    for (const { node, client } of targets) {
      for (const row of last.values()) if (!(await shows(client, row))) behind.add(node.id);
    }
    const elapsedMs = performance.now() - startedMs;
    if (behind.size === 0)
      return `every region shows the last of all ${last.size} quotes, ${elapsedMs.toFixed(0)} ms later`;
    if (elapsedMs > AGREE_WITHIN_MS) {
      return `after ${AGREE_WITHIN_MS / 1_000} s these do not show the last quotes: ${[...behind].join(', ')}`;
    }
    await later(AGREE_CHECK_MS);
  }
}

async function shows(client: RespClient, row: PriceRow): Promise<boolean> {
  const names = row.fields.map(([name]) => name);
  const values = await client.send('HMGET', `quote:${row.symbol}`, ...names);
  return Array.isArray(values) && row.fields.every(([, value], index) => values[index] === value);
}
