import type { LostWrite } from '../causal/lost-list.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import { dotText } from '../clock/dot.ts';
import { INCARNATION_MAX, incarnationOf, isOrigin } from '../clock/origin.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { Args, CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import type { AgreementAsked, AgreementView, OfferRequest } from './membership-view.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';
import { requesterOf, waitForGroup } from './strong-gate.ts';

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale', 'no_multi'];
const agreeing: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale', 'blocking', 'no_multi'];
const offering: readonly CommandFlag[] = ['write', 'admin', 'noscript', 'no_multi'];
/** Writes of a page of the lost list: bounds the pause. */
const COUNT_DEFAULT = 100;
const COUNT_MAX = 10_000n;

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
      ['joined-at-epoch', member.joinedAtEpoch],
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
  const { epoch, state, isDurable, incarnation, operation, isSettled, joinedAtEpoch, joinedFrom, has } =
    node.membership.progress(args.text(2));
  const numbers = [
    ['epoch', epoch],
    ['durable', isDurable ? 1 : 0],
    ['incarnation', incarnation],
    ['operation', operation],
    ['settled', isSettled ? 1 : 0],
    ['joined-at-epoch', joinedAtEpoch],
    ['joined-from', joinedFrom],
  ] as const;
  reply.array(numbers.length * 2 + 4);
  for (const [name, value] of numbers) {
    reply.bulkText(name);
    reply.integer(value);
  }
  reply.bulkText('state');
  reply.bulkText(state);
  reply.bulkText('has');
  reply.array(has.length * 2);
  for (const [origin, seq] of has) {
    reply.integer(origin);
    reply.integer(seq);
  }
}

/** `CURSOR c`, `COUNT n` and, where it may be said, `ABSENT`, from argument 2 on. */
function pageOptions(args: Args, mayBeAbsent: boolean): OfferRequest {
  let [cursor, count, isAbsentTaken] = [0, COUNT_DEFAULT, false];
  for (let at = 2; at < args.count; at++) {
    const word = args.word(at);
    if (word === 'ABSENT' && mayBeAbsent) isAbsentTaken = true;
    else if (word === 'CURSOR' && at + 1 < args.count) cursor = countArgument(args, ++at);
    else if (word === 'COUNT' && at + 1 < args.count) count = Math.max(1, countArgument(args, ++at, COUNT_MAX));
    else throw syntaxError();
  }
  return { cursor, count, isAbsentTaken };
}

/** Key, what, dot and value; a reason behind them where there is one. */
function replyWrite({ node, reply }: CommandContext, write: LostWrite, reason?: string): void {
  const { key, kind, field, origin, seq, value } = write;
  reply.array(reason === undefined ? 4 : 5);
  const what = field === null || kind === 'member' ? kind : `${kind} ${field}`;
  for (const text of [key, what, dotText(origin, seq, node.names)]) reply.bulkText(text);
  if (value === null) reply.null();
  else reply.bulkText(value);
  if (reason !== undefined) reply.bulkText(reason);
}

/** CW.MEMBER LOST [CURSOR cursor] [COUNT count]: the next cursor, transactions, those that left something, offered, writes. */
function lost(context: CommandContext): void {
  const { args, node, reply } = context;
  const { cursor, count } = pageOptions(args, false);
  const page = node.membership.lost(cursor, count);
  reply.array(5);
  for (const number of [page.next, page.transactions, page.left, page.offered]) reply.integer(number);
  reply.array(page.writes.length);
  for (const write of page.writes) replyWrite(context, write);
}

/** CW.MEMBER OFFER [CURSOR cursor] [COUNT count] [ABSENT]: the next cursor, written, there already, and what stays with its reason. */
function offer(context: CommandContext): void {
  const { args, node, reply, tx, nowMs } = context;
  const page = node.membership.offer(pageOptions(args, true), tx, nowMs);
  reply.array(4);
  for (const number of [page.next, page.offered, page.already]) reply.integer(number);
  reply.array(page.kept.length);
  for (const write of page.kept) replyWrite(context, write, write.reason);
}

/** How long one request to the members' group waits; who wants to wait longer asks again. */
const AGREE_MS = 3_000;

function agreementOf({ node }: CommandContext): AgreementView {
  const view = node.membership.agreement;
  if (view === null)
    throw refuse('its members do not agree on anything: the cluster has fewer than three nodes, or no data folders');
  return view;
}

function asked({ server, session }: CommandContext): Omit<AgreementAsked, 'answered'> {
  return { requester: requesterOf(server, session), timeoutMs: AGREE_MS };
}

/** CW.MEMBER CHANGE REMOVE|JOIN epoch node [node …]: answered once the group has begun it, or has it under way. */
function change(context: CommandContext): void {
  const { args, reply, server, session } = context;
  const verb = args.word(2);
  if (verb !== 'REMOVE' && verb !== 'JOIN') throw syntaxError();
  const epoch = countArgument(args, 3);
  const ids = Array.from({ length: args.count - 4 }, (_, at) => args.text(at + 4));
  const members = agreementOf(context);
  const kind = verb === 'REMOVE' ? 'remove' : 'join';
  const ask = (answered: AgreementAsked['answered']): number =>
    members.begin(kind, ids, epoch, { ...asked(context), answered });
  waitForGroup(server, session, ask, () => reply.ok());
}

/** CW.MEMBER UNDO: the change under way is taken back. */
function undo(context: CommandContext): void {
  const { reply, server, session } = context;
  const members = agreementOf(context);
  const ask = (answered: AgreementAsked['answered']): number => members.takeBack({ ...asked(context), answered });
  waitForGroup(server, session, ask, () => reply.ok());
}

/** CW.MEMBER AGREEMENT: the members' group as this node knows it; nil in a cluster too small for one. */
function agreement({ node, reply }: CommandContext): void {
  const view = node.membership.agreement;
  if (view === null) return reply.null();
  const { leader, voters, change: underWay } = view.status();
  const texts = (name: string, values: readonly string[]): void => {
    reply.bulkText(name);
    reply.array(values.length);
    for (const value of values) reply.bulkText(value);
  };
  reply.array(16);
  const pairs = [
    ['leader', leader],
    ['change', underWay?.kind ?? null],
    ['step', underWay?.step ?? null],
  ] as const;
  for (const [name, value] of pairs) {
    reply.bulkText(name);
    if (value === null) reply.null();
    else reply.bulkText(value);
  }
  for (const [name, number] of [
    ['epoch', node.membership.epoch],
    ['in-charge', view.isInCharge ? 1 : 0],
  ] as const) {
    reply.bulkText(name);
    reply.integer(number);
  }
  texts('voters', voters);
  texts('nodes', underWay?.nodes ?? []);
  texts('waiting', underWay?.waiting ?? []);
}

/** What an operator does at one node after the other, in a cluster too small to agree, is refused in all others. */
function refuseWhereAgreed({ node }: CommandContext): void {
  if (node.membership.agreement?.isInCharge === true)
    throw refuse('the members of this cluster agree on who is one: CW.MEMBER CHANGE asks them');
}

/** CW.MEMBER FENCE id epoch operation [ALONE] */
function fence({ args, node, reply }: CommandContext): void {
  const isAlone = args.count > 5;
  if (args.count > 6 || (isAlone && args.word(5) !== 'ALONE')) throw syntaxError();
  node.membership.fence(args.text(2), countArgument(args, 3), countArgument(args, 4), isAlone);
  reply.ok();
}

/** CW.MEMBER REMOVE id epoch incarnation operation [origin seq …] */
function remove({ args, node, reply }: CommandContext): void {
  if (args.count % 2 !== 0) throw syntaxError();
  const cut: VectorEntries[number][] = [];
  for (let at = 6; at < args.count; at += 2) {
    const origin = countArgument(args, at);
    if (!isOrigin(origin) || incarnationOf(origin) === 0) throw refuse(`${origin} is no origin`);
    cut.push([origin, countArgument(args, at + 1)]);
  }
  const incarnation = countArgument(args, 4, BigInt(INCARNATION_MAX - 1));
  node.membership.remove(args.text(2), countArgument(args, 3), incarnation, countArgument(args, 5), cut);
  reply.ok();
}

/** CW.MEMBER HOLD id epoch operation */
function hold({ args, node, reply }: CommandContext): void {
  node.membership.hold(args.text(2), countArgument(args, 3), countArgument(args, 4));
  reply.ok();
}

/** CW.MEMBER JOIN id epoch incarnation operation */
function join({ args, node, reply }: CommandContext): void {
  const incarnation = countArgument(args, 4, BigInt(INCARNATION_MAX));
  node.membership.join(args.text(2), countArgument(args, 3), incarnation, countArgument(args, 5));
  reply.ok();
}

function row(
  name: string,
  arity: number,
  summary: string,
  run: CommandSpec['run'],
  flagsOf: readonly CommandFlag[] = flags,
): CommandSpec {
  return { name: `cw.member|${name}`, arity, flags: flagsOf, group: 'causeway', summary, run };
}

/** A step of a change that no group decides. */
function step(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return row(name, arity, summary, (context) => {
    refuseWhereAgreed(context);
    run(context);
  });
}

const subcommands: readonly CommandSpec[] = [
  row('list', 2, 'Every node of the topology, its life, and whether it is a member', list),
  row('progress', 3, 'How far a change of the members is here', progress),
  row('lost', -2, 'At a node that was removed: what it wrote beyond where it was cut', lost),
  row(
    'offer',
    -2,
    'At a node that joined again: write what it alone had, where nothing else happened',
    offer,
    offering,
  ),
  row('change', -5, 'Ask the members to remove nodes, or to let them in again', change, agreeing),
  row('undo', 2, 'Take back the change of the members that is under way', undo, agreeing),
  row('agreement', 2, "The members' group: leader, voters, and the change under way", agreement),
  step('fence', -5, 'Take nothing more from the connections of a node that is being removed', fence),
  step('remove', -6, 'Remove a fenced node at the cut that all survivors agreed on', remove),
  step('hold', 5, 'Let nothing become stable without a removed node that is to join again', hold),
  step('join', 6, 'Let a removed node in that every survivor waits for', join),
  step('unfence', 4, 'Take a fence or a hold back', ({ args, node, reply }) =>
    reply.integer(node.membership.release(args.text(2), countArgument(args, 3)) ? 1 : 0),
  ),
  helpOf('cw.member', 'causeway', [
    'LIST',
    '    Every node of the topology, its life, and whether it is a member.',
    'PROGRESS <node>',
    '    How far a change of the members is here.',
    'LOST [CURSOR <cursor>] [COUNT <count>]',
    '    At a node that was removed: what it wrote beyond where it was cut, a page of it.',
    'OFFER [CURSOR <cursor>] [COUNT <count>] [ABSENT]',
    '    At a node that joined again: write what it alone had, where nothing else happened. ABSENT: also where nothing is there.',
    'CHANGE REMOVE|JOIN <epoch> <node> [<node> ...]',
    '    Ask the members to remove nodes, or to let them in again. They go on by themselves.',
    'UNDO',
    '    Take back the change that is under way.',
    'AGREEMENT',
    "    The members' group: leader, voters, and the change under way with who is waited for.",
    'FENCE <node> <epoch> <operation> [ALONE]',
    '    Take nothing more from the connections of a node. A step of a change where too few are left to agree, as those below.',
    'REMOVE <node> <epoch> <incarnation> <operation> [<origin> <seq> ...]',
    '    Remove a fenced node.',
    'HOLD <node> <epoch> <operation>',
    '    Let nothing become stable without a removed node.',
    'JOIN <node> <epoch> <incarnation> <operation>',
    '    Let a removed node in.',
    'UNFENCE <node> <operation>',
    '    Take a fence or a hold back.',
  ]),
];

/** Who is a member: what `causeway member` asks. */
export const memberCommands: readonly CommandSpec[] = [
  container('cw.member', 'causeway', 'A container for commands about the members', subcommands),
];
