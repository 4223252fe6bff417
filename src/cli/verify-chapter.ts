import { setTimeout as delay } from 'node:timers/promises';
import type { Operation, OperationLevel } from '../verify/history.ts';
import { connectTo, type NodesOptions } from './cluster-nodes.ts';
import type { FaultKind, VerifyCluster, VerifyNode } from './verify-cluster.ts';
import type { Draws } from './verify-draws.ts';
import type { VerifyKeys } from './verify-keys.ts';
import { Nemesis, type FaultSpan } from './verify-nemesis.ts';
import { Recorder } from './verify-recorder.ts';
import { VerifySession, type SessionHost } from './verify-session.ts';
import { removeKeys, settle, type Settled } from './verify-settle.ts';
import { Workload, type Role } from './verify-workload.ts';

/** Requests a second of all clients together, at most: so that a chapter can be kept in memory and checked. */
export const REQUESTS_PER_SECOND_MAX = 800;
/** What of it is for those that mostly look whether something is new. */
const LOOKING_PER_SECOND_MAX = 400;
const LOOKING: ReadonlySet<Role> = new Set(['chain', 'link']);
const CLIENTS_MAX = 48;
const ROLES_OF_A_NODE: readonly Role[] = [
  'chain',
  'causal',
  'strong',
  'tally',
  'merge',
  'link',
  'race',
  'causal',
  'strong',
];
const SETTLE_WITHIN_MS = 60_000;
const SETTLE_ASKED_TO_STOP_MS = 15_000;
const SHOW_EVERY_MS = 200;

/** Mends what can be mended within a time; fulfilled with what is not as it was, null for nothing. */
export type ChapterUndo = (withinMs: number) => Promise<string | null>;

export interface ChapterOptions {
  readonly cluster: VerifyCluster;
  readonly keys: VerifyKeys;
  readonly level: OperationLevel | null;
  readonly nodesOptions: NodesOptions;
  readonly kinds: readonly FaultKind[];
  /** From 0. */
  readonly chapter: number;
  readonly draws: Draws;
  /** What times are counted from, by `performance.now()`. */
  readonly startedMs: number;
  readonly loadMs: number;
  readonly stop: AbortSignal;
  readonly tell: (text: string) => void;
  /** Told how to mend at once what faults broke, and null when nothing is broken any more. */
  readonly onFaults: (undo: ChapterUndo | null) => void;
  /** Called often with how much of the load is over, 0 to 1, and how many operations there were. */
  readonly show: (part: number, operations: number) => void;
}

/** What came of a chapter. */
export interface ChapterResult {
  /** Sorted by their end. */
  readonly operations: readonly Operation[];
  readonly settled: Settled;
  /** Acknowledged causal writes of a moment before a node ended that were not seen again, and how long before that the first was made. */
  readonly lostWrites: number;
  readonly lostBeforeMs: number;
  readonly faults: readonly FaultSpan[];
  /** What is left of the keys, and why; null for nothing. */
  readonly left: string | null;
}

/**
 * Clients at all nodes do things to keys that only this chapter has, while faults come and go; then all is healed, waited for, read
 * everywhere, and the keys are removed.
 */
export async function runChapter(options: ChapterOptions): Promise<ChapterResult> {
  const { chapter, cluster, draws, keys, kinds, level, loadMs, nodesOptions, stop, tell } = options;
  const recorder = new Recorder(options.startedMs);
  let clients = 0;
  const host: SessionHost = {
    recorder,
    level,
    connect: async (node) => connectTo(node.address, nodesOptions),
    nextClient: () => `c${chapter}.${++clients}`,
  };
  const workload = new Workload(keys, level, cluster.nodes, chapter);
  const filled: string[] = [];
  const { causal } = keys;
  const nemesis = new Nemesis({
    cluster,
    kinds,
    draws: draws.branch(),
    recorder,
    nodesOptions,
    holdMsMax: Math.min(6_000, Math.max(1_000, loadMs / 8)),
    fillKey:
      causal === null
        ? null
        : (count) => {
            const key = `${causal}${chapter}.fill${count}`;
            filled.push(key);
            return key;
          },
    strongKeys: keys.strong.map(({ prefix }) => `${prefix}${chapter}.lead`),
    tell,
  });
  const over = new AbortController();
  options.onFaults(async (withinMs) => {
    over.abort();
    const late = new Promise<string>((done) => setTimeout(() => done(`it takes longer than ${withinMs} ms`), withinMs));
    return Promise.race([heal(nemesis), late]);
  });
  const endMs = performance.now() + loadMs;
  const timer = setTimeout(() => over.abort(), loadMs);
  const onStop = (): void => over.abort();
  stop.addEventListener('abort', onStop);
  if (stop.aborted) over.abort();
  const shown = setInterval(
    () => options.show(1 - Math.max(0, endMs - performance.now()) / loadMs, recorder.count),
    SHOW_EVERY_MS,
  );
  let failure: string | null = null;
  const sessions: VerifySession[] = [];
  try {
    const places = placesOf(cluster.nodes, workload.roles);
    const loops = places.map(async ({ node, role }) => {
      const session = new VerifySession(host, node);
      sessions.push(session);
      const own = draws.branch();
      const isAlike = (other: (typeof places)[number]): boolean => LOOKING.has(other.role) === LOOKING.has(role);
      const perSecond = LOOKING.has(role) ? LOOKING_PER_SECOND_MAX : REQUESTS_PER_SECOND_MAX - LOOKING_PER_SECOND_MAX;
      const thinkMs = (places.filter(isAlike).length * 1_000) / perSecond;
      while (!over.signal.aborted) {
        await workload.step(role, session, own);
        await delay(own.between(thinkMs / 2, thinkMs * 1.5), undefined, { signal: over.signal }).catch(() => undefined);
      }
    });
    const working = Promise.all(loops);
    working.catch(() => over.abort());
    // The requests that are under way end by themselves, and sooner once all is healed.
    await Promise.all([nemesis.run(over.signal), aborted(over.signal)]);
    failure = await heal(nemesis);
    await working;
  } finally {
    options.onFaults(null);
    clearTimeout(timer);
    clearInterval(shown);
    stop.removeEventListener('abort', onStop);
    for (const session of sessions) session.close();
  }
  const withinMs = stop.aborted ? SETTLE_ASKED_TO_STOP_MS : SETTLE_WITHIN_MS;
  const settled = await settle({
    host,
    cluster,
    keys,
    chapter,
    used: workload.used,
    deadlineMs: performance.now() + withinMs,
    isHurried: stop.aborted,
  });
  const written = [...workload.used.values()].map(({ stored }) => stored);
  const left = await removeKeys(host, cluster, [...written, ...filled, ...settled.marks]);
  return {
    ...recorder.finish(),
    settled: { ...settled, failures: [...(failure === null ? [] : [failure]), ...settled.failures] },
    faults: nemesis.spans,
    left,
  };
}

/** What is not as it was, null for nothing. */
async function heal(nemesis: Nemesis): Promise<string | null> {
  try {
    await nemesis.heal();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Where the clients are and what each of them does: the same roles at every node, as many as there may be. */
function placesOf(
  nodes: readonly VerifyNode[],
  roles: readonly Role[],
): { readonly node: VerifyNode; readonly role: Role }[] {
  const wanted = ROLES_OF_A_NODE.filter((role) => roles.includes(role));
  const each = Math.min(nodes.length, Math.floor(CLIENTS_MAX / wanted.length));
  return wanted.flatMap((role, turn) => {
    // Where there are more nodes than clients, each role begins where the one before has ended.
    return Array.from({ length: each }, (_, at) => ({
      node: nodes[(turn * each + at) % nodes.length] as VerifyNode,
      role,
    }));
  });
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
