import { latin1Of } from '../base/bytes.ts';
import type { AuditPage } from './audit-page.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

const INDEX_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const COUNT_DEFAULT = 100;
/** Records of a page: bounds the pause. */
const COUNT_MAX = 10_000n;

/** CW.AUDIT group [from [count]]: count, index and hash of the head, the index to go on from or 0, and records as lines of JSON. */
function audit({ args, node, reply }: CommandContext): void {
  if (args.count > 4) throw syntaxError();
  const group = args.text(1);
  const fromIndex = args.count > 2 ? Number(integerArgumentWithin(args, 2, 0n, INDEX_MAX)) : 0;
  const count = args.count > 3 ? Number(integerArgumentWithin(args, 3, 0n, COUNT_MAX)) : COUNT_DEFAULT;
  const page = node.strong.audit(group, fromIndex, count);
  if (page === null) throw refuse(`there is no group ${group.slice(0, 64)} here: CW.GROUPS names them`);
  reply.array(5);
  reply.integer(page.head.count);
  reply.integer(page.head.index);
  reply.bulkText(page.head.hash);
  reply.integer(page.next);
  const lines = linesOf(page);
  reply.array(lines.length);
  for (const line of lines) reply.bulkText(line);
}

function linesOf({ records }: AuditPage): string[] {
  return records.flatMap(([, lines]) => latin1Of(lines, 0, lines.length).split('\n'));
}

/** Who wrote what of audited strong keys, for operators. */
export const strongAuditCommands: readonly CommandSpec[] = [
  {
    name: 'cw.audit',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale', 'no_multi'],
    group: 'causeway',
    summary: "Records of writes of a group's audited keys, from a log index on, and the head of their chain",
    run: audit,
  },
];
