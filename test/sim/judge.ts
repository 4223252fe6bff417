import { checkCausalConvergence } from '../../src/verify/causal-convergence.ts';
import type { Operation } from '../../src/verify/history.ts';
import { checkLinearizability } from '../../src/verify/linearizability.ts';
import type { Verdict } from '../../src/verify/verdict.ts';
import { stateOnDisk, textIn } from '../support/strong-disks.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import { COUNTERS, PAIR, REGISTERS } from './causal-works.ts';
import type { Ledger } from './ledger.ts';
import type { Losses } from './losses.ts';
import { AFTER_NOTE, STRONG_COUNTERS, STRONG_PAIR, STRONG_REGISTERS } from './strong-works.ts';

const CAUSAL_REGISTERS: ReadonlySet<string> = new Set(REGISTERS);
const SHARED_REGISTERS: ReadonlySet<string> = new Set(STRONG_REGISTERS);

export interface Judged {
  readonly cluster: VirtualCluster;
  readonly ledger: Ledger;
  readonly losses: Losses;
  readonly withFlush: boolean;
}

/** What must hold of all that clients were told, and of what is there in the end; one line for each thing that does not. */
export function judge(run: Judged): string[] {
  return [...judgeHistory(run), ...judgeStrong(run), ...judgeCounters(run), ...judgeOnce(run)];
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

/** Causal convergence over both tiers. What a session saw of counters and of keys that are removed is no part of it. */
function judgeHistory({ ledger, withFlush }: Judged): string[] {
  const isJudged = ({ key }: Operation): boolean =>
    SHARED_REGISTERS.has(key) || (!withFlush && CAUSAL_REGISTERS.has(key));
  return brokenIn(checkCausalConvergence(ledger.history.filter(isJudged)));
}

function judgeStrong({ ledger }: Judged): string[] {
  return brokenIn(checkLinearizability(ledger.history.toSorted((left, right) => left.end - right.end)));
}

/** A verdict that decides nothing breaks the run as well: it would show nothing. */
function brokenIn({ promise, violations, undecided }: Verdict): string[] {
  return [...violations.map(({ pattern, text }) => `${promise}: ${pattern}: ${text}`), ...undecided];
}

function judgeCounters({ cluster, ledger, losses, withFlush }: Judged): string[] {
  const wrong: string[] = [];
  const [node] = cluster.nodes;
  for (const key of withFlush ? [] : COUNTERS) {
    const found = Number(node?.get(key) ?? '0');
    const [least, most] = ledger.boundsOf(key, losses);
    if (found < least || found > most) wrong.push(`${key} is ${found}, not from ${least} to ${most}`);
  }
  for (const key of STRONG_COUNTERS) {
    const increments = ledger.history.filter((each) => each.key === key && each.op === 'incr');
    const sum = (isKnown: boolean): number =>
      increments.filter(({ ok }) => (ok === true) === isKnown).reduce((total, { value }) => total + Number(value), 0);
    const found = Number(node?.get(key) ?? '0');
    const [least, most] = [sum(true), sum(true) + sum(false)];
    if (found < least || found > most) wrong.push(`${key} is ${found}, not from ${least} to ${most}`);
  }
  return wrong;
}

/** A key that is made once and whose removal was acknowledged, and not lost, is nowhere; nor is one that has expired. */
function judgeOnce({ cluster, ledger, losses }: Judged): string[] {
  const wrong: string[] = [];
  for (const node of cluster.nodes)
    for (const [key, removals] of ledger.once) {
      const isGone = removals.some((dot) => !losses.isLost(...dot));
      if (isGone && node.get(key) !== null) wrong.push(`${node.id} shows ${key}, which was removed`);
    }
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
    for (const key of first.keys.filter((each) => !/:[hsj]$/.test(each))) {
      const held = textIn(first.state, key);
      for (const node of cluster.nodes)
        if (node.get(key) !== held) wrong.push(`${node.id} shows ${node.get(key)} as ${key}, which is ${held}`);
    }
  }
  return wrong;
}
