import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { isWeak } from '../classes/key-class.ts';
import { linkKey, linkMembers, linkSet, type LinkKind } from '../keyspace/key-links.ts';
import type { CommandContext } from './context.ts';
import { exists } from './lookup.ts';
import { overLimit, refuse } from './refusals.ts';

/** One of the two sets that a link stands in: of what, what is in it, and how many of it there may be. */
export interface LinkEnd {
  readonly kind: LinkKind;
  readonly name: string;
  readonly member: string;
  readonly max: number;
}

/** Whether the links of a key can be written: null where the key is not there. Throws for keys that have none. */
export function linkedKey({ args, keys, node, nowMs }: CommandContext, index: number): string | null {
  const key = args.range(index);
  if (isWeak(node.classes.policy.classOf(key)))
    throw refuse('keys of a class of consistency weak stay on their node: they have no tags and no dependencies');
  return keys.find(key, keys.hashOf(key), nowMs) < 0 ? null : key.toLatin1();
}

/** Throws where a set would become too large. */
export function checkRoom(context: CommandContext, ends: readonly LinkEnd[]): void {
  const news = new Map<string, number>();
  for (const { kind, name, member, max } of ends) {
    const set = linkSet(context.keys, kind, name, context.nowMs);
    if (set?.has(latin1Range(member)) === true) continue;
    const id = linkKey(kind, name);
    const added = (news.get(id) ?? 0) + 1;
    news.set(id, added);
    if ((set?.size ?? 0) + added > max) throw overLimit(`too many ${TOO_MANY[kind]}`, `${kind}-max`, max);
  }
}

const TOO_MANY: Readonly<Record<LinkKind, string>> = {
  tags: 'tags of a key',
  tagged: 'keys of a tag',
  dependencies: 'dependencies of a key',
  dependents: 'dependents of a key',
};

/** Puts a member into a link's set; says whether it is new. */
export function addLink({ keys, tx }: CommandContext, { kind, name, member }: LinkEnd): boolean {
  const key = latin1Range(linkKey(kind, name));
  return tx.setAdd(key, keys.hashOf(key), latin1Range(member));
}

/** Takes a member out of a link's set; says whether it was there. */
export function removeLink({ keys, nowMs, tx }: CommandContext, { kind, name, member }: LinkEnd): boolean {
  const range = latin1Range(member);
  if (linkSet(keys, kind, name, nowMs)?.has(range) !== true) return false;
  const key = latin1Range(linkKey(kind, name));
  tx.setRemove(key, keys.hashOf(key), range);
  return true;
}

export function replyTexts({ reply }: CommandContext, texts: readonly string[]): void {
  reply.array(texts.length);
  for (const text of texts) reply.bulkText(text);
}

export function linkMembersOf({ keys, nowMs }: CommandContext, kind: LinkKind, name: string): string[] {
  return linkMembers(keys, kind, name, nowMs);
}

/** Whether a key (latin1) shows something. */
export function isThere(context: CommandContext, key: string): boolean {
  const range: ByteRange = latin1Range(key);
  return exists(context, range, context.keys.hashOf(range));
}
