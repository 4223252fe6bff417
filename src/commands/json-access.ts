import type { ByteRange } from '../base/bytes.ts';
import {
  depthOf,
  JSON_BYTES_MAX,
  JSON_DEPTH_MAX,
  JSON_VALUES_MAX,
  parseJson,
  valuesIn,
  type Json,
} from '../crdt/document-json.ts';
import type { DocumentNode } from '../crdt/document.ts';
import { commandSize, OPERATIONS_MAX, type Operation } from '../crdt/document-edits.ts';
import { JsonPath, PathError, type Match } from '../crdt/json-path.ts';
import type { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { Args, CommandContext } from './context.ts';
import { lookupTypeForRead, lookupTypeForWrite } from './lookup.ts';
import { overLimit, refuse } from './refusals.ts';

/** The path at an argument; where there is none, the whole document in the legacy way. */
export function pathArgument(args: Args, index: number): JsonPath {
  return withPathErrors(() => JsonPath.parse(index < args.count ? args.text(index) : '.'));
}

function withPathErrors<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PathError) throw refuse(error.message);
    throw error;
  }
}

/** What a path matches. */
export function matchesOf(path: JsonPath, root: DocumentNode): Match[] {
  return withPathErrors(() => path.select(root));
}

/** The JSON value at an argument. */
export function jsonArgument(args: Args, index: number): Json {
  const range = args.range(index);
  if (range.end - range.start > JSON_BYTES_MAX) throw overLimit('JSON is too long', 'json-bytes-max', JSON_BYTES_MAX);
  const text = range.toLatin1();
  if (valuesIn(text) > JSON_VALUES_MAX) throw overLimit('JSON has too many values', 'json-values-max', JSON_VALUES_MAX);
  const parsed = parseJson(text);
  if (parsed === null)
    throw refuse(`expected JSON in UTF-8, nested at most ${JSON_DEPTH_MAX} deep, at argument ${index}`);
  return parsed.value;
}

/** A document that a command reads; null where there is none. */
export function readDocument(context: CommandContext, key: ByteRange): DocumentNode | null {
  const slot = lookupTypeForRead(context, key, ContentType.Document);
  return slot === NO_SLOT ? null : context.keys.documentAt(slot);
}

/** A document that a command means to change; null where there is none. */
export function documentToWrite(context: CommandContext, key: ByteRange, hash: number): DocumentNode | null {
  const slot = lookupTypeForWrite(context, key, hash, ContentType.Document);
  return slot === NO_SLOT ? null : context.keys.documentAt(slot);
}

export function noSuchDocument(): CausewayError {
  return refuse("could not perform this operation on a key that doesn't exist");
}

/** A legacy path that matches nothing, or nothing of the kind that the command is for. */
export function noSuchPath(path: JsonPath, orNot?: string): CausewayError {
  const or = orNot === undefined ? '' : ` or not ${orNot}`;
  return refuse(`Path '${path.dollarText}' does not exist${or}`);
}

/** Refuses a text that no other node would read: one is longer here than it was in the request where numbers are written out. */
export function checkJsonText(text: string): string {
  if (text.length > JSON_BYTES_MAX) throw overLimit('JSON is too long', 'json-bytes-max', JSON_BYTES_MAX);
  return text;
}

/** Refuses edits that would nest a document deeper than it may be, or that are too many or too long for one command. */
export function checkOperations(operations: readonly Operation[]): void {
  if (operations.length > OPERATIONS_MAX)
    throw overLimit('too many places to change', 'json-places-max', OPERATIONS_MAX);
  for (const [name, place, first, second] of operations) {
    let depth = place.length;
    if (name === 'set') depth += depthOf(first);
    if (name === 'insert') depth += depthOf([...second]);
    if (depth > JSON_DEPTH_MAX) throw overLimit('JSON is nested too deep', 'json-depth-max', JSON_DEPTH_MAX);
  }
  const { bytes, values } = commandSize(operations);
  if (bytes > JSON_BYTES_MAX) throw overLimit('the edit is too long', 'json-bytes-max', JSON_BYTES_MAX);
  if (values > JSON_VALUES_MAX) throw overLimit('the edit has too many values', 'json-values-max', JSON_VALUES_MAX);
}
