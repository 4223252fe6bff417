import type { CommandEntry } from './command-index.ts';
import type { CommandFlag } from './command-spec.ts';
import type { Args, Reply } from './context.ts';

/** What COMMAND does not show. */
const HIDDEN_FLAGS: ReadonlySet<CommandFlag> = new Set(['may_replicate']);

/** The ACL categories that the flags and the group mean. */
export function categoriesOf({ flags, spec }: CommandEntry): string[] {
  const categories: string[] = [];
  if (flags.has('write')) categories.push('write');
  if (flags.has('readonly')) categories.push('read');
  if (spec.group === 'string' || spec.group === 'hash' || spec.group === 'set') categories.push(spec.group);
  if (spec.group === 'generic' && spec.keys !== undefined) categories.push('keyspace');
  if (spec.group === 'connection') categories.push('connection');
  if (spec.group === 'transactions') categories.push('transaction');
  if (flags.has('pubsub')) categories.push('pubsub');
  if (flags.has('blocking')) categories.push('blocking');
  if (flags.has('admin')) categories.push('admin', 'dangerous');
  categories.push(flags.has('fast') ? 'fast' : 'slow');
  return categories;
}

/** One element of COMMAND and COMMAND INFO. */
export function replyCommandInfo(reply: Reply, entry: CommandEntry): void {
  const { flags, spec, subcommands } = entry;
  const [first, last, step] = spec.keys ?? [0, 0, 0];
  reply.array(10);
  reply.bulkText(entry.fullName);
  reply.integer(spec.arity);
  const shown = [...flags].filter((flag) => !HIDDEN_FLAGS.has(flag));
  reply.set(shown.length);
  for (const flag of shown) reply.simple(flag);
  reply.integer(first);
  reply.integer(last);
  reply.integer(step);
  const categories = categoriesOf(entry);
  reply.set(categories.length);
  for (const category of categories) reply.simple(`@${category}`);
  reply.set(0);
  replyKeySpecs(reply, entry);
  reply.set(subcommands?.size ?? 0);
  if (subcommands !== null) for (const subcommand of subcommands) replyCommandInfo(reply, subcommand);
}

function replyKeySpecs(reply: Reply, { spec, writes }: CommandEntry): void {
  if (spec.keys === undefined) {
    reply.set(0);
    return;
  }
  const [first, last, step] = spec.keys;
  reply.set(1);
  reply.map(3);
  reply.bulkText('flags');
  reply.set(1);
  reply.simple(writes ? 'RW' : 'RO');
  reply.bulkText('begin_search');
  reply.map(2);
  reply.bulkText('type');
  reply.bulkText('index');
  reply.bulkText('spec');
  reply.map(1);
  reply.bulkText('index');
  reply.integer(first);
  reply.bulkText('find_keys');
  reply.map(2);
  reply.bulkText('type');
  reply.bulkText('range');
  reply.bulkText('spec');
  reply.map(3);
  reply.bulkText('lastkey');
  // Counted from the first key where it is not counted from the end.
  reply.integer(last < 0 ? last : last - first);
  reply.bulkText('keystep');
  reply.integer(step);
  reply.bulkText('limit');
  reply.integer(0);
}

/** One value of COMMAND DOCS. */
export function replyCommandDocs(reply: Reply, { spec, subcommands }: CommandEntry): void {
  reply.map(subcommands === null ? 2 : 3);
  reply.bulkText('summary');
  reply.bulkText(spec.summary);
  reply.bulkText('group');
  reply.bulkText(spec.group);
  if (subcommands === null) return;
  reply.bulkText('subcommands');
  reply.map(subcommands.size);
  for (const subcommand of subcommands) {
    reply.bulkText(subcommand.fullName);
    replyCommandDocs(reply, subcommand);
  }
}

/**
 * Positions of the keys of a request whose command is argument `offset`. A row with `movablekeys` has their number in
 * front of them, at its first argument. Null when the arguments do not say where the keys are.
 */
export function keyPositions({ flags, spec }: CommandEntry, args: Args, offset: number): number[] | null {
  const count = args.count - offset;
  const positions: number[] = [];
  if (spec.keys === undefined) {
    if (!flags.has('movablekeys')) return [];
    const keyCount = Number(args.text(offset + 1));
    if (!Number.isInteger(keyCount) || keyCount < 1 || keyCount > count - 2) return null;
    for (let i = 0; i < keyCount; i++) positions.push(offset + 2 + i);
    return positions;
  }
  const [first, last, step] = spec.keys;
  const end = last < 0 ? count + last : last;
  for (let at = first; at <= end && at < count; at += step) positions.push(offset + at);
  return positions;
}
