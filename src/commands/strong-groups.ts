import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import type { GroupMemberStatus, GroupStatus } from './strong-view.ts';

type Pairs = readonly (readonly [name: string, value: string | number | null])[];

function replyPairs({ reply }: CommandContext, pairs: Pairs): void {
  for (const [name, value] of pairs) {
    reply.bulkText(name);
    if (value === null) reply.null();
    else if (typeof value === 'number') reply.integer(Math.round(value));
    else reply.bulkText(value);
  }
}

function replyMember(context: CommandContext, { lastIndex }: GroupStatus, member: GroupMemberStatus): void {
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
  const all = node.strong.groups();
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
    ];
    reply.map(pairs.length + 1);
    replyPairs(context, pairs);
    reply.bulkText('members');
    reply.array(group.members.length);
    for (const member of group.members) replyMember(context, group, member);
  }
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
];
