import { NAMES_BYTES_MAX } from '../base/client-limits.ts';
import type { Args } from './context.ts';
import { overLimit } from './refusals.ts';

/** Names of one kind that are kept for a client. */
export interface KeptNames {
  readonly size: number;
  readonly chars: number;
}

/** Checks that a client may have the names of a request kept, all that come after the command's, beside those of it that are. Throws ERR where there are too many, or they are too long. */
export function checkKeptNames(
  args: Args,
  kept: readonly KeptNames[],
  what: string,
  most: readonly [limitName: string, limit: number],
): void {
  const count = args.count - 1;
  const size = kept.reduce((sum, each) => sum + each.size, count);
  if (size > most[1]) throw overLimit(`too many ${what}`, ...most);
  let bytes = kept.reduce((sum, { chars }) => sum + chars, 0);
  for (let at = 1; at <= count; at++) bytes += args.range(at).length;
  if (bytes > NAMES_BYTES_MAX)
    throw overLimit(`the names of ${what} are too long together`, 'names-bytes-max', NAMES_BYTES_MAX);
}
