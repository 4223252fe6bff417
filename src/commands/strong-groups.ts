import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { syntaxError } from './refusals.ts';
import { requesterOf, waitForGroup } from './strong-gate.ts';
import type { GroupChangeVerb, GroupMemberStatus, GroupStatus, StrongAnswer } from './strong-view.ts';

type Pairs = readonly (readonly [name: string, value: string | number | null])[];

function replyPairs({ reply }: CommandContext, pairs: Pairs): void {
  for (const [name, value] of pairs) {
    reply.bulkText(name);
    if (value === null) reply.null();
    else if (typeof value === 'number') reply.integer(Math.round(value));
    else reply.bulkText(value);
  }
}

function replyMember(
  context: CommandContext,
  { lastIndex }: Pick<GroupStatus, 'lastIndex'>,
  member: GroupMemberStatus,
): void {
  const { id, isVoter, matched, silentMs } = member;
  const pairs: Pairs = [
    ['id', id],
    ['role', isVoter ? 'voter' : 'learner'],
    ['matched', matched],
    ['lag', matched === null ? null : Math.max(0, lastIndex - matched)],
    ['silent-ms', silentMs],
  ];
  context.reply.map(pairs.length);
  replyPairs(context, pairs);
}

/** CW.GROUPS: a map a group, as this node sees it. */
function groups(context: CommandContext): void {
  const { node, reply } = context;
  const members = node.strong.membersGroup();
  const all = [...node.strong.groups(), ...(members === null ? [] : [members])];
  reply.array(all.length);
  for (const group of all) {
    const pairs: Pairs = [
      ['name', group.name],
      ['home', group.home],
      ['survive', group.survive],
      ['role', group.role],
      ['term', group.term],
      ['leader', group.leader],
      ['commit', group.commit],
      ['applied', group.applied],
      ['visible', group.visible],
      ['last-index', group.lastIndex],
      ['lease', group.hasLease ? 1 : 0],
      ['abstains', group.abstains ? 1 : 0],
      ['age-ms', group.ageMs],
      ['leaderless-ms', group.leaderlessMs],
      ['rules-index', group.rules.index],
      ['rules-version', group.rules.version],
      ['rules-own', group.rules.isOwn ? 1 : 0],
    ];
    reply.map(pairs.length + 1);
    replyPairs(context, pairs);
    reply.bulkText('members');
    reply.array(group.members.length);
    for (const member of group.members) replyMember(context, group, member);
  }
}

/** How long one request for a change waits; who wants to wait longer asks again. */
const OPERATE_MS = 3_000;

function operate(context: CommandContext, verb: GroupChangeVerb): void {
  const { args, node, reply, server, session } = context;
  const operation = {
    group: args.text(2),
    verb,
    node: args.text(3),
    requester: requesterOf(server, session),
    timeoutMs: OPERATE_MS,
  };
  const ask = (answered: (answer: StrongAnswer) => void): number => node.strong.operate(operation, answered);
  waitForGroup(server, session, ask, () => reply.ok());
}

/** CW.GROUP ADD group node [VOTER | LEARNER]: what the node is from then on, VOTER where it is not said. */
function add(context: CommandContext): void {
  const { args } = context;
  const role = args.count > 4 ? args.word(4) : 'VOTER';
  if (args.count > 5 || (role !== 'VOTER' && role !== 'LEARNER')) throw syntaxError();
  operate(context, role === 'VOTER' ? 'voter' : 'learner');
}

/** CW.GROUP REMOVE group node [FORCE]: FORCE for a node that runs. */
function remove(context: CommandContext): void {
  const { args } = context;
  const isForced = args.count > 4;
  if (args.count > 5 || (isForced && args.word(4) !== 'FORCE')) throw syntaxError();
  operate(context, isForced ? 'remove-live' : 'remove');
}

const flags: readonly CommandFlag[] = ['admin', 'noscript', 'blocking', 'no_multi'];

function subcommand(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `cw.group|${name}`, arity, flags, group: 'causeway', summary, run };
}

/** Quorum groups, for operators. */
export const strongGroupCommands: readonly CommandSpec[] = [
  {
    name: 'cw.groups',
    arity: 1,
    flags: ['readonly', 'noscript', 'loading', 'stale'],
    group: 'causeway',
    summary: 'The quorum groups of strong keys as this node sees them: role, term, leader, how far, members',
    run: groups,
  },
  container('cw.group', 'causeway', 'Change a quorum group, at any node: its leader does it', [
    subcommand('transfer', 4, 'Hand leadership of a group to one of its voters; answered once that leads', (context) =>
      operate(context, 'transfer'),
    ),
    subcommand('add', -4, 'Make a node a voter or a learner of a group; answered once that is committed', add),
    subcommand('remove', -4, 'Take a node out of a group; answered once that is committed', remove),
    helpOf('cw.group', 'causeway', [
      'TRANSFER <group> <node>',
      '    Hand leadership to a voter. Away from home it stays for ten minutes, or until that node leads no more.',
      'ADD <group> <node> [VOTER|LEARNER]',
      '    What the node is from then on. A learner becomes a voter once it has caught up.',
      'REMOVE <group> <node> [FORCE]',
      '    Take a node out that is gone; FORCE one that runs, which then serves no strong keys of the group.',
    ]),
  ]),
];
