import { isSystemKey } from '../base/system-keys.ts';
import type { CausewayError } from '../errors.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';
import { refuse } from './refusals.ts';

/** Whether some key of a request may be the product's own, by its first byte alone. Of commands that say in their row where their keys are. */
export function mayNameSystemKey({ spec }: CommandEntry, args: Args): boolean {
  if (spec.keys === undefined) return false;
  const [first, last, step] = spec.keys;
  if (first === last) return beginsWithZero(args, first);
  const end = last < 0 ? args.count + last : last;
  for (let at = first; at <= end && at < args.count; at += step) if (beginsWithZero(args, at)) return true;
  return false;
}

function beginsWithZero(args: Args, index: number): boolean {
  const { buf, start } = args.range(index);
  return buf[start] === 0;
}

/** Whether a request names a key that is the product's own: nobody's but its own code's (SPEC C8). */
export function namesSystemKey(entry: CommandEntry, args: Args): boolean {
  if (entry.spec.keys !== undefined && !mayNameSystemKey(entry, args)) return false;
  return keyPositions(entry, args, 0)?.some((position) => isSystemKey(args.range(position))) === true;
}

export function refuseSystemKey(): CausewayError {
  return refuse("keys that begin with the bytes '\\0cw:' are Causeway's own");
}
