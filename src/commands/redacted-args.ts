import { type ByteRange, latin1Range } from '../base/bytes.ts';
import type { CommandEntry } from './command-index.ts';
import type { Args } from './context.ts';

const REDACTED: ByteRange = latin1Range('(redacted)');

/** A request with some of its arguments hidden. */
class RedactedArgs implements Args {
  readonly count: number;
  readonly keyHash = 0;
  readonly #args: Args;
  readonly #hidden: ReadonlySet<number>;

  constructor(args: Args, hidden: ReadonlySet<number>) {
    this.count = args.count;
    this.#args = args;
    this.#hidden = hidden;
  }

  range(index: number): ByteRange {
    return this.#hidden.has(index) ? REDACTED : this.#args.range(index);
  }

  text(index: number): string {
    return this.#hidden.has(index) ? REDACTED.toLatin1() : this.#args.text(index);
  }

  word(index: number): string {
    return this.#hidden.has(index) ? REDACTED.toLatin1() : this.#args.word(index);
  }
}

/** A request as MONITOR and SLOWLOG may show it: without user names and passwords. */
export function withoutSecrets(entry: CommandEntry, args: Args): Args {
  const hidden = hiddenOf(entry.fullName, args);
  return hidden.size === 0 ? args : new RedactedArgs(args, hidden);
}

const NONE: ReadonlySet<number> = new Set();

function hiddenOf(fullName: string, args: Args): ReadonlySet<number> {
  switch (fullName) {
    case 'auth':
      return new Set(Array.from({ length: args.count - 1 }, (_, i) => i + 1));
    case 'hello':
      return afterWord(args, 2, 1, 'AUTH', 2);
    case 'config|set':
      return afterWord(args, 2, 2, 'REQUIREPASS', 1);
    default:
      return NONE;
  }
}

/** The places of the `length` arguments after each `word`, which is looked for from `first` on in steps of `step`. */
function afterWord(args: Args, first: number, step: number, word: string, length: number): ReadonlySet<number> {
  const hidden = new Set<number>();
  for (let i = first; i < args.count; i += step) {
    if (args.word(i) !== word) continue;
    for (let at = i + 1; at <= i + length && at < args.count; at++) hidden.add(at);
  }
  return hidden;
}
