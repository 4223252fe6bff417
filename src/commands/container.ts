import { AssertionFailed } from '../base/assert.ts';
import type { CommandGroup, CommandSpec } from './command-spec.ts';

/** A command that only has subcommands: alone it has too few arguments, which its arity says. */
export function container(
  name: string,
  group: CommandGroup,
  summary: string,
  subcommands: readonly CommandSpec[],
): CommandSpec {
  return {
    name,
    arity: -2,
    flags: [],
    group,
    summary,
    subcommands,
    run: () => {
      throw new AssertionFailed(`${name} runs one of its subcommands`);
    },
  };
}
