import { ByteRange } from '../base/bytes.ts';
import { LCS_CELLS_MAX } from '../base/limits.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Args, CommandContext, Reply } from './context.ts';
import { HeldBytes, lookupForRead } from './lookup.ts';
import { clamped, integerArgument } from './numbers.ts';
import { overLimit, refuse, syntaxError } from './refusals.ts';

interface LcsOptions {
  lengthOnly: boolean;
  indexes: boolean;
  withMatchLength: boolean;
  matchLengthMin: number;
}

/** A stretch of bytes that both strings have, by inclusive positions. */
interface Match {
  readonly leftStart: number;
  readonly leftEnd: number;
  readonly rightStart: number;
  readonly rightEnd: number;
}

function parseOptions(args: Args): LcsOptions {
  const options = { lengthOnly: false, indexes: false, withMatchLength: false, matchLengthMin: 0 };
  for (let index = 3; index < args.count; index++) {
    const word = args.word(index);
    if (word === 'IDX') options.indexes = true;
    else if (word === 'LEN') options.lengthOnly = true;
    else if (word === 'WITHMATCHLEN') options.withMatchLength = true;
    else if (word === 'MINMATCHLEN' && index + 1 < args.count) {
      options.matchLengthMin = Math.max(0, clamped(integerArgument(args, ++index), Number.MAX_SAFE_INTEGER));
    } else throw syntaxError();
  }
  if (options.lengthOnly && options.indexes) {
    throw refuse('If you want both the length and indexes, please just use IDX.');
  }
  return options;
}

/**
 * The longest common subsequence of two strings by the table of the lengths for all pairs of prefixes (Wagner and Fischer,
 * "The String-to-String Correction Problem", 1974); ties are broken as Redis does, so that the ranges are the same.
 */
class LcsTable {
  readonly #left: ByteRange;
  readonly #right: ByteRange;
  readonly #width: number;
  readonly #cells: Uint32Array;

  constructor(left: ByteRange, right: ByteRange) {
    this.#left = left;
    this.#right = right;
    this.#width = right.length + 1;
    this.#cells = new Uint32Array((left.length + 1) * this.#width);
    const cells = this.#cells;
    const width = this.#width;
    for (let i = 1; i <= left.length; i++) {
      const byte = left.buf[left.start + i - 1];
      const row = i * width;
      for (let j = 1; j < width; j++) {
        cells[row + j] =
          byte === right.buf[right.start + j - 1]
            ? (cells[row - width + j - 1] as number) + 1
            : Math.max(cells[row - width + j] as number, cells[row + j - 1] as number);
      }
    }
  }

  get length(): number {
    return this.#cells[this.#cells.length - 1] as number;
  }

  /** Walks from the ends back to the starts and tells every pair of equal bytes and every step that was not one. */
  #walk(visit: (i: number, j: number, equal: boolean) => void): void {
    const [left, right] = [this.#left, this.#right];
    let i = left.length;
    let j = right.length;
    while (i > 0 && j > 0) {
      const equal = left.buf[left.start + i - 1] === right.buf[right.start + j - 1];
      visit(i - 1, j - 1, equal);
      if (equal) {
        i--;
        j--;
      } else if (
        (this.#cells[(i - 1) * this.#width + j] as number) > (this.#cells[i * this.#width + j - 1] as number)
      ) {
        i--;
      } else {
        j--;
      }
    }
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = bytes.length;
    this.#walk((i, _j, equal) => {
      if (equal) bytes[--at] = this.#left.buf[this.#left.start + i] as number;
    });
    return bytes;
  }

  /** The stretches, the last first. */
  matches(): Match[] {
    const matches: Match[] = [];
    let open: { leftStart: number; leftEnd: number; rightStart: number; rightEnd: number } | null = null;
    const close = (): void => {
      if (open !== null) matches.push(open);
      open = null;
    };
    this.#walk((i, j, equal) => {
      if (!equal) {
        close();
        return;
      }
      if (open === null) open = { leftStart: i, leftEnd: i, rightStart: j, rightEnd: j };
      else {
        open.leftStart = i;
        open.rightStart = j;
      }
      // the walk ends where one of the strings does
      if (i === 0 || j === 0) close();
    });
    return matches;
  }
}

function replyMatches(reply: Reply, table: LcsTable, options: LcsOptions): void {
  const matches = table.matches().filter((match) => match.leftEnd - match.leftStart + 1 >= options.matchLengthMin);
  reply.map(2);
  reply.bulkText('matches');
  reply.array(matches.length);
  for (const match of matches) {
    reply.array(options.withMatchLength ? 3 : 2);
    reply.array(2);
    reply.integer(match.leftStart);
    reply.integer(match.leftEnd);
    reply.array(2);
    reply.integer(match.rightStart);
    reply.integer(match.rightEnd);
    if (options.withMatchLength) reply.integer(match.leftEnd - match.leftStart + 1);
  }
  reply.bulkText('len');
  reply.integer(table.length);
}

/** The string of a key held aside, because the second key's view may be in the same memory. Empty where there is none. */
function hold(context: CommandContext, index: number): ByteRange {
  const slot = lookupForRead(context, context.args.range(index));
  const view = new ByteRange();
  if (slot === NO_SLOT) return view;
  if (context.keys.typeOf(slot) !== ContentType.String) throw refuse('The specified keys must contain string values');
  context.keys.stringInto(slot, view);
  return new HeldBytes().hold(view);
}

function lcs(context: CommandContext): void {
  const { args, reply } = context;
  const left = hold(context, 1);
  const right = hold(context, 2);
  const options = parseOptions(args);
  const cells = (left.length + 1) * (right.length + 1);
  if (cells > LCS_CELLS_MAX) throw overLimit('the strings are too long for LCS', 'lcs-cells-max', LCS_CELLS_MAX);
  const table = new LcsTable(left, right);
  if (options.indexes) replyMatches(reply, table, options);
  else if (options.lengthOnly) reply.integer(table.length);
  else reply.bulk(new ByteRange(table.bytes()));
}

export const lcsCommands: readonly CommandSpec[] = [
  {
    name: 'lcs',
    arity: -3,
    flags: ['readonly'],
    keys: [1, 2, 1],
    group: 'string',
    summary: 'Find longest common substring',
    run: lcs,
  },
];
