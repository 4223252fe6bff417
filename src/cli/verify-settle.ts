import { setTimeout as delay } from 'node:timers/promises';
import type { FinalState } from '../verify/final-states.ts';
import type { Operation } from '../verify/history.ts';
import { RespError, type RespValue } from './resp-client.ts';
import type { VerifyCluster, VerifyNode } from './verify-cluster.ts';
import type { VerifyKeys } from './verify-keys.ts';
import type { Connection, SessionHost } from './verify-session.ts';
import { firstOf, TTL_MS, type UsedKey } from './verify-workload.ts';

const AGAIN_MS = 200;
/** Final reads that are under way at once on a connection. */
const BATCH = 64;
/** Longer than any key of a run lives that expires, and than clocks differ. */
const EXPIRED_MS: number = TTL_MS + 1_000;

export interface SettleOptions {
  readonly host: SessionHost;
  readonly cluster: VerifyCluster;
  readonly keys: VerifyKeys;
  readonly chapter: number;
  readonly used: ReadonlyMap<string, UsedKey>;
  /** When it is over, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
}

/** What became of a cluster that was left alone. */
export interface Settled {
  /** What each node showed in the end; of strong keys its copy. */
  readonly finals: readonly FinalState[];
  /** When that began, on the clock of the history. */
  readonly finalsAt: number;
  /** What did not happen in time, in plain words. */
  readonly failures: readonly string[];
  /** Keys that were written for this. */
  readonly marks: readonly string[];
}

/**
 * Waits until every node shows all that was written at any of them: each writes a mark, and its session, token in hand, is waited for at all
 * others (an origin's transactions are applied in order). Then every key is read at every node, and recorded.
 */
export async function settle(options: SettleOptions): Promise<Settled> {
  const { cluster, host } = options;
  const marks: string[] = [];
  const failures: string[] = [];
  const clients = new Map<VerifyNode, Connection>();
  try {
    for (const [at, node] of cluster.nodes.entries()) {
      const result = await untilDone(options, async () => markNode(options, node, at, marks));
      if (typeof result === 'string') failures.push(`${node.id} took no mark: ${result}`);
      else clients.set(node, result);
    }
    await Promise.all(
      [...clients].flatMap(([from, client]) =>
        [...clients]
          .filter(([to]) => to !== from)
          .map(async ([to]) => {
            const failure = await attach(options, from, client, to);
            if (failure !== null) failures.push(failure);
          }),
      ),
    );
    // What expires has done so everywhere.
    if ([...options.used.values()].some(({ holds }) => holds === 'expiring')) await delay(EXPIRED_MS);
    const finalsAt = host.recorder.nowNs();
    const reads = await Promise.all([...clients].map(async ([node, client]) => readAll(options, node, client)));
    failures.push(...reads.filter((read) => typeof read === 'string'));
    return { finals: reads.filter((read) => typeof read !== 'string'), finalsAt, failures, marks };
  } finally {
    for (const client of clients.values()) client.close();
  }
}

/** Tries again until it is done or the time is over: what came of it, or why not. */
async function untilDone<T>({ deadlineMs }: SettleOptions, attempt: () => Promise<T>): Promise<T | string> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadlineMs) return error instanceof Error ? error.message : String(error);
      await delay(AGAIN_MS);
    }
  }
}

/** A connection whose session has a write of its own at the node, after all that was written there. */
async function markNode(options: SettleOptions, node: VerifyNode, at: number, marks: string[]): Promise<Connection> {
  const { chapter, host, keys } = options;
  const client = await host.connect(node);
  try {
    const prefixes = [...(keys.causal === null ? [] : [keys.causal]), ...keys.strong.map(({ prefix }) => prefix)];
    for (const prefix of prefixes) {
      const key = `${prefix}${chapter}.mark${at}`;
      marks.push(key);
      await client.send('SET', key, 'here');
    }
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Waits at a node for the session of another: null when it is there, else why not. */
async function attach(
  options: SettleOptions,
  from: VerifyNode,
  client: Connection,
  to: VerifyNode,
): Promise<string | null> {
  const { deadlineMs, host } = options;
  const result = await untilDone(options, async () => {
    const token = String(await client.send('CW.TOKEN'));
    const there = await host.connect(to);
    try {
      const leftMs = Math.round(Math.min(2_000, Math.max(1, deadlineMs - performance.now())));
      await there.send('CW.ATTACH', token, 'TIMEOUT', leftMs);
    } finally {
      there.close();
    }
    return null;
  });
  return result === null ? null : `${to.id} does not show all that ${from.id} has: ${result}`;
}

async function readAll(options: SettleOptions, node: VerifyNode, client: Connection): Promise<FinalState | string> {
  const { host, used } = options;
  const name = host.nextClient();
  const values = new Map<string, string | null>();
  const sets = new Map<string, ReadonlySet<string>>();
  const keys = [...used];
  let lastNs = 0;
  for (const { holds, stored } of used.values()) {
    if (holds !== 'member' || sets.has(stored)) continue;
    const members = await untilDone(options, async () => client.send('SMEMBERS', stored));
    if (!Array.isArray(members)) return `${node.id} could not be read: ${String(members)}`;
    sets.set(stored, new Set((members as readonly RespValue[]).map(String)));
  }
  const read = async ([key, { holds, stored }]: readonly [string, UsedKey]): Promise<string | null> => {
    const of = { client: name, region: node.region, op: 'read', key } as const;
    const record = (value: string | null, start: number, level: Operation['level']): void => {
      // They are answered one after the other, though asked at once.
      const end = host.recorder.nowNs();
      host.recorder.add(node.id, { ...of, value, start: Math.max(start, lastNs), end, ok: true, level });
      lastNs = end;
      values.set(key, value);
    };
    const start = host.recorder.nowNs();
    if (holds === 'member') {
      const member = key.slice(stored.length + 1);
      record(sets.get(stored)?.has(member) === true ? member : null, start, 'causal');
      return null;
    }
    const isStrong = holds.startsWith('strong');
    const args = isStrong ? ['CW.GET', key, 'LEVEL', 'session'] : ['GET', key];
    const value = await untilDone(options, async () => ({ reply: await client.send(...args) }));
    if (typeof value === 'string') return `${node.id} could not be read: ${value}`;
    record(firstOf(value.reply), start, isStrong ? 'session' : 'causal');
    return null;
  };
  for (let from = 0; from < keys.length; from += BATCH) {
    const failures = await Promise.all(keys.slice(from, from + BATCH).map(read));
    const failure = failures.find((each) => each !== null);
    if (failure !== undefined) return failure ?? '';
  }
  return { node: node.id, values };
}

/** Removes keys; what is left over and why, null where nothing is. */
export async function removeKeys(
  host: SessionHost,
  cluster: VerifyCluster,
  keys: Iterable<string>,
): Promise<string | null> {
  let left = [...new Set(keys)];
  let why = '';
  for (const node of cluster.nodes) {
    if (left.length === 0) return null;
    let client: Connection | null = null;
    try {
      client = await host.connect(node);
      const connection = client;
      for (; left.length > 0; left = left.slice(BATCH)) {
        await Promise.all(left.slice(0, BATCH).map(async (key) => connection.send('DEL', key)));
      }
    } catch (error) {
      why = error instanceof RespError || error instanceof Error ? error.message : String(error);
    } finally {
      client?.close();
    }
  }
  return left.length === 0 ? null : `${left.length} keys such as ${left[0] ?? ''} are left: ${why}`;
}
