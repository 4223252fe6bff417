import type { Asked, NodeFacts } from './doctor-facts.ts';

/** What is to be said of a cluster: all well, to be watched, or a promise that does not hold now. */
export interface Finding {
  readonly level: 'good' | 'warning' | 'problem';
  readonly text: string;
}

/** A clock that is off by so much makes expiries early or late; by more its node is held back by the others. */
const CLOCK_WARNING_MS = 500;
/** What was written so long ago and is not known to be elsewhere. */
const LAG_WARNING_MS = 5_000;
const LAG_PROBLEM_MS = 60_000;
/** A voter that its leader has not heard for so long. */
const SILENT_VOTER_MS = 5_000;

const good = (text: string): Finding => ({ level: 'good', text });
const warning = (text: string): Finding => ({ level: 'warning', text });
const problem = (text: string): Finding => ({ level: 'problem', text });

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** What can be told from what all nodes say of themselves at one time. Each check says something, also when all is well. */
export function findingsOf(asked: readonly Asked[]): Finding[] {
  const facts = asked.flatMap((each) => ('facts' in each ? [each.facts] : []));
  return [
    ...answersOf(asked),
    ...(facts.length === 0
      ? []
      : [clocksOf, agreementOf, linksOf, groupsOf, comparisonsOf].flatMap((check) => check(facts))),
  ];
}

function answersOf(asked: readonly Asked[]): Finding[] {
  const found: Finding[] = [];
  let ready = 0;
  for (const each of asked) {
    if ('silence' in each) {
      found.push(problem(`${each.node.id} does not answer: ${each.silence}`));
      continue;
    }
    const { id, isReady, reasons, degraded } = each.facts;
    if (isReady) ready++;
    else found.push(problem(`${id} is not ready: ${reasons}`));
    if (degraded !== '') found.push(warning(`${id} cannot serve all that it should: ${degraded}`));
  }
  const text = `${asked.length === 1 ? 'the node answers and is' : `all ${asked.length} nodes answer and are`} ready`;
  return ready === asked.length ? [good(text), ...found] : found;
}

/** Clocks beside the one in the middle, ours among them: nobody's is the true one. */
function clocksOf(facts: readonly NodeFacts[]): Finding[] {
  const sorted = [0, ...facts.map(({ clockMs }) => clockMs)].sort((left, right) => left - right);
  const middleMs = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const found: Finding[] = [];
  let largestMs = 0;
  for (const { id, clockMs, clockErrorMs } of facts) {
    const offMs = clockMs - middleMs;
    largestMs = Math.max(largestMs, Math.abs(offMs));
    if (Math.abs(offMs) - clockErrorMs <= CLOCK_WARNING_MS) continue;
    const way = offMs > 0 ? 'ahead of' : 'behind';
    found.push(
      warning(`${id}'s clock is ${seconds(Math.abs(offMs))} ${way} the others: keys expire by it; set it right`),
    );
  }
  const errorMs = Math.max(...facts.map(({ clockErrorMs }) => clockErrorMs));
  return found.length > 0
    ? found
    : [good(`clocks are within ${Math.round(largestMs)} ms (measured to ${Math.ceil(errorMs)} ms)`)];
}

function agreementOf(facts: readonly NodeFacts[]): Finding[] {
  const found: Finding[] = [];
  const versions = namedBy(facts, ({ version }) => version);
  if (versions.size > 1) found.push(warning(`nodes run different versions: ${listed(versions)}`));
  const rules = namedBy(facts, (node) => node.rules);
  if (rules.size > 1)
    found.push(problem(`nodes do not agree on the rules of keys, and refuse each other: ${listed(rules)}`));
  else if (namedBy(facts, ({ classes }) => classes).size > 1)
    found.push(
      warning('ttl or levels of classes differ between nodes: `causeway classes check FILE` puts one file into force'),
    );
  return found.length > 0 ? found : [good('all nodes have the same version and the same classes')];
}

function namedBy(facts: readonly NodeFacts[], read: (node: NodeFacts) => string): Map<string, string[]> {
  const named = new Map<string, string[]>();
  for (const node of facts) named.set(read(node), [...(named.get(read(node)) ?? []), node.id]);
  return named;
}

const listed = (named: ReadonlyMap<string, readonly string[]>): string =>
  [...named].map(([text, ids]) => `${text} at ${ids.join(', ')}`).join('; ');

function linksOf(facts: readonly NodeFacts[]): Finding[] {
  const found: Finding[] = [];
  let largestMs = 0;
  let links = 0;
  for (const { id, peers } of facts) {
    for (const peer of peers) {
      links++;
      const { lagMs, lagTransactions } = peer;
      const behind =
        lagMs === null || lagTransactions === 0
          ? ''
          : `: ${lagTransactions} transactions of the last ${seconds(lagMs)} are not known to be there`;
      if (!peer.isConnected) found.push(problem(`${id} has no connection to ${peer.id}${behind}`));
      else if (lagMs !== null && lagMs > LAG_PROBLEM_MS) found.push(problem(`${peer.id} is far behind ${id}${behind}`));
      else if (lagMs !== null && lagMs > LAG_WARNING_MS) found.push(warning(`${peer.id} is behind ${id}${behind}`));
      largestMs = Math.max(largestMs, lagMs ?? 0);
    }
  }
  if (found.length > 0) return found;
  if (links === 0) return [good('there is one node, with nobody to be connected to')];
  return [good(`every node is connected to every other; none is more than ${seconds(largestMs)} behind`)];
}

function groupsOf(facts: readonly NodeFacts[]): Finding[] {
  const found: Finding[] = [];
  const names = new Set(facts.flatMap(({ groups }) => groups.map(({ name }) => name)));
  for (const name of names) {
    const views = facts.flatMap(({ id, groups }) =>
      groups.filter((group) => group.name === name).map((group) => ({ id, group })),
    );
    const newest = Math.max(...views.map(({ group }) => group.term));
    const leaders = new Set(views.filter(({ group }) => group.term === newest).map(({ group }) => group.leader));
    leaders.delete(null);
    if (leaders.size === 0) found.push(problem(`group ${name} has no leader: its keys cannot be written`));
    if (leaders.size > 1)
      found.push(
        problem(`group ${name} has several leaders in term ${newest}: ${[...leaders].join(', ')}; report this`),
      );
    for (const { id, group } of views) {
      if (group.role !== 'leader' || group.term !== newest) continue;
      for (const member of group.members) {
        const silentMs = member['silent-ms'];
        if (member.role !== 'voter' || silentMs === null || silentMs < SILENT_VOTER_MS) continue;
        found.push(
          warning(`group ${name}: ${member.id}, which votes, was not heard by ${id} for ${seconds(silentMs)}`),
        );
      }
    }
  }
  if (found.length > 0 || names.size === 0) return found;
  return [
    good(
      `${names.size === 1 ? 'the quorum group has' : `all ${names.size} quorum groups have`} a leader and its voters`,
    ),
  ];
}

const COMPARED = /^compared\d+$/;
const SIDES = { regions: 'other regions', redis: 'the regional Redis', source: 'the source' } as const;

/** What the nodes' own monitors found since they started (SPEC S10). */
function comparisonsOf(facts: readonly NodeFacts[]): Finding[] {
  const found: Finding[] = [];
  let compared = 0;
  const off = facts.filter(({ info }) => info.get('monitor_on') === '0').map(({ id }) => id);
  for (const { id, info } of facts) {
    for (const [name, line] of info) {
      if (!COMPARED.test(name)) continue;
      const [, keyClass = '', counts = ''] = /^name=("(?:[^"\\]|\\.)*")(.*)$/.exec(line) ?? [];
      const count = (field: string): number => Number(new RegExp(`,${field}=(\\d+)`).exec(counts)?.[1] ?? 0);
      for (const [side, whom] of Object.entries(SIDES)) {
        compared += count(side);
        const [different, repaired] = [count(`different_${side}`), count(`repaired_${side}`)];
        if (different === 0 && repaired === 0) continue;
        const text = `${id} found keys of ${keyClass} that differed from ${whom}: ${different} times, and put right ${repaired}`;
        // a source changes by itself
        found.push(side === 'source' ? warning(text) : problem(`${text}; its log names them; report this`));
      }
    }
  }
  if (found.length > 0) return found;
  if (off.length === facts.length)
    return [good('nodes compare no keys by themselves: limits.monitorKeysPerSecond is 0')];
  return [good(`the nodes compared ${compared} keys since they started; none differed`)];
}
