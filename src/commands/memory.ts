import { ByteRange } from '../base/bytes.ts';
import { formatJson } from '../crdt/document-json.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { integerArgument } from './numbers.ts';
import { syntaxError } from './refusals.ts';

/** Measured on Node 24: an entry of the keyspace with its dot and stamp, and an element of a hash or set, without their bytes. */
const ENTRY_BYTES = 200;
const ELEMENT_BYTES = 120;
const SAMPLES_DEFAULT = 5;

const first = new ByteRange();
const second = new ByteRange();

/** Elements looked at: `samples`, or all for 0. */
function meanElementBytes(size: number, samples: number, bytesAt: (index: number) => number): number {
  const count = samples === 0 ? size : Math.min(size, samples);
  if (count === 0) return 0;
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += bytesAt(i);
  return bytes / count + ELEMENT_BYTES;
}

function contentBytes({ keys }: CommandContext, slot: Slot, samples: number): number {
  switch (keys.typeOf(slot)) {
    case ContentType.Hash: {
      const hash = keys.hashAt(slot);
      const mean = meanElementBytes(hash.size, samples, (index) => {
        hash.at(index, first, second);
        return first.length + second.length;
      });
      return mean * hash.size;
    }
    case ContentType.Set: {
      const set = keys.setAt(slot);
      const mean = meanElementBytes(set.size, samples, (index) => {
        set.at(index, first);
        return first.length;
      });
      return mean * set.size;
    }
    case ContentType.Document:
      return formatJson(keys.documentAt(slot).toJson()).length;
    default:
      keys.stringInto(slot, first);
      return first.length;
  }
}

function usage(context: CommandContext): void {
  const { args, keys, nowMs, reply } = context;
  let samples = SAMPLES_DEFAULT;
  if (args.count === 5 && args.word(3) === 'SAMPLES') {
    const asked = integerArgument(args, 4);
    if (asked < 0n) throw syntaxError();
    samples = Number(asked);
  } else if (args.count !== 3) throw syntaxError();
  const key = args.range(2);
  const slot = keys.find(key, keys.hashOf(key), nowMs);
  if (slot === NO_SLOT) reply.null();
  else reply.integer(Math.round(ENTRY_BYTES + key.length + contentBytes(context, slot, samples)));
}

/** MEMORY. */
export const memoryCommands: readonly CommandSpec[] = [
  container('memory', 'server', 'A container for memory diagnostics commands', [
    {
      name: 'memory|usage',
      arity: -3,
      flags: ['readonly'],
      keys: [2, 2, 1],
      group: 'server',
      summary: 'Estimate the memory usage of a key',
      run: usage,
    },
    helpOf('memory', 'server', [
      'USAGE <key> [SAMPLES <count>]',
      '    Return memory in bytes used by <key> and its value. Nested values are',
      '    sampled up to <count> times (default: 5, 0 means sample all).',
    ]),
  ]),
];
