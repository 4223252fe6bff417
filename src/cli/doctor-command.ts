import { clusterNodesOf, type NodesOptions } from './cluster-nodes.ts';
import { askNode, type Asked, type NodeFacts } from './doctor-facts.ts';
import { findingsOf, type Finding } from './doctor-findings.ts';
import { compareKeys, findingOfKeys } from './doctor-keys.ts';
import { tableOf } from './table.ts';
import { bold, EXIT_FAILED, EXIT_OK, printable, type Terminal } from './usage.ts';

export interface DoctorOptions extends NodesOptions {
  /** Keys drawn at each node; 0 for none. */
  readonly keys: number;
  /** Findings as JSON, for programs. */
  readonly json?: boolean;
}

/**
 * Examines a cluster while it works: whether all nodes answer and agree, are connected and keep up, and whether keys that were drawn at each
 * are the same everywhere. Changes nothing. The exit code is 1 where there is a problem.
 */
export async function runDoctor(options: DoctorOptions, terminal: Terminal): Promise<number> {
  const asked = await Promise.all(clusterNodesOf(options).map(async (node) => askNode(node, options)));
  try {
    const answering = asked.filter((each) => 'facts' in each);
    const findings = findingsOf(asked);
    if (options.keys > 0 && answering.length > 1) {
      const compared = await compareKeys(answering, options.keys, progressOn(terminal, options));
      findings.push(findingOfKeys(compared, answering.length));
    }
    terminal.write(options.json === true ? jsonOf(asked, findings) : reportOf(asked, findings, terminal));
    return findings.some(({ level }) => level === 'problem') ? EXIT_FAILED : EXIT_OK;
  } finally {
    for (const each of asked) if ('client' in each) each.client.close();
  }
}

function progressOn(terminal: Terminal, { json }: DoctorOptions): (done: number, of: number) => void {
  if (!terminal.isTty || json === true) return () => undefined;
  return (done, of) => terminal.write(done >= of ? '\r\u001b[K' : `\rcomparing keys: ${done} of ${of}\u001b[K`);
}

function jsonOf(asked: readonly Asked[], findings: readonly Finding[]): string {
  const nodes = asked.map((each) =>
    'facts' in each
      ? { ...each.facts, info: Object.fromEntries(each.facts.info) }
      : { id: each.node.id, silence: each.silence },
  );
  return `${JSON.stringify({ findings, nodes }, null, 2)}\n`;
}

const MARKS: Readonly<Record<Finding['level'], string>> = { good: 'ok     ', warning: 'warning', problem: 'PROBLEM' };

function reportOf(asked: readonly Asked[], findings: readonly Finding[], terminal: Terminal): string {
  const rows = asked.map((each) => ('facts' in each ? rowOf(each.facts) : [each.node.id, 'silent', '', '', '', '']));
  const table = tableOf(['node', 'state', 'keys', 'ops/s', 'memory MB', 'furthest behind'], rows);
  const lines = findings.map(({ level, text }) => {
    const line = `${MARKS[level]}  ${printable(text)}`;
    return level === 'good' ? line : bold(terminal, line);
  });
  return `${table}\n${lines.join('\n')}\n\n${bold(terminal, verdictOf(findings))}\n`;
}

function rowOf({ id, isReady, degraded, keys, info, peers }: NodeFacts): string[] {
  const state = isReady ? (degraded === '' ? 'ready' : 'degraded') : 'not ready';
  const worst = peers.reduce<(typeof peers)[number] | null>(
    (most, peer) => (peer.lagMs !== null && peer.lagMs > (most?.lagMs ?? 0) ? peer : most),
    null,
  );
  return [
    id,
    state,
    String(keys),
    info.get('instantaneous_ops_per_sec') ?? '',
    (Number(info.get('used_memory_rss') ?? 0) / 2 ** 20).toFixed(0),
    worst === null ? '-' : `${worst.id} ${((worst.lagMs ?? 0) / 1_000).toFixed(1)} s`,
  ];
}

function verdictOf(findings: readonly Finding[]): string {
  const count = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (problems === 0 && warnings === 0) return 'All is well.';
  const parts = [
    problems === 0 ? '' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`,
    warnings === 0 ? '' : `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
  ];
  return `${parts.filter((part) => part !== '').join(', ')}.`;
}
