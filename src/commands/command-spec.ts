import type { Args, CommandContext } from './context.ts';

export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'skip_slowlog'
  | 'skip_monitor'
  | 'movablekeys'
  | 'allow_busy'
  /** Writes to the stream of transactions, not to the keyspace: PUBLISH. COMMAND does not show it. */
  | 'may_replicate';

export type CommandGroup =
  | 'string'
  | 'hash'
  | 'set'
  | 'generic'
  | 'connection'
  | 'server'
  | 'pubsub'
  | 'transactions'
  | 'scripting'
  | 'json'
  | 'causeway';

/**
 * One row of the command table; everything that is said of a command anywhere (COMMAND, COMMAND DOCS, arity errors, key
 * extraction, help) comes from its row.
 */
export interface CommandSpec {
  /** Lower case; a subcommand's is `parent|sub`. */
  readonly name: string;
  /** Redis's arity: the exact number of arguments with the name, or the negative of the least. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** Positions of the keys: first, last (negative from the end), step; absent when there are none. */
  readonly keys?: readonly [first: number, last: number, step: number];
  readonly group: CommandGroup;
  readonly summary: string;
  /** Writes exactly one reply, or throws a CausewayError before the first update. */
  readonly run: (context: CommandContext) => void;
  /** What a request costs beyond its bytes, for what an open MULTI may cost as a whole. */
  readonly patternsOf?: (args: Args) => number;
  readonly subcommands?: readonly CommandSpec[];
}

type OneKeyRow = (
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  summary: string,
  run: CommandSpec['run'],
) => CommandSpec;

/** Makes rows of a group whose commands have one key, the first argument; `prefix` is put before their names. */
export function oneKeyRows(group: CommandGroup, prefix = ''): OneKeyRow {
  return (name, arity, flags, summary, run) => {
    return { name: `${prefix}${name}`, arity, flags, keys: [1, 1, 1], group, summary, run };
  };
}
