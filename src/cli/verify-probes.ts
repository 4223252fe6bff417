import { setTimeout as delay } from 'node:timers/promises';
import { connectTo, type NodesOptions } from './cluster-nodes.ts';
import { RespError, type RespClient, type RespValue } from './resp-client.ts';
import type { VerifyCluster, VerifyNode } from './verify-cluster.ts';

/** A node that runs answers a PING sooner than this, on a machine that is not hopeless. */
const ANSWER_MS = 400;
/** What is asked of one that should run, and may be busy. */
const QUESTION_MS = 2_000;
const SERVES_MS = 20_000;
const AGAIN_MS = 50;
const FILL_VALUE_BYTES = 32 * 1024;
/** Values that are under way at once. */
const FILL_BATCH = 8;
/** A store of gigabytes is not filled: it has more room within its files than can be written in time. */
const FILL_BYTES_MAX = 32 * 1024 * 1024;

/** Whether a node answers anything at all for a while; an error is an answer too. */
export async function answersSoon(node: VerifyNode, options: NodesOptions): Promise<boolean> {
  const answer = await asked(node, options, ANSWER_MS, async (client) =>
    client.send('PING').catch((error: unknown) => (error instanceof RespError ? error.message : undefined)),
  );
  return answer !== undefined;
}

/** The nodes that lead the groups of these keys, as far as one of the nodes says so. */
export async function leadersOf(
  { nodes }: VerifyCluster,
  strongKeys: readonly string[],
  options: NodesOptions,
): Promise<VerifyNode[]> {
  if (strongKeys.length === 0) return [];
  for (const node of nodes) {
    const homes = await asked(node, options, QUESTION_MS, async (client) =>
      Promise.all(strongKeys.map(async (key) => client.send('CW.HOME', key))),
    );
    if (homes === undefined) continue;
    const leaders = new Set(homes.map((home) => (Array.isArray(home) ? (home as readonly RespValue[])[1] : null)));
    return nodes.filter(({ id }) => leaders.has(id));
  }
  return [];
}

/** Whether a node tells a time that is so far ahead of this machine's. */
export async function isClockAhead(node: VerifyNode, aheadMs: number, options: NodesOptions): Promise<boolean> {
  const time = await asked(node, options, QUESTION_MS, async (client) => client.send('TIME'));
  if (!Array.isArray(time)) return false;
  const [seconds, microseconds] = (time as readonly RespValue[]).map(Number);
  const foundMs = (seconds ?? 0) * 1_000 + (microseconds ?? 0) / 1_000 - Date.now();
  return Math.abs(foundMs - aheadMs) < Math.abs(aheadMs) / 2;
}

/** How old what is not on a node's disk may be, as it says; null where it answers and does not say that, undefined where it does not answer. */
export async function unsavedMs(node: VerifyNode, options: NodesOptions): Promise<number | null | undefined> {
  const info = await asked(node, options, QUESTION_MS, async (client) => client.send('INFO', 'persistence'));
  if (info === undefined) return undefined;
  const told = /^unsaved_ms:(\d+)\r?$/m.exec(String(info))?.[1];
  return told === undefined ? null : Number(told);
}

/** Fulfilled once a node that starts answers questions about keys, or when that takes long, or it is told to stop. */
export async function untilServes(node: VerifyNode, options: NodesOptions, stop: AbortSignal): Promise<void> {
  for (const end = performance.now() + SERVES_MS; !stop.aborted && performance.now() < end;) {
    const found = await asked(node, options, QUESTION_MS, async (client) => client.send('EXISTS', 'causeway-verify'));
    if (found !== undefined) return;
    await delay(AGAIN_MS);
  }
}

export interface FillOptions {
  readonly node: VerifyNode;
  readonly bytes: number;
  /** Null where nothing may be written. */
  readonly nextKey: (() => string) | null;
  readonly nodesOptions: NodesOptions;
  readonly over: AbortSignal;
}

/** Writes what fills the disk of a node, again while it does not take it yet. */
export async function fillDisk({ bytes, nextKey, node, nodesOptions, over }: FillOptions): Promise<void> {
  if (nextKey === null) return;
  const value = 'x'.repeat(FILL_VALUE_BYTES);
  let leftBytes = Math.min(bytes, FILL_BYTES_MAX);
  while (leftBytes > 0 && !over.aborted) {
    try {
      const client = await connectTo(node.address, nodesOptions);
      try {
        for (; leftBytes > 0 && !over.aborted; leftBytes -= FILL_BATCH * FILL_VALUE_BYTES) {
          await Promise.all(Array.from({ length: FILL_BATCH }, async () => client.send('SET', nextKey(), value)));
        }
      } finally {
        client.close();
      }
    } catch {
      // It is not ready yet, or has ended already.
      await delay(AGAIN_MS, undefined, { signal: over }).catch(() => undefined);
    }
  }
}

/** What comes of asking a node on a connection of its own; undefined where it does not answer in time, or with an error. */
async function asked<T>(
  node: VerifyNode,
  options: NodesOptions,
  withinMs: number,
  ask: (client: RespClient) => Promise<T>,
): Promise<T | undefined> {
  let client: RespClient | null = null;
  try {
    client = await connectTo(node.address, options, withinMs);
    return await ask(client);
  } catch {
    return undefined;
  } finally {
    client?.close();
  }
}
