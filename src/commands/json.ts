import { formatJson, utf8Bytes, type Json, type JsonLayout } from '../crdt/document-json.ts';
import type { DocumentNode } from '../crdt/document.ts';
import type { JsonPath } from '../crdt/json-path.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import { oneKeyRows, type CommandFlag, type CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { matchesOf, noSuchDocument, noSuchPath, pathArgument, readDocument } from './json-access.ts';
import {
  jsonArrAppend,
  jsonArrInsert,
  jsonArrPop,
  jsonDelete,
  jsonMerge,
  jsonNumIncrBy,
  jsonSet,
  jsonStrAppend,
  stringBytes,
} from './json-edits.ts';
import { lookupForRead } from './lookup.ts';
import { syntaxError } from './refusals.ts';

const LAYOUT_WORDS = new Map<string, keyof JsonLayout>([
  ['INDENT', 'indent'],
  ['NEWLINE', 'newline'],
  ['SPACE', 'space'],
]);

/** JSON.GET key [INDENT indent] [NEWLINE newline] [SPACE space] [path …] */
function jsonGet(context: CommandContext): void {
  const { args, reply } = context;
  const layout: Record<keyof JsonLayout, string> = { indent: '', newline: '', space: '' };
  const paths: JsonPath[] = [];
  for (let index = 2; index < args.count; index++) {
    const part = LAYOUT_WORDS.get(args.word(index));
    if (part === undefined) paths.push(pathArgument(args, index));
    else if (++index < args.count) layout[part] = args.text(index);
    else throw syntaxError();
  }
  if (paths.length === 0) paths.push(pathArgument(args, args.count));
  const root = readDocument(context, args.range(1));
  if (root === null) return reply.null();
  reply.bulkText(formatJson(valueOf(paths, root), layout));
}

/** One path gives its value; of several, each under its own text. With a `$` among them all give arrays. */
function valueOf(paths: readonly JsonPath[], root: DocumentNode): Json {
  const isLegacy = paths.every((path) => path.isLegacy);
  const values = paths.map((path): Json => {
    const found = matchesOf(path, root);
    if (!isLegacy) return found.map(({ node }) => node.toJson());
    const [first] = found;
    if (first === undefined) throw noSuchPath(path);
    return first.node.toJson();
  });
  const [only] = values;
  if (values.length === 1 && only !== undefined) return only;
  return new Map(paths.map((path, index) => [path.text, values[index] ?? null]));
}

/** JSON.MGET key [key …] path */
function jsonMGet(context: CommandContext): void {
  const { args, keys, reply } = context;
  const path = pathArgument(args, args.count - 1);
  reply.array(args.count - 2);
  for (let index = 1; index < args.count - 1; index++) {
    const slot = lookupForRead(context, args.range(index));
    const isDocument = slot !== NO_SLOT && keys.typeOf(slot) === ContentType.Document;
    const found = isDocument ? matchesOf(path, keys.documentAt(slot)).map(({ node }) => node) : null;
    const [first] = found ?? [];
    if (found === null || (path.isLegacy && first === undefined)) reply.null();
    else if (path.isLegacy && first !== undefined) reply.bulkText(formatJson(first.toJson()));
    else reply.bulkText(formatJson(found.map((node) => node.toJson())));
  }
}

function typeOf(node: DocumentNode): string {
  if (node.isObject) return 'object';
  if (node.isArray) return 'array';
  const value = node.scalar;
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

type Answer = { readonly kind: string; of(node: DocumentNode): number | string | readonly string[] | null };

function replyAnswer({ reply }: CommandContext, answer: number | string | readonly string[] | null): void {
  if (answer === null) reply.null();
  else if (typeof answer === 'number') reply.integer(answer);
  else if (typeof answer === 'string') reply.bulkText(answer);
  else {
    reply.array(answer.length);
    for (const text of answer) reply.bulkText(text);
  }
}

/** Answers for what a path matches: for each with `$`, for the first with a legacy path. */
function answering(answer: Answer, isNullWhereAbsent: boolean): CommandSpec['run'] {
  return (context) => {
    const { args, reply } = context;
    if (args.count > 3) throw syntaxError();
    const path = pathArgument(args, 2);
    const root = readDocument(context, args.range(1));
    if (root === null) {
      if (!path.isLegacy && !isNullWhereAbsent) throw noSuchDocument();
      return reply.null();
    }
    const answers = matchesOf(path, root).map(({ node }) => answer.of(node));
    if (path.isLegacy) {
      const [first] = answers;
      if (first === undefined && isNullWhereAbsent) return reply.null();
      if (first === undefined || first === null) throw noSuchPath(path, answer.kind);
      return replyAnswer(context, first);
    }
    reply.array(answers.length);
    for (const each of answers) replyAnswer(context, each);
  };
}

const type: Answer = { kind: 'a value', of: typeOf };
const arrayLength: Answer = { kind: 'an array', of: (node) => (node.isArray ? node.size : null) };
const objectLength: Answer = { kind: 'an object', of: (node) => (node.isObject ? node.size : null) };
const objectKeys: Answer = {
  kind: 'an object',
  of: (node) => (node.isObject ? node.names().map((name) => utf8Bytes(name)) : null),
};
const stringLength: Answer = {
  kind: 'a string',
  of: (node) => (typeof node.scalar === 'string' ? stringBytes(node.scalar) : null),
};

const jsonSpec = oneKeyRows('json', 'json.');

const WRITES: readonly CommandFlag[] = ['write', 'denyoom'];
const READS: readonly CommandFlag[] = ['readonly'];

/** JSON documents, as RedisJSON 2 offers them. */
export const jsonCommands: readonly CommandSpec[] = [
  jsonSpec('set', -4, WRITES, 'Sets or updates the JSON value at a path', jsonSet),
  jsonSpec('get', -2, READS, 'Gets the value at one or more paths in JSON serialized form', jsonGet),
  {
    ...jsonSpec('mget', -3, READS, 'Returns the values at a path from one or more keys', jsonMGet),
    keys: [1, -2, 1],
  },
  jsonSpec('merge', 4, WRITES, 'Merges a given JSON value into matching paths', jsonMerge),
  jsonSpec('del', -2, ['write'], 'Deletes a value', jsonDelete),
  jsonSpec('forget', -2, ['write'], 'Deletes a value', jsonDelete),
  jsonSpec('type', -2, READS, 'Returns the type of the JSON value at path', answering(type, true)),
  jsonSpec('numincrby', 4, WRITES, 'Increments the numeric value at path by a value', jsonNumIncrBy),
  jsonSpec('strappend', -3, WRITES, 'Appends a string to a JSON string value at path', jsonStrAppend),
  jsonSpec('strlen', -2, READS, 'Returns the length of the JSON String at path in key', answering(stringLength, false)),
  jsonSpec(
    'arrappend',
    -4,
    WRITES,
    'Append one or more json values into the array at path after the last element in it.',
    jsonArrAppend,
  ),
  jsonSpec(
    'arrinsert',
    -5,
    WRITES,
    'Inserts the JSON scalar(s) value at the specified index in the array at path',
    jsonArrInsert,
  ),
  jsonSpec(
    'arrpop',
    -2,
    ['write'],
    'Removes and returns the element at the specified index in the array at path',
    jsonArrPop,
  ),
  jsonSpec('arrlen', -2, READS, 'Returns the length of the array at path', answering(arrayLength, false)),
  jsonSpec('objkeys', -2, READS, 'Returns the JSON keys of the object at path', answering(objectKeys, false)),
  jsonSpec('objlen', -2, READS, 'Returns the number of keys of the object at path', answering(objectLength, false)),
];
