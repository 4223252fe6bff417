import { parseInteger } from '../base/decimal.ts';
import { ByteRange } from '../base/bytes.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';

/** The longest string that Redis embeds in its object. */
const EMBEDDED_BYTES_MAX = 44;

const bytes = new ByteRange();
const fieldBytes = new ByteRange();

function limit({ server }: CommandContext, name: string): number {
  return Number(server.parameters.get(name) ?? 0);
}

/** What Redis would call the encoding of a value like this one. Nothing here is encoded so: it is for programs that ask. */
function encodingOf(context: CommandContext, slot: Slot): string {
  const { keys } = context;
  switch (keys.typeOf(slot)) {
    case ContentType.Hash:
      return isSmallHash(context, slot) ? 'listpack' : 'hashtable';
    case ContentType.Set:
      return isSmallIntegerSet(context, slot) ? 'intset' : 'hashtable';
    case ContentType.Document:
      return 'raw';
    default:
      keys.stringInto(slot, bytes);
      if (parseInteger(bytes) !== null) return 'int';
      return bytes.length <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw';
  }
}

function isSmallHash(context: CommandContext, slot: Slot): boolean {
  const hash = context.keys.hashAt(slot);
  if (hash.size > limit(context, 'hash-max-listpack-entries')) return false;
  const bytesMax = limit(context, 'hash-max-listpack-value');
  for (let i = 0; i < hash.size; i++) {
    hash.at(i, fieldBytes, bytes);
    if (fieldBytes.length > bytesMax || bytes.length > bytesMax) return false;
  }
  return true;
}

function isSmallIntegerSet(context: CommandContext, slot: Slot): boolean {
  const set = context.keys.setAt(slot);
  if (set.size > limit(context, 'set-max-intset-entries')) return false;
  for (let i = 0; i < set.size; i++) {
    set.at(i, bytes);
    if (parseInteger(bytes) === null) return false;
  }
  return true;
}

/** Answers for the key at argument 2, null where there is none. */
function ofKey(answer: (context: CommandContext, slot: Slot) => void): CommandSpec['run'] {
  return (context) => {
    const key = context.args.range(2);
    const slot = context.keys.find(key, context.keys.hashOf(key), context.nowMs);
    if (slot === NO_SLOT) context.reply.null();
    else answer(context, slot);
  };
}

function row(name: string, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `object|${name}`, arity: 3, flags: ['readonly'], keys: [2, 2, 1], group: 'generic', summary, run };
}

/** OBJECT. */
export const objectCommands: readonly CommandSpec[] = [
  container('object', 'generic', 'A container for object introspection commands', [
    row(
      'encoding',
      'What Redis would call the encoding of the value',
      ofKey((context, slot) => context.reply.bulkText(encodingOf(context, slot))),
    ),
    row(
      'refcount',
      'The number of references to the value: always 1',
      ofKey(({ reply }) => reply.integer(1)),
    ),
    row(
      'idletime',
      'Seconds since the value was used last at this node',
      ofKey(({ reply, keys }, slot) => reply.integer(keys.access.idleSeconds(slot))),
    ),
    row(
      'freq',
      'How often the value was used of late at this node: 0 to 3',
      ofKey(({ reply, keys }, slot) => reply.integer(keys.access.uses(slot))),
    ),
    helpOf('object', 'generic', [
      'ENCODING <key>',
      '    Return the kind of internal representation used in order to store the value',
      '    associated with a <key>.',
      'FREQ <key>',
      '    Return how often the <key> was used of late at this node, from 0 to 3.',
      'IDLETIME <key>',
      '    Return the idle time of the <key> at this node, in seconds.',
      'REFCOUNT <key>',
      '    Return the number of references of the value associated with the specified',
      '    <key>.',
    ]),
  ]),
];
