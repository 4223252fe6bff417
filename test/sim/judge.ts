import { checkBounds, type BoundSample } from '../../src/verify/bounds.ts';
import { checkCausalConvergence } from '../../src/verify/causal-convergence.ts';
import { checkAcknowledged } from '../../src/verify/acknowledged.ts';
import { checkConvergence } from '../../src/verify/convergence.ts';
import { checkCounters } from '../../src/verify/counters.ts';
import { checkResurrection } from '../../src/verify/resurrection.ts';
import { checkSessions } from '../../src/verify/sessions.ts';
import type { Operation } from '../../src/verify/history.ts';
import { checkLinearizability } from '../../src/verify/linearizability.ts';
import type { Verdict } from '../../src/verify/verdict.ts';
import { stateOnDisk, textIn } from '../support/strong-disks.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import { COUNTERS, PAIR, REGISTERS } from './causal-works.ts';
import { COMING_AND_GOING } from './patient-works.ts';
import {
  AFTER_NOTE,
  STRONG_COUNTERS,
  STRONG_LOOSE,
  STRONG_PAIR,
  STRONG_PASSING,
  STRONG_REGISTERS,
} from './strong-works.ts';
import { NS_A_MS } from './work.ts';

/** Keys that FLUSHALL leaves, and weak nodes and times: all others are gone with it. */
const STRONG: ReadonlySet<string> = new Set([
  ...STRONG_REGISTERS,
  ...STRONG_LOOSE,
  ...STRONG_PASSING,
  ...STRONG_COUNTERS,
]);
/** For so long a group may have no leader, or one that nobody hears. */
const LEADERLESS_MS = 10_000;
const JUDGED = [...STRONG, ...REGISTERS, ...COUNTERS, ...COMING_AND_GOING];

export interface Judged {
  readonly cluster: VirtualCluster;
  /** Sorted by end. */
  readonly history: readonly Operation[];
  readonly once: readonly string[];
  readonly withFlush: boolean;
  /** By how much a clock may have been wrong, and what is late for that. */
  readonly skewMs: number;
  /** By how much two clocks may have been apart. */
  readonly apartMs: number;
  /** The most that nodes had of what is bounded. */
  readonly samples: readonly BoundSample[];
}

/** What must hold of all that clients were told, and of what is there in the end: a verdict each. */
export function judge({ cluster, history: all, once, withFlush, skewMs, apartMs, samples }: Judged): Verdict[] {
  const history = withFlush ? all.filter(({ key }) => STRONG.has(key)) : all;
  const keys = withFlush ? [...STRONG] : [...JUDGED, ...once];
  // what has expired for one of them has for all (SPEC V3): clocks are apart
  const nowMs = Math.max(...cluster.nodes.map((node) => node.core.nowMs(node.now().wallMs)));
  const finals = cluster.nodes.map((node) => ({
    node: node.id,
    values: new Map(keys.map((key) => [key, node.get(key, nowMs)] as const)),
  }));
  return [
    checkCausalConvergence(history),
    ...checkSessions(history),
    checkLinearizability(history, apartMs * NS_A_MS),
    checkCounters(history, finals),
    checkAcknowledged(history, finals),
    checkResurrection(laterOfStrong(history), {
      finals,
      finalsAt: (cluster.timeMs - skewMs) * NS_A_MS,
      clockSkew: skewMs * NS_A_MS,
    }),
    checkConvergence(history, finals),
    checkBounds(samples),
  ];
}

/** An entry of the log takes a strong key away, and while nobody leads there is none. */
function laterOfStrong(history: readonly Operation[]): Operation[] {
  return history.map((operation) => {
    const { expires, level } = operation;
    if (expires === undefined || level !== 'strong') return operation;
    return { ...operation, expires: expires + LEADERLESS_MS * NS_A_MS };
  });
}

/** What no node may ever show, however far it is. Where all causes are known to be there still, none of their effects without them (SPEC T1). */
export function lookAt(node: VirtualNode, hasAllCauses: boolean): string[] {
  const wrong: string[] = [];
  const [one, other] = PAIR.map((key) => node.get(key));
  if (one !== other) wrong.push(`${node.id} shows half of an EXEC: ${one} ${other}`);
  const [from, to] = STRONG_PAIR.map((key) => node.get(key));
  if (Number(from ?? 0) + Number(to ?? 0) !== 0) wrong.push(`${node.id} shows half of an EXEC: ${from} ${to}`);
  const note = node.get(AFTER_NOTE);
  if (hasAllCauses && note !== null && node.get(`note:${note}`) === null)
    wrong.push(`T1: ${node.id} shows ${AFTER_NOTE} ${note} and not its cause`);
  return wrong;
}

/** At rest: equal logs make equal states, whatever became of the nodes, and what nodes show of them is that. */
export function judgeGroups(cluster: VirtualCluster): string[] {
  const wrong: string[] = [];
  for (const { name } of cluster.nodes[0]?.core.strong.groups() ?? []) {
    const states = cluster.nodes.map((node) => stateOnDisk(node, name));
    const [first] = states;
    if (first === undefined) continue;
    for (const [at, state] of states.entries()) {
      const id = cluster.nodes[at]?.id;
      if (state.applied !== first.applied) wrong.push(`${id} is at ${state.applied} of ${name}, not ${first.applied}`);
      else if (!state.bytes.equals(first.bytes)) wrong.push(`${id} has another state of ${name}`);
    }
    for (const key of first.keys.filter((each) => !/:[hsjtu]$/.test(each))) {
      const held = textIn(first.state, key);
      for (const node of cluster.nodes)
        if (node.get(key) !== held) wrong.push(`${node.id} shows ${node.get(key)} as ${key}, which is ${held}`);
    }
  }
  return wrong;
}
