import { isOrigin } from '../clock/origin.ts';
import { depthOf, formatJson, JSON_DEPTH_MAX, parseJson, valuesIn, type Json } from './document-json.ts';

/** Where a value stands in a document: names of members and positions in arrays, from the root. */
export type Place = readonly (string | number)[];

/**
 * One step of an edit, as its command resolved it where it was made. It is played again where a generation does not contain it
 * (RULES V9): a step whose place is not there, or holds something else, does nothing.
 */
export type Operation =
  /** The member or element becomes this value; a member that is not there is added. */
  | readonly ['set', Place, Json]
  | readonly ['remove', Place]
  /** Adds to a number. */
  | readonly ['add', Place, number]
  /** Appends to a string. */
  | readonly ['append', Place, string]
  /** Inserts elements into an array before a position; Infinity (text: null) is its end. */
  | readonly ['insert', Place, number, readonly Json[]]
  /** Removes the element at a position of an array. */
  | readonly ['take', Place, number];

/** A generation that an edit was made on, and what it did. */
export interface EditCommand {
  readonly generationOrigin: number;
  readonly generationSeq: number;
  readonly operations: readonly Operation[];
}

/** Steps of one edit. */
export const OPERATIONS_MAX = 65_536;
/** The lists that a value stands in as part of a command. */
const COMMAND_DEPTH = 4;

/** The command as it travels: JSON in UTF-8 bytes, one char each. */
export function formatCommand(command: EditCommand): string {
  const operations = command.operations.map((operation): Json => {
    const [name, place, ...rest] = operation;
    return [name, [...place], ...rest.map(plain)];
  });
  return formatJson([command.generationOrigin, command.generationSeq, operations]);
}

/**
 * What the command would be that operations travel as, without making it: its length at most, which has to be within JSON_BYTES_MAX, for
 * `parseCommand` reads no more, and its values. What stands in many operations is measured once.
 */
export function commandSize(operations: readonly Operation[]): { readonly bytes: number; readonly values: number } {
  const known = new Map<unknown, { readonly bytes: number; readonly values: number }>();
  const sizeOf = (value: Json): { readonly bytes: number; readonly values: number } => {
    let size = known.get(value);
    if (size === undefined) {
      const text = formatJson(value);
      size = { bytes: text.length, values: valuesIn(text) };
      known.set(value, size);
    }
    return size;
  };
  let [bytes, values] = [64, 0];
  for (const [, place, ...rest] of operations) {
    bytes += 48 + place.length;
    for (const step of place) bytes += sizeOf(step).bytes;
    for (const part of rest) {
      const size = sizeOf(plain(part));
      bytes += size.bytes;
      values += size.values;
    }
  }
  return { bytes, values };
}

const plain = (part: Json | readonly Json[]): Json => (part === Infinity ? null : (part as Json));

/** Reads a command; null when it is none. */
export function parseCommand(bytes: string): EditCommand | null {
  const parsed = parseJson(bytes, JSON_DEPTH_MAX + COMMAND_DEPTH);
  if (parsed === null || !Array.isArray(parsed.value) || parsed.value.length !== 3) return null;
  const [generationOrigin, generationSeq, list] = parsed.value;
  if (!isOrigin(generationOrigin) || !isPosition(generationSeq) || !Array.isArray(list)) return null;
  if (list.length === 0 || list.length > OPERATIONS_MAX) return null;
  const operations: Operation[] = [];
  for (const item of list) {
    const operation = operationOf(item);
    if (operation === null) return null;
    operations.push(operation);
  }
  return { generationOrigin, generationSeq, operations };
}

const isPosition = (value: Json | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isPlace = (value: Json | undefined): value is (string | number)[] =>
  Array.isArray(value) && value.every((step) => typeof step === 'string' || isPosition(step));

/** How deep an operation nests what it puts at its place. */
function nestingOf([name, , first, second]: readonly Json[]): number {
  if (name === 'set') return depthOf(first ?? null);
  return name === 'insert' ? depthOf(second ?? null) : 0;
}

function operationOf(item: Json): Operation | null {
  if (!Array.isArray(item)) return null;
  const [name, place, first, second] = item;
  if (!isPlace(place) || place.length + nestingOf(item) > JSON_DEPTH_MAX) return null;
  switch (name) {
    case 'set':
      return item.length === 3 && first !== undefined && place.length > 0 ? ['set', place, first] : null;
    case 'remove':
      return item.length === 2 && place.length > 0 ? ['remove', place] : null;
    case 'add':
      return item.length === 3 && typeof first === 'number' ? ['add', place, first] : null;
    case 'append':
      return item.length === 3 && typeof first === 'string' ? ['append', place, first] : null;
    case 'insert': {
      const at = first === null ? Infinity : first;
      const isAt = at === Infinity || isPosition(at);
      return item.length === 4 && isAt && Array.isArray(second) ? ['insert', place, at, second] : null;
    }
    case 'take':
      return item.length === 3 && isPosition(first) ? ['take', place, first] : null;
    default:
      return null;
  }
}
