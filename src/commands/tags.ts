import { ByteRange, latin1Range } from '../base/bytes.ts';
import { SCAN_COUNT_MAX } from '../base/limits.ts';
import { linkSet } from '../keyspace/key-links.ts';
import { oneKeyRows, type CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import {
  addLink,
  checkRoom,
  isThere,
  linkedKey,
  linkMembersOf,
  removeLink,
  replyTexts,
  type LinkEnd,
} from './key-links.ts';
import { KEY_TAGS_MAX, TAG_BYTES_MAX, TAG_KEYS_MAX } from '../base/link-limits.ts';
import { clamped, integerArgumentWithin, positiveArgument } from './numbers.ts';
import { overLimit, refuse, syntaxError } from './refusals.ts';

const COUNT_DEFAULT = 10;

export function tagArgument(args: Args, index: number): string {
  const tag = args.text(index);
  if (tag === '') throw refuse('a tag is not empty');
  if (tag.length > TAG_BYTES_MAX) throw overLimit('tag is too long', 'tag-bytes-max', TAG_BYTES_MAX);
  return tag;
}

/** Where the link of a key and a tag stands. */
export const tagEnds = (key: string, tag: string): readonly [LinkEnd, LinkEnd] => [
  { kind: 'tags', name: key, member: tag, max: KEY_TAGS_MAX },
  { kind: 'tagged', name: tag, member: key, max: TAG_KEYS_MAX },
];

/** CW.TAG key tag [tag …]: how many are new; nil where the key is not there. */
function addTags(context: CommandContext): void {
  const { args, reply } = context;
  const tags = Array.from({ length: args.count - 2 }, (_, at) => tagArgument(args, at + 2));
  const key = linkedKey(context, 1);
  if (key === null) return reply.null();
  const ends = tags.map((name) => tagEnds(key, name));
  checkRoom(context, ends.flat());
  let added = 0;
  for (const [ofKey, ofTag] of ends) {
    if (addLink(context, ofKey)) added++;
    addLink(context, ofTag);
  }
  reply.integer(added);
}

/** CW.UNTAG key [tag …]: how many went; all of them where none is named. */
function untag(context: CommandContext): void {
  const { args, reply } = context;
  const key = args.text(1);
  const tags =
    args.count === 2
      ? linkMembersOf(context, 'tags', key)
      : Array.from({ length: args.count - 2 }, (_, at) => args.text(at + 2));
  let removed = 0;
  for (const name of tags) {
    const [ofKey, ofTag] = tagEnds(key, name);
    if (removeLink(context, ofKey)) removed++;
    removeLink(context, ofTag);
  }
  reply.integer(removed);
}

/** CW.TAGS key: its tags, sorted; none where it is not there. */
function tagsOf(context: CommandContext): void {
  const key = context.args.text(1);
  replyTexts(context, isThere(context, key) ? linkMembersOf(context, 'tags', key) : []);
}

const member = new ByteRange();

/** CW.TAGGED tag [cursor [COUNT n]]: the next cursor and keys that are there, as SSCAN gives members. */
function keysTagged(context: CommandContext): void {
  const { args, keys, nowMs, reply } = context;
  const name = tagArgument(args, 1);
  const cursor = args.count > 2 ? Number(positiveArgument(args, 2, 'invalid cursor')) : 0;
  if (args.count === 4 || args.count > 5 || (args.count === 5 && args.word(3) !== 'COUNT')) throw syntaxError();
  const count =
    args.count === 5 ? clamped(integerArgumentWithin(args, 4, 1n, 2n ** 63n - 1n), SCAN_COUNT_MAX) : COUNT_DEFAULT;
  const set = linkSet(keys, 'tagged', name, nowMs);
  const size = set?.size ?? 0;
  const from = cursor === 0 ? size : Math.min(cursor, size);
  const to = Math.max(0, from - count);
  const found: string[] = [];
  // from the highest down: a removal moves the last one into the hole
  for (let at = from - 1; at >= to; at--) {
    set?.at(at, member);
    found.push(member.toLatin1());
  }
  const there = found.filter((key) => isThere(context, key));
  reply.array(2);
  reply.bulkText(String(to));
  reply.array(there.length);
  for (const key of there) reply.bulk(latin1Range(key));
}

const keyRow = oneKeyRows('causeway', 'cw.');

/** Tags of keys (SPEC I1). */
export const tagCommands: readonly CommandSpec[] = [
  keyRow('tag', -3, ['write', 'denyoom', 'fast'], 'Give a key that is there tags', addTags),
  keyRow('untag', -2, ['write', 'fast'], 'Take tags from a key, all where none is named', untag),
  keyRow('tags', 2, ['readonly', 'fast'], 'The tags of a key', tagsOf),
  {
    name: 'cw.tagged',
    arity: -2,
    flags: ['readonly'],
    group: 'causeway',
    summary: 'Incrementally iterate the keys that have a tag',
    run: keysTagged,
  },
];
