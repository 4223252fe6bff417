import { utf8Latin1 } from '../classes/utf8.ts';
import { dotText } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import { CONFLICTS_MAX, type ConflictRecord, type CutText, type RecordedSide } from '../keyspace/conflict-log.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { typeNames } from './generic.ts';
import { integerArgumentWithin } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

const COUNT_DEFAULT = 10;

interface Wanted {
  readonly count: number;
  readonly passes: (record: ConflictRecord) => boolean;
}

/** [COUNT n] [CLASS name] [KEY key] in any order. */
function wanted({ args, node }: CommandContext): Wanted {
  let count = COUNT_DEFAULT;
  let className: string | null = null;
  let key: string | null = null;
  for (let at = 1; at < args.count; at += 2) {
    if (at + 1 === args.count) throw syntaxError();
    const word = args.word(at);
    if (word === 'COUNT') count = Number(integerArgumentWithin(args, at + 1, 1n, BigInt(CONFLICTS_MAX)));
    else if (word === 'CLASS') className = args.text(at + 1);
    else if (word === 'KEY') key = args.range(at + 1).toLatin1();
    else throw syntaxError();
  }
  const isKnown = node.classes.policy.classes.some(({ name }) => utf8Latin1(name) === className);
  if (className !== null && !isKnown) throw refuse(`no class '${className}'; CW.CLASSES lists them`);
  return {
    count,
    passes: (record) =>
      (className === null || utf8Latin1(record.className) === className) && (key === null || record.key === key),
  };
}

function replyText({ reply }: CommandContext, value: CutText | null): void {
  if (value === null) reply.null();
  else reply.bulkText(value.text);
}

function replySide(context: CommandContext, { type, value, origin, seq }: RecordedSide): void {
  const { node, reply } = context;
  reply.map(4);
  reply.bulkText('type');
  reply.bulkText(typeNames[type]);
  reply.bulkText('value');
  replyText(context, value);
  reply.bulkText('length');
  if (value === null) reply.null();
  else reply.integer(value.lengthBytes);
  reply.bulkText('dot');
  reply.bulkText(dotText(origin as Origin, seq, node.names));
}

function replyConflict(context: CommandContext, record: ConflictRecord): void {
  const { reply } = context;
  reply.map(8);
  reply.bulkText('time-ms');
  reply.integer(record.atMs);
  reply.bulkText('key');
  reply.bulkText(record.key);
  reply.bulkText('class');
  reply.bulkText(utf8Latin1(record.className));
  reply.bulkText('kind');
  reply.bulkText(record.kind);
  reply.bulkText('field');
  replyText(context, record.field);
  reply.bulkText('rule');
  reply.bulkText(utf8Latin1(record.rule));
  reply.bulkText('kept');
  replySide(context, record.kept);
  reply.bulkText('other');
  replySide(context, record.other);
}

function run(context: CommandContext): void {
  const { args, node, reply } = context;
  if (args.count === 2 && args.word(1) === 'RESET') {
    node.conflicts.reset();
    return reply.ok();
  }
  const { count, passes } = wanted(context);
  const records = node.conflicts.latest(count, passes);
  reply.array(records.length);
  for (const record of records) replyConflict(context, record);
}

/** Concurrent writes that this node met. It shows values of any key, so it is for administrators. */
export const conflictsCommands: readonly CommandSpec[] = [
  {
    name: 'cw.conflicts',
    arity: -1,
    flags: ['admin', 'loading', 'stale'],
    group: 'causeway',
    summary: 'Concurrent writes of the same thing that this node met, latest first; RESET forgets them',
    run,
  },
];
