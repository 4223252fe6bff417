import { isOrigin } from '../clock/origin.ts';
import { isStamp } from '../clock/stamp.ts';
import { parseCommand } from '../crdt/document-edits.ts';
import { parseJson } from '../crdt/document-json.ts';
import { isDocumentUpdate, isWholeDocument } from '../crdt/document.ts';
import type { EntryState } from '../crdt/entry.ts';
import { CausewayError } from '../errors.ts';

const refuse = (what: string): never => {
  throw new CausewayError('PROTOCOL', `entry refused: ${what}`);
};

function list(value: unknown, length: number | null, what: string): readonly unknown[] {
  if (!Array.isArray(value) || (length !== null && value.length !== length))
    return refuse(`${what} has the wrong shape`);
  return value as readonly unknown[];
}

function dot(stamp: unknown, origin: unknown, seq: unknown): void {
  if (!isStamp(stamp) || !isOrigin(origin) || !Number.isSafeInteger(seq) || (seq as number) < 1)
    refuse('a write has no dot');
}

const NOT_LATIN1 = /[^\u0000-\u00ff]/;

/** Keys and values are bytes, one char each. */
export function checkText(value: unknown, what: string): string {
  if (typeof value !== 'string' || NOT_LATIN1.test(value)) return refuse(`${what} is no text of bytes`);
  return value;
}

const AMOUNT = /^-?\d{1,600}$/;

function runs(value: unknown): void {
  if (value === null) return;
  for (const part of list(value, null, 'increments')) {
    const [origin, first, last, stamp, integer, units] = list(part, 6, 'an increment');
    dot(stamp, origin, first);
    dot(stamp, origin, last);
    if (typeof integer !== 'string' || typeof units !== 'string' || !AMOUNT.test(integer) || !AMOUNT.test(units))
      refuse('an increment has no amount');
  }
}

function string(value: unknown): void {
  if (value === null) return;
  if (Array.isArray(value) && value.length === 2) return siblings(value);
  const [content, stamp, origin, seq, increments] = list(value, 5, 'a string');
  if (content !== null) checkText(content, 'a string');
  if (stamp !== 0) dot(stamp, origin, seq);
  else if (content !== null || origin !== 0 || seq !== 0) refuse('a string has no dot');
  runs(increments);
}

function siblings(value: readonly unknown[]): void {
  const [registers, increments] = value;
  const origins = new Set<unknown>();
  for (const part of list(registers, null, 'siblings')) {
    const [content, stamp, origin, seq, registerIncrements] = list(part, 5, 'a sibling');
    checkText(content, 'a sibling');
    dot(stamp, origin, seq);
    if (stamp === 0) refuse('a sibling has no stamp');
    // what an origin writes supersedes what it wrote before
    if (origins.has(origin)) refuse('two siblings of one origin');
    origins.add(origin);
    runs(registerIncrements);
  }
  runs(increments);
  if (origins.size === 0 && (increments === null || (increments as unknown[]).length === 0)) refuse('no siblings');
}

function writes(value: unknown, checkValue: (value: unknown) => void): void {
  for (const part of list(value, null, 'writes')) {
    const [content, stamp, origin, seq] = list(part, 4, 'a write');
    checkValue(content);
    dot(stamp, origin, seq);
  }
}

function hash(value: unknown): void {
  if (value === null) return;
  for (const part of list(value, null, 'a hash')) {
    const [field, fieldWrites, increments] = list(part, 3, 'a field');
    checkText(field, 'a field');
    writes(fieldWrites, (content) => checkText(content, 'a field value'));
    runs(increments);
  }
}

function set(value: unknown): void {
  if (value === null) return;
  for (const part of list(value, null, 'a set')) {
    const [member, adds] = list(part, 2, 'a member');
    checkText(member, 'a member');
    writes(adds, (content) => void (content !== null && refuse('an add has a value')));
  }
}

function expiries(value: unknown): void {
  if (value === null) return;
  for (const part of list(value, null, 'expiries')) {
    const [atMs, baseOrigin, baseSeq, stamp, origin, seq] = list(part, 6, 'an expiry');
    if (!Number.isSafeInteger(atMs) || (atMs as number) < -1) refuse('an expiry has no time');
    if (baseOrigin !== 0 && !isOrigin(baseOrigin)) refuse('an expiry has no base');
    if (!Number.isSafeInteger(baseSeq) || (baseSeq as number) < 0) refuse('an expiry has no base');
    dot(stamp, origin, seq);
  }
}

function text(value: unknown, what: string): string {
  const checked = checkText(value, what);
  if (parseJson(checked) === null) refuse(`${what} is no JSON`);
  return checked;
}

function edit(value: unknown): void {
  const [stamp, origin, seq, command, seen, carried] = list(value, 6, 'an edit');
  dot(stamp, origin, seq);
  if (parseCommand(checkText(command, 'an edit')) === null) refuse('an edit has no command');
  const pairs = list(seen, null, 'what an edit had seen');
  if (pairs.length % 2 !== 0) refuse('what an edit had seen is not in pairs');
  for (let at = 0; at < pairs.length; at += 2) dot(stamp, pairs[at], pairs[at + 1]);
  if (carried !== null && !(carried instanceof Uint8Array && isDocumentUpdate(carried)))
    refuse('an edit has no update');
}

function document(value: unknown): void {
  const [stamp, origin, seq, content] = list(value, 4, 'a document');
  dot(stamp, origin, seq);
  if (content === null) return;
  const [latest, generation, base, bytes, edits] = list(content, 5, 'a document');
  for (const part of [latest, generation]) {
    const [partStamp, partOrigin, partSeq] = list(part, 3, 'a document');
    dot(partStamp, partOrigin, partSeq);
  }
  if (base !== null) text(base, 'a base');
  if (!(bytes instanceof Uint8Array && isWholeDocument(bytes))) refuse('a document has no content');
  for (const part of list(edits, null, 'edits')) edit(part);
}

/** An entry's plain form from a peer or the store, checked whole; throws PROTOCOL. */
export function checkEntryState(value: unknown): EntryState {
  const parts = list(value, null, 'an entry');
  if (parts.length !== 4 && parts.length !== 5) refuse('an entry has the wrong shape');
  const [stringPart, hashPart, setPart, expiryPart] = parts;
  if (parts.length === 5) document(parts[4]);
  string(stringPart);
  hash(hashPart);
  set(setPart);
  expiries(expiryPart);
  return value as EntryState;
}
