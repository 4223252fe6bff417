import { patternOf } from './patterns.ts';
import { keyPositions, categoriesOf, replyCommandDocs, replyCommandInfo } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { refuse, syntaxError } from './refusals.ts';

function all({ reply, server }: CommandContext): void {
  reply.array(server.commands.size);
  for (const entry of server.commands) replyCommandInfo(reply, entry);
}

function info(context: CommandContext): void {
  const { args, reply, server } = context;
  if (args.count === 2) {
    all(context);
    return;
  }
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const entry = server.commands.findFullName(args.text(i));
    if (entry === undefined) reply.null();
    else replyCommandInfo(reply, entry);
  }
}

function docs({ args, reply, server }: CommandContext): void {
  const asked = Array.from({ length: args.count - 2 }, (_, i) => server.commands.findFullName(args.text(i + 2)) ?? []);
  const entries = args.count === 2 ? [...server.commands] : asked.flat();
  reply.map(entries.length);
  for (const entry of entries) {
    reply.bulkText(entry.fullName);
    replyCommandDocs(reply, entry);
  }
}

/** A filter of COMMAND LIST by its kind. */
function filterOf(args: Args): (entry: CommandEntry) => boolean {
  if (args.count === 2) return () => true;
  if (args.count !== 5 || args.word(2) !== 'FILTERBY') throw syntaxError();
  const value = args.text(4);
  switch (args.word(3)) {
    case 'MODULE':
      return () => false;
    case 'ACLCAT':
      return (entry) => categoriesOf(entry).includes(value.toLowerCase());
    case 'PATTERN': {
      const glob = patternOf(args.range(4));
      return (entry) => glob === null || glob.matchesText(entry.fullName);
    }
    default:
      throw syntaxError();
  }
}

function list({ args, reply, server }: CommandContext): void {
  const filter = filterOf(args);
  const entries = [...server.commands].flatMap((entry) => {
    // Subcommands are only named where something particular is looked for, as in Redis.
    const candidates = args.count === 2 ? [entry] : [entry, ...(entry.subcommands ?? [])];
    return candidates.filter(filter);
  });
  reply.array(entries.length);
  for (const entry of entries) reply.bulkText(entry.fullName);
}

function entryAt({ args, server }: CommandContext, offset: number): CommandEntry {
  const entry = server.commands.find(args.range(offset));
  const subcommands = entry?.subcommands ?? null;
  const found = subcommands === null || args.count <= offset + 1 ? entry : subcommands.find(args.range(offset + 1));
  if (found === undefined) throw refuse('Invalid command specified');
  return found;
}

function getKeys(context: CommandContext): void {
  const { args, reply } = context;
  const entry = entryAt(context, 2);
  if (entry.spec.keys === undefined && !entry.flags.has('movablekeys')) {
    throw refuse('The command has no key arguments');
  }
  if (!entry.acceptsCount(args.count - 2)) throw refuse('Invalid number of arguments specified for command');
  const positions = keyPositions(entry, args, 2);
  if (positions === null || positions.length === 0) throw refuse('Invalid arguments specified for command');
  reply.array(positions.length);
  for (const position of positions) reply.bulk(args.range(position));
}

const flags: readonly CommandFlag[] = ['loading', 'stale'];

function row(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `command|${name}`, arity, flags, group: 'server', summary, run };
}

/** COMMAND. */
export const commandCommands: readonly CommandSpec[] = [
  {
    name: 'command',
    arity: -1,
    flags,
    group: 'server',
    summary: 'Get array of command details',
    run: all,
    subcommands: [
      row('count', 2, 'Get total number of commands', ({ reply, server }) => reply.integer(server.commands.size)),
      row('info', -2, 'Get array of specific command details, or all when no argument is given', info),
      row('docs', -2, 'Get array of specific command documentation', docs),
      row('list', -2, 'Get an array of command names', list),
      row('getkeys', -4, 'Extract keys given a full command', getKeys),
      helpOf('command', 'server', [
        '(no subcommand)',
        '    Return details about all commands.',
        'COUNT',
        '    Return the total number of commands in this server.',
        'LIST',
        '    Return a list of all commands in this server.',
        'INFO [<command-name> ...]',
        '    Return details about multiple commands.',
        '    If no command names are given, documentation details for all',
        '    commands are returned.',
        'DOCS [<command-name> ...]',
        '    Return documentation details about multiple commands.',
        'GETKEYS <full-command>',
        '    Return the keys from a full command.',
      ]),
    ],
  },
];
