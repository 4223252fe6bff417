import type { CommandFlag, CommandGroup, CommandSpec } from './command-spec.ts';

/** The HELP subcommand of a container: `lines` are forms followed by indented explanations. */
export function helpOf(
  container: string,
  group: CommandGroup,
  lines: readonly string[],
  flags: readonly CommandFlag[] = ['loading', 'stale'],
): CommandSpec {
  const all = [
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines,
    'HELP',
    '    Prints this help.',
  ];
  return {
    name: `${container}|help`,
    arity: 2,
    flags,
    group,
    summary: 'Show helpful text about the different subcommands',
    run: ({ reply }) => {
      reply.array(all.length);
      for (const line of all) reply.simple(line);
    },
  };
}
