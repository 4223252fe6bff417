import { originText } from '../clock/dot.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';

/** Names and values one after the other: flat in both protocol versions, so that every client shows them alike. */
function replyPairs({ reply }: CommandContext, pairs: readonly (readonly [string, string | number | null])[]): void {
  reply.array(pairs.length * 2);
  for (const [name, value] of pairs) {
    reply.bulkText(name);
    if (value === null) reply.null();
    else if (Number.isSafeInteger(value)) reply.integer(value as number);
    else reply.bulkText(String(value));
  }
}

function vector(context: CommandContext): void {
  const { node } = context;
  const dots = [...node.vector().dots()].map(([origin, seq]) => [originText(origin, node.names), seq] as const);
  replyPairs(
    context,
    dots.sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}

function peers(context: CommandContext): void {
  const { node, nowMs, reply } = context;
  const rows = node.peers(nowMs);
  reply.array(rows.length);
  for (const peer of rows) {
    replyPairs(context, [
      ['id', peer.id],
      ['region', peer.region],
      ['connected', peer.connected ? 1 : 0],
      ['lag-transactions', peer.lagTransactions],
      ['lag-bytes', peer.lagBytes],
      ['lag-ms', rounded(peer.lagMs)],
      ['rtt-ms', rounded(peer.rttMs)],
      ['silent-ms', rounded(peer.silentMs)],
    ]);
  }
}

/** Milliseconds with one digit after the point are enough for people. */
function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}

const flags: readonly CommandFlag[] = ['readonly', 'loading', 'stale'];

function row(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name, arity, flags, group: 'causeway', summary, run };
}

/** What only this server has. */
export const causewayCommands: readonly CommandSpec[] = [
  row('cw.node', 1, 'Which node this is', (context) => {
    const { node, nowMs, server } = context;
    const reasons = node.unreadyReasons(nowMs);
    replyPairs(context, [
      ['id', node.nodeId],
      ['region', node.region],
      ['version', server.facts.version],
      ['ready', reasons.length === 0 ? 1 : 0],
      ['reasons', reasons.join('; ')],
      ['degraded', node.degradedReasons(nowMs).join('; ')],
    ]);
  }),
  row('cw.vector', 1, 'The version vector: origins and the highest sequence applied of each', vector),
  row(
    'cw.digest',
    1,
    'A hash of the visible keyspace that is equal on all nodes at the same vector',
    ({ node, nowMs, reply }) => reply.bulkText(node.digest(nowMs)),
  ),
  row('cw.peers', 1, 'How far every peer is behind, in transactions, bytes and milliseconds', peers),
  {
    ...row(
      'cw.explain',
      2,
      'All unsuperseded writes of a key, their dots and stamps, the rule and the winner',
      (context) => replyPairs(context, context.node.explain(context.args.range(1), context.nowMs)),
    ),
    keys: [1, 1, 1],
  },
];
