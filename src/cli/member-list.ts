import { CausewayError } from '../errors.ts';
import type { NodesOptions } from './cluster-nodes.ts';
import { askLost, askOffer, type LostAnswer, type MemberLine, type WriteLine } from './member-answers.ts';
import { newestMembers, withReached, type Reached } from './member-reach.ts';
import { tableOf } from './table.ts';
import { printable, UsageError, type Terminal } from './usage.ts';

export interface ListOptions extends NodesOptions {
  /** Shows what nodes that were removed alone have, too. */
  readonly lost?: boolean;
  /** Lines of a list that are shown at most. */
  readonly limit?: number;
}

export interface OfferOptions extends NodesOptions {
  /** Writes also where nothing is there any more, or never was. */
  readonly absent?: boolean;
  readonly limit?: number;
}

const LINES_DEFAULT = 1_000;
const WRITE_HEAD = ['key', 'what', 'dot', 'value'] as const;

/** Prints every node of the topology as the node with the newest members sees it. */
export async function memberList(options: ListOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    const rows = members.map((member) => [
      member.id,
      String(member.incarnation),
      member.state === 'self' ? 'live' : member.state,
      sinceOf(member),
      member['silent-ms'] === null ? '-' : (member['silent-ms'] / 1_000).toFixed(1),
      String(member['lag-transactions']),
    ]);
    terminal.write(`epoch ${members[0]?.epoch ?? 0}\n`);
    terminal.write(tableOf(['node', 'incarnation', 'state', 'since', 'silent s', 'behind'], rows));
    if (options.lost === true) {
      for (const member of members)
        if (sinceOf(member) !== '') await writeLost(member, reached, options.limit ?? LINES_DEFAULT, terminal);
    }
    for (const failure of reached.failures) terminal.write(`not asked: ${printable(failure)}\n`);
  });
}

function sinceOf(member: MemberLine): string {
  if (member['removed-at-epoch'] > 0) return `at epoch ${member['removed-at-epoch']}`;
  return member['joined-at-epoch'] > 0 ? `joined at epoch ${member['joined-at-epoch']}` : '';
}

async function writeLost({ id }: MemberLine, { clients }: Reached, limit: number, terminal: Terminal): Promise<void> {
  const client = clients.get(id);
  if (client === undefined) {
    terminal.write(`${id} was not reached: start it on its disk to see what it alone has\n`);
    return;
  }
  let page: LostAnswer = await askLost(client, 0);
  const { transactions, left, offered } = page;
  const lines: WriteLine[] = [...page.writes];
  while (page.next > 0 && lines.length < limit) {
    page = await askLost(client, page.next);
    lines.push(...page.writes);
  }
  const isWhole = page.next === 0 && lines.length <= limit;
  terminal.write(
    `${id} alone has ${transactions} transactions, of which ${left} left something that can be listed; ` +
      `${offered} writes were offered again${isWhole ? `, ${lines.length} are left` : ''}\n`,
  );
  writeTable(WRITE_HEAD, lines.slice(0, limit), terminal);
  if (!isWhole) terminal.write(`only the first ${limit} are shown: --limit shows more\n`);
}

function writeTable(head: readonly string[], lines: readonly WriteLine[], terminal: Terminal): void {
  const shown = lines.map((line) => line.map((part) => printable(part)));
  if (shown.length > 0) terminal.write(tableOf(head, shown));
}

/** Lets a node that joined again write what it alone had, where nothing else happened, and prints what it did not. */
export async function memberOffer(id: string, options: OfferOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    if (!members.some((member) => member.id === id))
      throw new UsageError(`unknown node "${id}"; there are ${members.map((member) => member.id).join(', ')}`);
    const client = reached.clients.get(id);
    if (client === undefined) throw new CausewayError('ERR', `${id} was not reached: it offers what it has itself`);
    const sums = { offered: 0, already: 0, kept: 0 };
    const lines: WriteLine[] = [];
    const limit = options.limit ?? LINES_DEFAULT;
    for (let cursor = 0; ;) {
      const page = await askOffer(client, cursor, options.absent === true);
      sums.offered += page.offered;
      sums.already += page.already;
      sums.kept += page.kept.length;
      lines.push(...page.kept.slice(0, Math.max(0, limit - lines.length)));
      cursor = page.next;
      if (cursor === 0) break;
    }
    terminal.write(
      `${id} has written ${sums.offered} again; ${sums.already} were there already, ${sums.kept} stay in its list\n`,
    );
    writeTable([...WRITE_HEAD, 'why not'], lines, terminal);
    if (sums.kept > limit) terminal.write(`only the first ${limit} are shown: --limit shows more\n`);
  });
}
