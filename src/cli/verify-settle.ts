import { setTimeout as delay } from 'node:timers/promises';
import type { FinalState } from '../verify/final-states.ts';
import type { Operation } from '../verify/history.ts';
import { RespError, type RespValue } from './resp-client.ts';
import type { VerifyCluster, VerifyNode } from './verify-cluster.ts';
import type { VerifyKeys } from './verify-keys.ts';
import type { Connection, SessionHost } from './verify-session.ts';
import { TTL_MS } from './verify-causal-work.ts';
import type { UsedKey } from './verify-chapter-keys.ts';
import { mergedText } from './verify-merge-work.ts';
import { firstOf } from './verify-strong-work.ts';

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
  /** Whether that is sooner than nodes may need: what has not come by then is not known. */
  readonly isHurried: boolean;
}

/** What became of a cluster that was left alone. */
export interface Settled {
  /** What each node showed in the end; of strong keys its copy. */
  readonly finals: readonly FinalState[];
  /** When that began, on the clock of the history. */
  readonly finalsAt: number;
  /** What did not happen in time, in plain words. */
  readonly failures: readonly string[];
  /** What could not be looked at, because a node was not reached that nothing here has ended. */
  readonly unchecked: readonly string[];
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
  const problems: Problem[] = [];
  const tokens = new Map<VerifyNode, string>();
  for (const [at, node] of cluster.nodes.entries()) {
    const token = await untilDone(options, async () => markNode(options, node, at, marks));
    if (token instanceof Problem) problems.push(token.at(`${node.id} took no mark`));
    else tokens.set(node, token);
  }
  await Promise.all(
    [...tokens].flatMap(([from, token]) =>
      [...tokens.keys()].map(async (to) => {
        const problem = await untilDone(options, async () => (await attached(options, to, token)).close());
        if (problem instanceof Problem) problems.push(problem.at(`${to.id} does not show all that ${from.id} has`));
      }),
    ),
  );
  // What expires has done so everywhere.
  if ([...options.used.values()].some(({ holds }) => holds === 'expiring')) await delay(EXPIRED_MS);
  const finalsAt = host.recorder.nowNs();
  const reads = await Promise.all([...tokens].map(async ([node, token]) => readAll(options, node, token)));
  problems.push(...reads.flatMap((read) => (read instanceof Problem ? [read] : [])));
  // A node that can be ended from here runs by now, or should.
  const isUnchecked = ({ isAnswer }: Problem): boolean =>
    options.isHurried || (!isAnswer && !cluster.faults.has('kill'));
  const textOf = ({ text }: Problem): string => text;
  const unchecked = problems.filter(isUnchecked).map(textOf);
  return {
    // Where something may still be on its way nobody can say what nodes end with.
    finals: unchecked.length > 0 ? [] : reads.flatMap((read) => (read instanceof Problem ? [] : [read])),
    finalsAt,
    failures: problems.filter((problem) => !isUnchecked(problem)).map(textOf),
    unchecked,
    marks,
  };
}

/** Why something did not come about in time. */
class Problem {
  readonly text: string;
  /** Whether a node said so, or nobody said anything. */
  readonly isAnswer: boolean;

  constructor(text: string, isAnswer: boolean) {
    this.text = text;
    this.isAnswer = isAnswer;
  }

  at(what: string): Problem {
    return new Problem(`${what}: ${this.text}`, this.isAnswer);
  }
}

/** Tries again until it is done or the time is over: what came of it, or why not. */
async function untilDone<T>(options: SettleOptions, attempt: () => Promise<T>): Promise<T | Problem> {
  for (;;) {
    const result = await untilAnswered(options, attempt);
    if (!(result instanceof Problem) || result.isAnswer || performance.now() > options.deadlineMs) return result;
    await delay(AGAIN_MS);
  }
}

/** As `untilDone`, and no more than once where no answer comes. */
async function untilAnswered<T>({ deadlineMs }: SettleOptions, attempt: () => Promise<T>): Promise<T | Problem> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isAnswer = error instanceof RespError;
      if (!isAnswer || performance.now() > deadlineMs)
        return new Problem(error instanceof Error ? error.message : String(error), isAnswer);
      await delay(AGAIN_MS);
    }
  }
}

/** The token of a session that has a write of its own at the node, after all that was written there. */
async function markNode(options: SettleOptions, node: VerifyNode, at: number, marks: string[]): Promise<string> {
  const { chapter, host, keys } = options;
  const client = await host.connect(node);
  try {
    const prefixes = [...(keys.causal === null ? [] : [keys.causal]), ...keys.strong.map(({ prefix }) => prefix)];
    for (const prefix of prefixes) {
      const key = `${prefix}${chapter}.mark${at}`;
      marks.push(key);
      await client.send('SET', key, 'here');
    }
    return String(await client.send('CW.TOKEN'));
  } finally {
    client.close();
  }
}

/** A connection to a node that shows all that a session has seen. */
async function attached({ deadlineMs, host }: SettleOptions, to: VerifyNode, token: string): Promise<Connection> {
  const client = await host.connect(to);
  try {
    const leftMs = Math.round(Math.min(2_000, Math.max(1, deadlineMs - performance.now())));
    await client.send('CW.ATTACH', token, 'TIMEOUT', leftMs);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Reads every key at a node, all of it anew where a connection is lost. */
async function readAll(options: SettleOptions, node: VerifyNode, token: string): Promise<FinalState | Problem> {
  for (;;) {
    const client = await untilDone(options, async () => attached(options, node, token));
    if (client instanceof Problem) return client.at(`${node.id} could not be read`);
    try {
      const result = await readOver(options, node, client);
      if (!(result instanceof Problem) || result.isAnswer || performance.now() > options.deadlineMs) return result;
    } finally {
      client.close();
    }
  }
}

async function readOver(options: SettleOptions, node: VerifyNode, client: Connection): Promise<FinalState | Problem> {
  const { host, used } = options;
  const name = host.nextClient();
  const unread = `${node.id} could not be read`;
  const values = new Map<string, string | null>();
  const sets = new Map<string, ReadonlySet<string>>();
  const keys = [...used];
  let lastNs = 0;
  for (const { holds, stored } of used.values()) {
    if (holds !== 'member' || sets.has(stored)) continue;
    const members = await untilAnswered(options, async () => client.send('SMEMBERS', stored));
    if (members instanceof Problem) return members.at(unread);
    if (!Array.isArray(members)) continue;
    sets.set(stored, new Set((members as readonly RespValue[]).map(String)));
  }
  const read = async ([key, { holds, stored }]: readonly [string, UsedKey]): Promise<Problem | null> => {
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
    if (holds === 'merged') {
      const text = await untilAnswered(options, async () => ({ text: await mergedText(client, key) }));
      if (text instanceof Problem) return text.at(unread);
      values.set(key, text.text);
      return null;
    }
    const isStrong = holds.startsWith('strong');
    const args = isStrong ? ['CW.GET', key, 'LEVEL', 'session'] : ['GET', key];
    const value = await untilAnswered(options, async () => ({ reply: await client.send(...args) }));
    if (value instanceof Problem) return value.at(unread);
    record(firstOf(value.reply), start, isStrong ? 'session' : 'causal');
    return null;
  };
  for (let from = 0; from < keys.length; from += BATCH) {
    const problems = await Promise.all(keys.slice(from, from + BATCH).map(read));
    const problem = problems.find((each) => each !== null);
    if (problem instanceof Problem) return problem;
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
