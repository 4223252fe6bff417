import { latin1Range } from '../base/bytes.ts';
import { conflictName } from '../classes/explain-class.ts';
import { isWeak } from '../classes/key-class.ts';
import { utf8Latin1 } from '../classes/utf8.ts';
import { dotText } from '../clock/dot.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT, type KeptSibling, type KeptSiblings } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { lookupTypeForRead, lookupTypeForWrite } from './lookup.ts';
import { refuse, syntaxError } from './refusals.ts';

function dotOf({ node }: CommandContext, { dot }: KeptSibling): string {
  return dotText(dot.origin, dot.seq, node.names);
}

/** CW.SIBLINGS key: the rule, what shows, and all that it is made of, latest first. */
function siblings(context: CommandContext): void {
  const { args, keys, node, reply } = context;
  const key = args.range(1);
  const slot = lookupTypeForRead(context, key, ContentType.String);
  const kept = slot === NO_SLOT ? null : keys.siblingsAt(slot);
  const keyClass = node.classes.policy.classOf(key);
  reply.map(4);
  reply.bulkText('rule');
  reply.bulkText(isWeak(keyClass) ? 'none' : utf8Latin1(conflictName(keyClass.conflict)));
  reply.bulkText('view');
  if (kept === null) reply.null();
  else reply.bulkText(kept.shown.text);
  reply.bulkText('siblings');
  const latestFirst = kept?.siblings.toReversed() ?? [];
  reply.array(latestFirst.length);
  for (const sibling of latestFirst) {
    reply.array(4);
    reply.bulkText(sibling.value);
    reply.bulkText(dotOf(context, sibling));
    reply.integer(sibling.stampMs);
    if (sibling.expiryMs === Infinity) reply.null();
    else reply.integer(sibling.expiryMs);
  }
  reply.bulkText('error');
  const error = kept?.shown.error ?? null;
  if (error === null) reply.null();
  else reply.bulkText(utf8Latin1(error));
}

/** The siblings are others than the caller has seen. */
function changed(context: CommandContext, kept: KeptSiblings, what: string): CausewayError {
  const dots = kept.siblings.toReversed().map((sibling) => dotOf(context, sibling));
  return new CausewayError('CHANGED', `${what}; the key has ${dots.join(' ')}`);
}

/** Refuses what was asked of other siblings than there are: `first` is the place of the first dot named. */
function requireSiblings(context: CommandContext, kept: KeptSiblings, first: number): void {
  const { args } = context;
  const named = new Set<string>();
  for (let at = first; at < args.count; at++) named.add(args.text(at));
  const are = kept.siblings.map((sibling) => dotOf(context, sibling));
  if (are.length === named.size && are.every((dot) => named.has(dot))) return;
  throw changed(context, kept, 'the siblings are not those named');
}

/** CW.RESOLVE key VALUE value | PICK dot | VIEW [IF dot [dot …]]: one write that has seen all siblings, with the expiry that the key shows. */
function resolve(context: CommandContext): void {
  const { args, keys, reply, tx } = context;
  const key = args.range(1);
  const how = args.word(2);
  if (how !== 'VALUE' && how !== 'PICK' && how !== 'VIEW') throw syntaxError();
  const end = how === 'VIEW' ? 3 : 4;
  if (args.count < end) throw syntaxError();
  if (args.count > end && (args.word(end) !== 'IF' || args.count === end + 1)) throw syntaxError();
  // inside EXEC nobody has looked at the key before
  if (context.node.classes.policy.classOf(key).strong !== undefined) {
    throw new CausewayError('CROSSCLASS', 'cw.resolve is not for strong keys: they have no siblings');
  }
  const hash = keys.hashOf(key);
  const slot = lookupTypeForWrite(context, key, hash, ContentType.String);
  if (slot === NO_SLOT) throw refuse('no such key');
  const kept = keys.siblingsAt(slot);
  if (args.count > end) requireSiblings(context, kept, end + 1);
  let value = kept.shown.text;
  if (how === 'PICK') {
    const picked = kept.siblings.find((sibling) => dotOf(context, sibling) === args.text(3));
    if (picked === undefined) throw changed(context, kept, 'the sibling is not there');
    value = picked.value;
  }
  // of one sibling there is nothing to end: another write would only be another one that may be concurrent
  if (how === 'VALUE') tx.setKeepingExpiry(key, hash, args.range(3));
  else if (kept.siblings.length > 1) tx.setKeepingExpiry(key, hash, latin1Range(value));
  else return reply.ok();
  context.notify('$', 'set', key);
  reply.ok();
}

/** What a string has of concurrent writes, and the end of that. */
export const siblingCommands: readonly CommandSpec[] = [
  {
    name: 'cw.siblings',
    arity: 2,
    flags: ['readonly'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'The concurrent writes of a string that are kept, latest first, the rule, and what shows of them',
    run: siblings,
  },
  {
    name: 'cw.resolve',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, 1, 1],
    group: 'string',
    summary: 'End the concurrent writes of a string by VALUE value, PICK dot or VIEW, IF they are those named',
    run: resolve,
  },
];
