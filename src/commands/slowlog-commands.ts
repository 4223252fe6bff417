import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { clamped, integerArgument } from './numbers.ts';
import { refuse } from './refusals.ts';
import { subcommandSyntax } from './request-errors.ts';

const COUNT_DEFAULT = 10;

function slowlogGet({ args, reply, server }: CommandContext): void {
  if (args.count > 3) throw subcommandSyntax(args);
  const message = 'count should be greater than or equal to -1';
  const count = args.count === 3 ? clamped(integerArgument(args, 2, message), 2 ** 31) : COUNT_DEFAULT;
  if (count < -1) throw refuse(message);
  const entries = server.slowlog.newest(count === -1 ? Infinity : count);
  reply.array(entries.length);
  for (const entry of entries) {
    reply.array(6);
    reply.integer(entry.id);
    reply.integer(entry.atSeconds);
    reply.integer(entry.durationUsec);
    reply.array(entry.args.length);
    for (const arg of entry.args) reply.bulkText(arg);
    reply.bulkText(entry.clientAddress);
    reply.bulkText(entry.clientName);
  }
}

const flags: readonly CommandFlag[] = ['admin', 'loading', 'stale'];

/** SLOWLOG. */
export const slowlogCommands: readonly CommandSpec[] = [
  container('slowlog', 'server', 'A container for slow log commands', [
    { name: 'slowlog|get', arity: -2, flags, group: 'server', summary: "Get the slow log's entries", run: slowlogGet },
    {
      name: 'slowlog|len',
      arity: 2,
      flags,
      group: 'server',
      summary: "Get the slow log's length",
      run: ({ reply, server }) => reply.integer(server.slowlog.length),
    },
    {
      name: 'slowlog|reset',
      arity: 2,
      flags,
      group: 'server',
      summary: 'Clear all entries from the slow log',
      run: ({ reply, server }) => {
        server.slowlog.reset();
        reply.ok();
      },
    },
    helpOf('slowlog', 'server', [
      'GET [<count>]',
      '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
      '    Entries are made of:',
      '    id, timestamp, time in microseconds, arguments array, client IP and port,',
      '    client name',
      'LEN',
      '    Return the length of the slowlog.',
      'RESET',
      '    Reset the slowlog.',
    ]),
  ]),
];
