import type { CommandEntry } from './command-index.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';

function histogram({ args, reply, server }: CommandContext): void {
  const asked =
    args.count === 2
      ? [...server.commands]
      : Array.from({ length: args.count - 2 }, (_, i) => server.commands.findFullName(args.text(i + 2)) ?? []).flat();
  const entries = asked.flatMap((entry): CommandEntry[] => [entry, ...(entry.subcommands ?? [])]);
  const used = [...new Set(entries)].filter((entry) => entry.latency.count > 0);
  reply.map(used.length);
  for (const { fullName, latency } of used) {
    reply.bulkText(fullName);
    reply.map(2);
    reply.bulkText('calls');
    reply.integer(latency.count);
    reply.bulkText('histogram_usec');
    const rows = latency.cumulative().filter(({ belowUsec }) => Number.isFinite(belowUsec));
    reply.map(rows.length);
    for (const { belowUsec, count } of rows) {
      reply.integer(belowUsec);
      reply.integer(count);
    }
  }
}

const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

function row(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `latency|${name}`, arity, flags, group: 'server', summary, run };
}

/** LATENCY: histograms are kept; spikes are not recorded, so that there are none to show. */
export const latencyCommands: readonly CommandSpec[] = [
  container('latency', 'server', 'A container for latency diagnostics commands', [
    row('histogram', -2, 'The cumulative distribution of latencies of a subset of commands or all', histogram),
    row('latest', 2, 'The latest latency samples of all events; none are recorded', ({ reply }) => reply.array(0)),
    row('history', 3, 'Latency samples of one event; none are recorded', ({ reply }) => reply.array(0)),
    row('reset', -2, 'Reset latency data; none are recorded', ({ reply }) => reply.integer(0)),
    helpOf(
      'latency',
      'server',
      [
        'HISTOGRAM [COMMAND ...]',
        '    Return a cumulative distribution of latencies of commands.',
        'HISTORY <event>',
        '    Return time-latency samples for the <event> class; none are recorded.',
        'LATEST',
        '    Return the latest latency samples for all events; none are recorded.',
        'RESET [<event> ...]',
        '    Reset latency data of one or more <event> classes.',
      ],
      ['loading', 'stale'],
    ),
  ]),
];
