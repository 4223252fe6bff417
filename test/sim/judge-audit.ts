import { latin1Of } from '../../src/base/bytes.ts';
import { auditLine, type AuditLine } from '../../src/cli/audit-line.ts';
import { CHAIN_START } from '../../src/groups/audit-record.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import type { Losses } from './losses.ts';

const PAGE = 500;

/** All records that a node has of a group, page by page. */
function recordsAt({ core }: VirtualNode, group: string): AuditLine[] {
  const records: AuditLine[] = [];
  for (let from = 0; ;) {
    const page = core.strong.audit(group, from, PAGE);
    for (const [, bytes] of page?.records ?? [])
      for (const text of latin1Of(bytes, 0, bytes.length).split('\n')) {
        const line = auditLine(text);
        if (line === null) throw new Error(`no record: ${text}`);
        records.push(line);
      }
    if (page === null || page.next === 0) return records;
    from = page.next;
  }
}

/**
 * At rest: every record that a member has is the one of all others, the heads are one, and where no disk was lost each record is
 * somewhere, in one chain (SPEC A1, A2, A3).
 */
export function judgeAudit(cluster: VirtualCluster, losses: Losses): { wrong: string[]; records: number } {
  const wrong: string[] = [];
  let records = 0;
  for (const { name } of cluster.nodes[0]?.core.strong.groups() ?? []) {
    const all = new Map<number, AuditLine>();
    for (const node of cluster.nodes) {
      for (const line of recordsAt(node, name)) {
        const known = all.get(line.record);
        if (known === undefined) all.set(line.record, line);
        else if (known.text !== line.text) wrong.push(`A1: ${node.id} has another record ${line.record} of ${name}`);
      }
    }
    records += all.size;
    const heads = cluster.nodes.map((node) => JSON.stringify(node.core.strong.audit(name, 0, 0)?.head));
    if (new Set(heads).size > 1) wrong.push(`A2: the heads of ${name} differ: ${heads.join(' ')}`);
    if (cluster.nodes.some((node) => losses.hasLostDisk(node))) continue;
    let previous = CHAIN_START;
    for (let at = 1; at <= all.size; at++) {
      const line = all.get(at);
      if (line?.previous !== previous)
        wrong.push(`A3: record ${at} of ${name} is missing, or not after the one before`);
      if (line === undefined) break;
      previous = line.hash;
    }
    const head = cluster.nodes[0]?.core.strong.audit(name, 0, 0)?.head;
    if (head !== undefined && head.count !== all.size)
      wrong.push(`A3: of ${head.count} records of ${name} ${all.size} are left`);
  }
  return { wrong, records };
}
