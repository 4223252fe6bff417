import { originText } from '../clock/dot.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Keys whose digests are told at once: each takes as long as its value is large. */
const DIGEST_KEYS_MAX = 256;

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

/** CW.DIGEST [KEY key …]: of keys as this node has them, whatever their class, so it names none to be sent to their home. */
function digest(context: CommandContext): void {
  const { args, node, nowMs, reply } = context;
  if (args.count === 1) return digestOfAll(context);
  if (args.count === 2 || args.word(1) !== 'KEY') throw syntaxError();
  const count = args.count - 2;
  if (count > DIGEST_KEYS_MAX) throw refuse(`expected at most ${DIGEST_KEYS_MAX} keys, got ${count}`);
  reply.array(count);
  for (let at = 2; at < args.count; at++) {
    const { hex, isSettled } = node.keyDigest(args.range(at), nowMs);
    reply.array(2);
    if (hex === null) reply.null();
    else reply.bulkText(hex);
    reply.integer(isSettled ? 1 : 0);
  }
}

/** Of the moment at which it is asked for, answered when it is made; inside MULTI it is made in one step. */
function digestOfAll({ node, nowMs, reply, server, session }: CommandContext): void {
  if (session.inExec) return reply.bulkText(node.digest(nowMs));
  const run = node.digestRun(nowMs);
  if (run.isDone) return reply.bulkText(run.hex);
  server.waiting.block(session, {
    deadlineMs: Infinity,
    isOver: () => run.isDone,
    end: () => session.connection.reply.bulkText(run.hex),
    fail: ({ code, message }) => session.connection.reply.error(code, message),
  });
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
    -1,
    'A hash of the visible keyspace that is equal on all nodes at the same vector; with KEY that of keys, and whether it is settled',
    digest,
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
