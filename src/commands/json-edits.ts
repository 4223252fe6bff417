import { latin1Range } from '../base/bytes.ts';
import type { Operation, Place } from '../crdt/document-edits.ts';
import { formatJson, type Json } from '../crdt/document-json.ts';
import type { DocumentNode } from '../crdt/document.ts';
import type { JsonPath, Match } from '../crdt/json-path.ts';
import type { CommandContext } from './context.ts';
import {
  checkJsonText,
  checkOperations,
  documentToWrite,
  jsonArgument,
  matchesOf,
  noSuchDocument,
  noSuchPath,
  pathArgument,
} from './json-access.ts';
import { checkKey } from './lookup.ts';
import { integerArgument } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Writes the operations, if there are any, and tells of them. */
function edit(context: CommandContext, operations: readonly Operation[], event: string): void {
  if (operations.length === 0) return;
  checkOperations(operations);
  const key = context.args.range(1);
  context.tx.documentEdit(key, context.keys.hashOf(key), operations);
  context.notify('d', event, key);
}

function setRoot(context: CommandContext, value: Json, event: string): void {
  const key = context.args.range(1);
  checkKey(key);
  context.tx.documentSet(key, context.keys.hashOf(key), latin1Range(checkJsonText(formatJson(value))));
  context.notify('d', event, key);
}

/** Where a value goes at a path that matches nothing yet: a new member of every object that the path's parent matches. */
function newPlaces(path: JsonPath, root: DocumentNode): Place[] {
  if (!path.isStatic) throw refuse('wrong static path');
  const name = path.lastName;
  if (name === null) throw refuse('array index out of range');
  return matchesOf(path.parent, root).flatMap(({ node, place }) => (node.isObject ? [[...place, name]] : []));
}

type Condition = 'NX' | 'XX' | null;

function conditionOf({ args }: CommandContext): Condition {
  if (args.count === 4) return null;
  const word = args.word(4);
  if (args.count > 5 || (word !== 'NX' && word !== 'XX')) throw syntaxError();
  return word;
}

/** JSON.SET key path value [NX | XX] */
export function jsonSet(context: CommandContext): void {
  const { args, keys, reply } = context;
  const condition = conditionOf(context);
  const path = pathArgument(args, 2);
  const value = jsonArgument(args, 3);
  const root = documentToWrite(context, args.range(1), keys.hashOf(args.range(1)));
  if (root === null && condition === 'XX') return reply.null();
  if (root === null && !path.isRoot) throw refuse('new objects must be created at the root');
  if (root === null || path.isRoot) {
    if (root !== null && condition === 'NX') return reply.null();
    setRoot(context, value, 'json.set');
    return reply.ok();
  }
  const found: Place[] = matchesOf(path, root).map(({ place }) => place);
  const isRefused = found.length > 0 ? condition === 'NX' : condition === 'XX';
  const places = isRefused ? [] : found.length > 0 ? withoutInner(found) : newPlaces(path, root);
  edit(
    context,
    places.map((place) => ['set', place, value]),
    'json.set',
  );
  if (places.length === 0) reply.null();
  else reply.ok();
}

/** What JSON.MERGE (RFC 7396) does at a place. */
function mergeOperations(place: Place, node: DocumentNode | null, patch: Json): Operation[] {
  if (!(patch instanceof Map) || node === null || !node.isObject) return [['set', place, withoutNulls(patch)]];
  return [...patch].flatMap(([name, value]): Operation[] => {
    const member = node.member(name);
    if (value !== null) return mergeOperations([...place, name], member, value);
    return member === null ? [] : [['remove', [...place, name]]];
  });
}

function withoutNulls(patch: Json): Json {
  if (!(patch instanceof Map)) return patch;
  return new Map([...patch].flatMap(([name, value]) => (value === null ? [] : [[name, withoutNulls(value)] as const])));
}

/** JSON.MERGE key path value */
export function jsonMerge(context: CommandContext): void {
  const { args, keys, reply } = context;
  const path = pathArgument(args, 2);
  const patch = jsonArgument(args, 3);
  const root = documentToWrite(context, args.range(1), keys.hashOf(args.range(1)));
  if (root === null && !path.isRoot) throw refuse('new objects must be created at the root');
  if (root === null || (path.isRoot && !(patch instanceof Map && root.isObject))) {
    if (root !== null && path.isRoot && patch === null) throw refuse('a document cannot be merged away; use JSON.DEL');
    setRoot(context, withoutNulls(patch), 'json.merge');
    return reply.ok();
  }
  const found = withoutInnerMatches(matchesOf(path, root));
  const operations =
    found.length > 0
      ? found.flatMap(({ node, place }): Operation[] =>
          patch === null ? [['remove', place]] : mergeOperations(place, node, patch),
        )
      : patch === null
        ? []
        : newPlaces(path, root).map((place): Operation => ['set', place, withoutNulls(patch)]);
  edit(context, patch === null ? lastFirst(operations) : operations, 'json.merge');
  if (found.length === 0 && operations.length === 0) reply.null();
  else reply.ok();
}

/** JSON.DEL key [path], JSON.FORGET */
export function jsonDelete(context: CommandContext): void {
  const { args, keys, reply } = context;
  const key = args.range(1);
  const hash = keys.hashOf(key);
  if (args.count > 3) throw syntaxError();
  const path = pathArgument(args, 2);
  const root = documentToWrite(context, key, hash);
  if (root === null) return reply.integer(0);
  const places = withoutInner(matchesOf(path, root).map(({ place }) => place));
  if (places.some((place) => place.length === 0)) {
    context.tx.delete(key, hash);
    context.notify('d', 'json.del', key);
    return reply.integer(1);
  }
  edit(context, lastFirst(places.map((place): Operation => ['remove', place])), 'json.del');
  reply.integer(places.length);
}

/** Without the places that lie in others of them. */
function withoutInner(places: readonly Place[]): Place[] {
  const all = new Set(places.map((place) => JSON.stringify(place)));
  return places.filter((place) => !place.some((_, length) => all.has(JSON.stringify(place.slice(0, length)))));
}

function withoutInnerMatches(matches: readonly Match[]): Match[] {
  const kept = new Set(withoutInner(matches.map(({ place }) => place)).map((place) => JSON.stringify(place)));
  return matches.filter(({ place }) => kept.has(JSON.stringify(place)));
}

/** Removals in an order in which none moves what another one is about. */
function lastFirst(operations: readonly Operation[]): Operation[] {
  return [...operations].sort(([, left], [, right]) => {
    for (const [index, step] of left.entries()) {
      const other = right[index];
      if (typeof step === 'number' && typeof other === 'number' && step !== other) return other - step;
    }
    return 0;
  });
}

/** A change of every match of one kind: the operation and what is replied for it; null where the match is of another kind. */
type Change<R> = (match: Match) => { readonly operation: Operation | null; readonly result: R } | null;

/** Changes what a path matches; with a legacy path at least one match has to be of the kind. */
function changeEach<R>(
  context: CommandContext,
  path: JsonPath,
  kind: string,
  event: string,
  change: Change<R>,
): (R | null)[] {
  const { args, keys } = context;
  const root = documentToWrite(context, args.range(1), keys.hashOf(args.range(1)));
  if (root === null) throw noSuchDocument();
  const changes = matchesOf(path, root).map(change);
  if (path.isLegacy && !changes.some((made) => made !== null)) throw noSuchPath(path, kind);
  const operations = changes.flatMap((made) => (made === null || made.operation === null ? [] : [made.operation]));
  edit(context, operations, event);
  return changes.map((made) => made?.result ?? null);
}

/** An integer for each match, or, with a legacy path, that of the last one. */
function replyIntegers({ reply }: CommandContext, path: JsonPath, results: readonly (number | null)[]): void {
  if (path.isLegacy) return reply.integer(results.findLast((result) => result !== null) ?? 0);
  reply.array(results.length);
  for (const result of results) {
    if (result === null) reply.null();
    else reply.integer(result);
  }
}

/** JSON.NUMINCRBY key path value */
export function jsonNumIncrBy(context: CommandContext): void {
  const { args, reply } = context;
  const path = pathArgument(args, 2);
  const amount = jsonArgument(args, 3);
  if (typeof amount !== 'number') throw refuse('expected a number');
  const results = changeEach(context, path, 'a number', 'json.numincrby', ({ node, place }) => {
    const value = node.scalar;
    if (typeof value !== 'number') return null;
    if (!Number.isFinite(value + amount)) throw refuse('result is not a finite number');
    return { operation: ['add', place, amount], result: value + amount };
  });
  const last = results.findLast((result) => result !== null) ?? null;
  reply.bulkText(formatJson(path.isLegacy ? last : results));
}

/** JSON.STRAPPEND key [path] value */
export function jsonStrAppend(context: CommandContext): void {
  const { args } = context;
  if (args.count > 4) throw syntaxError();
  const path = pathArgument(args, args.count === 4 ? 2 : args.count);
  const suffix = jsonArgument(args, args.count - 1);
  if (typeof suffix !== 'string') throw refuse('expected a JSON string');
  const results = changeEach(context, path, 'a string', 'json.strappend', ({ node, place }) => {
    const value = node.scalar;
    if (typeof value !== 'string') return null;
    return { operation: ['append', place, suffix], result: stringBytes(value + suffix) };
  });
  replyIntegers(context, path, results);
}

/** How long RedisJSON says that a string is: its bytes in UTF-8. */
export function stringBytes(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function valuesFrom({ args }: CommandContext, first: number): Json[] {
  const values: Json[] = [];
  for (let index = first; index < args.count; index++) values.push(jsonArgument(args, index));
  return values;
}

/** JSON.ARRAPPEND key path value [value …] */
export function jsonArrAppend(context: CommandContext): void {
  const path = pathArgument(context.args, 2);
  const values = valuesFrom(context, 3);
  const results = changeEach(context, path, 'an array', 'json.arrappend', ({ node, place }) =>
    node.isArray ? { operation: ['insert', place, Infinity, values], result: node.size + values.length } : null,
  );
  replyIntegers(context, path, results);
}

/** A position counted from the end where it is negative. */
const fromEnd = (index: bigint, size: number): bigint => (index < 0n ? index + BigInt(size) : index);

/** JSON.ARRINSERT key path index value [value …] */
export function jsonArrInsert(context: CommandContext): void {
  const path = pathArgument(context.args, 2);
  const index = integerArgument(context.args, 3);
  const values = valuesFrom(context, 4);
  const results = changeEach(context, path, 'an array', 'json.arrinsert', ({ node, place }) => {
    if (!node.isArray) return null;
    const at = fromEnd(index, node.size);
    if (at < 0n || at > BigInt(node.size)) throw refuse('index out of bounds');
    return { operation: ['insert', place, Number(at), values], result: node.size + values.length };
  });
  replyIntegers(context, path, results);
}

/** JSON.ARRPOP key [path [index]] */
export function jsonArrPop(context: CommandContext): void {
  const { args, reply } = context;
  if (args.count > 4) throw syntaxError();
  const path = pathArgument(args, 2);
  const index = args.count === 4 ? integerArgument(args, 3) : -1n;
  const results = changeEach(context, path, 'an array', 'json.arrpop', ({ node, place }) => {
    if (!node.isArray) return null;
    if (node.size === 0) return { operation: null, result: null };
    const at = fromEnd(index, node.size);
    const position = at < 0n ? 0 : at >= BigInt(node.size) ? node.size - 1 : Number(at);
    return { operation: ['take', place, position], result: formatJson(node.element(position)?.toJson() ?? null) };
  });
  const shown = path.isLegacy ? [results.findLast((result) => result !== null) ?? null] : results;
  if (!path.isLegacy) reply.array(shown.length);
  for (const text of shown) {
    if (text === null) reply.null();
    else reply.bulkText(text);
  }
}
