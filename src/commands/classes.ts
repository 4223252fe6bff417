import { ByteRange } from '../base/bytes.ts';
import { conflictName } from '../classes/explain-class.ts';
import { CLASSES_FILE_CHARS_MAX } from '../classes/limits.ts';
import { KEYS_STAY, MovedKeys } from '../classes/moved-keys.ts';
import { readClasses } from '../classes/read-classes.ts';
import { utf8Latin1, utf8Text } from '../classes/utf8.ts';
import { CausewayError } from '../errors.ts';
import { classFigures, LOOKUPS_A_SAMPLE } from './class-figures.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { overLimit, refuse, wrongArity } from './refusals.ts';

const FIELDS = 6;
const SCAN_BUDGET = 10_000;

/** One class after the other, each as names and values by turns. */
function list({ node: { classes }, reply }: CommandContext): void {
  const keyClasses = classes.policy.classes;
  reply.array(keyClasses.length);
  for (const keyClass of keyClasses) {
    reply.array(FIELDS * 2);
    reply.bulkText('class');
    reply.bulkText(utf8Latin1(keyClass.name));
    reply.bulkText('patterns');
    reply.array(keyClass.patterns.length);
    for (const pattern of keyClass.patterns) reply.bulkText(utf8Latin1(pattern));
    reply.bulkText('consistency');
    reply.bulkText(keyClass.consistency);
    reply.bulkText('ttl-ms');
    if (keyClass.ttlMs === null) reply.null();
    else reply.integer(keyClass.ttlMs);
    reply.bulkText('conflict');
    reply.bulkText(conflictName(keyClass.conflict));
    reply.bulkText('writes');
    reply.integer(classes.writesOf(keyClass));
  }
}

/** FIGURES: how the keys of each class do here, as names and values by turns. Counts are estimates where there are many keys. */
function figures({ server, reply }: CommandContext): void {
  const classes = classFigures(server);
  reply.array(classes.length);
  for (const { name, keys, bytes, maxBytes, stubs, ageMs, changed, hits, misses } of classes) {
    const looked = hits + misses;
    const values: readonly [string, number | null][] = [
      ['keys', keys],
      ['bytes', bytes],
      ['bytes-max', maxBytes],
      ['evicted-values', stubs],
      ['age-ms', ageMs],
      ['changed-last-minute', changed],
      ['lookups', looked * LOOKUPS_A_SAMPLE],
      ['hits-percent', looked === 0 ? null : (hits / looked) * 100],
    ];
    reply.array((values.length + 1) * 2);
    reply.bulkText('class');
    reply.bulkText(utf8Latin1(name));
    for (const [field, value] of values) {
      reply.bulkText(field);
      if (value === null) reply.null();
      else reply.integer(Math.round(value));
    }
  }
}

/** CHECK and RELOAD: a line for each change that the text makes. */
function replace(context: CommandContext, isForced: boolean): void {
  const { args, node, reply } = context;
  const range = args.range(2);
  if (range.length > CLASSES_FILE_CHARS_MAX)
    throw overLimit('classes file is too long', 'classes-file-chars-max', CLASSES_FILE_CHARS_MAX);
  const text = utf8Text(range.toBytes());
  if (text === null) throw refuse('a classes file is a text in UTF-8');
  const changes = inUtf8(
    () => (isForced ? node.classes.reload(text) : node.classes.check(text).changes),
    () => movedText(context, text),
  );
  reply.array(changes.length);
  for (const change of changes) reply.bulkText(utf8Latin1(change));
}

/** What a refusal quotes of the file may be any text; `more` is in UTF-8 as replies take it. */
function inUtf8<T>(read: () => T, more: () => string): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CausewayError) throw refuse(utf8Latin1(error.message) + more());
    throw error;
  }
}

/** Keys here that a start with the text would be refused for. */
function movedText({ keys, node, nowMs }: CommandContext, text: string): string {
  const { policy } = readClasses(text);
  if (policy === null || !(policy.hasStrong || node.classes.policy.hasStrong)) return '';
  const moved = new MovedKeys();
  const key = new ByteRange();
  for (let cursor = 0; ;) {
    cursor = keys.scan(cursor, SCAN_BUDGET, nowMs, (slot) => {
      keys.keyInto(slot, key);
      const name = key.toLatin1();
      moved.note(name, node.classes.ownerOf(name), policy.classOfText(name).strong?.group ?? null);
    });
    if (cursor === 0) break;
  }
  return moved.text === '' ? '' : `. At this node ${moved.text}: ${KEYS_STAY}`;
}

function explain({ args, node, reply }: CommandContext): void {
  const lines = node.classes.explain(args.range(2));
  reply.array(lines.length * 2);
  for (const line of lines) for (const text of line) reply.bulkText(text);
}

function run(context: CommandContext): void {
  const { args } = context;
  if (args.count === 1) return list(context);
  const word = args.word(1);
  if (word === 'FIGURES' && args.count === 2) return figures(context);
  const isKnown = word === 'FIGURES' || word === 'CHECK' || word === 'RELOAD' || word === 'EXPLAIN';
  if (!isKnown)
    throw refuse("unknown subcommand of 'cw.classes'; there are CHECK text, RELOAD text, EXPLAIN key and FIGURES");
  if (args.count !== 3 || word === 'FIGURES') throw wrongArity(`cw.classes|${word.toLowerCase()}`);
  if (word === 'EXPLAIN') explain(context);
  else replace(context, word === 'RELOAD');
}

/** What is promised for which keys at this node. */
export const classesCommands: readonly CommandSpec[] = [
  {
    name: 'cw.classes',
    arity: -1,
    flags: ['admin', 'loading', 'stale'],
    group: 'causeway',
    summary:
      'The classes of keys; CHECK and RELOAD take the text of a classes file, EXPLAIN a key, FIGURES tells how they do',
    run,
  },
];
