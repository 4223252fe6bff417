import type { VectorEntries } from '../causal/peer-frames.ts';
import { dotText } from '../clock/dot.ts';
import { INCARNATION_MAX, incarnationOf, isOrigin } from '../clock/origin.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { Args, CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale', 'no_multi'];

function countArgument(args: Args, index: number, most: bigint = SAFE_MAX): number {
  return Number(integerArgumentWithin(args, index, 0n, most));
}

function list({ node, reply }: CommandContext): void {
  const members = node.membership.list();
  reply.array(members.length);
  for (const member of members) {
    const pairs = [
      ['id', member.id],
      ['region', member.region],
      ['incarnation', member.incarnation],
      ['state', member.state],
      ['silent-ms', member.silentMs === null ? null : Math.round(member.silentMs)],
      ['lag-transactions', member.lagTransactions],
      ['removed-at-epoch', member.removedAtEpoch],
      ['epoch', node.membership.epoch],
    ] as const;
    reply.array(pairs.length * 2);
    for (const [name, value] of pairs) {
      reply.bulkText(name);
      if (value === null) reply.null();
      else if (typeof value === 'number') reply.integer(value);
      else reply.bulkText(value);
    }
  }
}

function progress({ args, node, reply }: CommandContext): void {
  const { epoch, state, isDurable, incarnation, has } = node.membership.progress(args.text(2));
  reply.array(10);
  reply.bulkText('epoch');
  reply.integer(epoch);
  reply.bulkText('state');
  reply.bulkText(state);
  reply.bulkText('durable');
  reply.integer(isDurable ? 1 : 0);
  reply.bulkText('incarnation');
  reply.integer(incarnation);
  reply.bulkText('has');
  reply.array(has.length * 2);
  for (const [origin, seq] of has) {
    reply.integer(origin);
    reply.integer(seq);
  }
}

/** CW.MEMBER LOST: key, what, dot and value of each write. */
function lost({ node, reply }: CommandContext): void {
  const writes = node.membership.lost();
  reply.array(writes.length);
  for (const { key, what, origin, seq, value } of writes) {
    reply.array(4);
    for (const text of [key, what, dotText(origin, seq, node.names)]) reply.bulkText(text);
    if (value === null) reply.null();
    else reply.bulkText(value);
  }
}

/** CW.MEMBER REMOVE id epoch incarnation [origin seq …] */
function remove({ args, node, reply }: CommandContext): void {
  if (args.count % 2 === 0) throw syntaxError();
  const cut: VectorEntries[number][] = [];
  for (let at = 5; at < args.count; at += 2) {
    const origin = countArgument(args, at);
    if (!isOrigin(origin) || incarnationOf(origin) === 0) throw refuse(`${origin} is no origin`);
    cut.push([origin, countArgument(args, at + 1)]);
  }
  const incarnation = countArgument(args, 4, BigInt(INCARNATION_MAX - 1));
  node.membership.remove(args.text(2), countArgument(args, 3), incarnation, cut);
  reply.ok();
}

function row(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `cw.member|${name}`, arity, flags, group: 'causeway', summary, run };
}

const subcommands: readonly CommandSpec[] = [
  row('list', 2, 'Every node of the topology, its life, and whether it is a member', list),
  row('progress', 3, 'How far the removal of a node is here', progress),
  row('lost', 2, 'At a removed node: what it wrote beyond where it was cut', lost),
  row('fence', 4, 'Take nothing more from the connections of a node that is being removed', ({ args, node, reply }) => {
    node.membership.fence(args.text(2), countArgument(args, 3));
    reply.ok();
  }),
  row('unfence', 3, 'Take a fence back', ({ args, node, reply }) =>
    reply.integer(node.membership.unfence(args.text(2)) ? 1 : 0),
  ),
  row('remove', -5, 'Remove a fenced node at the cut that all survivors agreed on', remove),
  helpOf('cw.member', 'causeway', [
    'LIST',
    '    Every node of the topology, its life, and whether it is a member.',
    'PROGRESS <node>',
    '    How far the removal of a node is here.',
    'LOST',
    '    At a removed node: what it wrote beyond where it was cut.',
    'FENCE <node> <epoch>',
    '    Take nothing more from the connections of a node. A step of `causeway member remove`.',
    'UNFENCE <node>',
    '    Take a fence back.',
    'REMOVE <node> <epoch> <incarnation> [<origin> <seq> ...]',
    '    Remove a fenced node. The last step of `causeway member remove`.',
  ]),
];

/** Who is a member. `causeway member` runs these at every survivor; alone they change one node. */
export const memberCommands: readonly CommandSpec[] = [
  container('cw.member', 'causeway', 'A container for commands about the members', subcommands),
];
