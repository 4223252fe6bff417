import { latin1Of } from '../../base/bytes.ts';
import { CausewayError } from '../../errors.ts';

/** An error in the place of a value; `code` is its stable first word. */
export class ReplyError {
  readonly code: string;
  readonly message: string;

  constructor(code: string, message: string) {
    this.code = code;
    this.message = message;
  }

  /** Of the line that a server writes, without its sign. */
  static of(line: string): ReplyError {
    const space = line.indexOf(' ');
    return space < 0 ? new ReplyError(line, '') : new ReplyError(line.slice(0, space), line.slice(space + 1));
  }

  get text(): string {
    return this.message === '' ? this.code : `${this.code} ${this.message}`;
  }
}

/**
 * A reply as values: bulk strings are bytes, simple strings are text (latin1), integers past 2^53 are bigints. A map is an array of
 * its keys and values in turn, as RESP2 has it; a set and a push are arrays.
 */
export type ReplyValue = string | number | bigint | boolean | null | Uint8Array | ReplyError | readonly ReplyValue[];

const CR = 13;

/** Where the reading of a buffer has come to. */
interface Cursor {
  readonly buf: Uint8Array;
  at: number;
}

/** Reads the replies that the first `length` bytes of `buf` are, each of them whole. What is returned has no part of `buf`. Throws PROTOCOL. */
export function readReplies(buf: Uint8Array, length: number): ReplyValue[] {
  const cursor: Cursor = { buf, at: 0 };
  const values: ReplyValue[] = [];
  while (cursor.at < length) values.push(read(cursor));
  return values;
}

function read(cursor: Cursor): ReplyValue {
  const sign = String.fromCharCode(cursor.buf[cursor.at] ?? 0);
  const line = lineOf(cursor);
  switch (sign) {
    case '+':
      return line;
    case '-':
      return ReplyError.of(line);
    case ':':
      return integerOf(line);
    case '$':
      return line === '-1' ? null : bytes(cursor, Number(line));
    case '=':
      return bytes(cursor, Number(line)).slice('txt:'.length);
    case '_':
      return null;
    case '#':
      return line === 't';
    case ',':
      return doubleOf(line);
    case '*':
    case '~':
    case '>':
      return line === '-1' ? null : items(cursor, Number(line));
    case '%':
      return items(cursor, Number(line) * 2);
    default:
      throw new CausewayError('PROTOCOL', `no reply begins with '${sign}'`);
  }
}

function lineOf(cursor: Cursor): string {
  const { buf, at } = cursor;
  const end = buf.indexOf(CR, at);
  if (end < 0) throw new CausewayError('PROTOCOL', 'a reply ends in the midst of a line');
  cursor.at = end + 2;
  return latin1Of(buf, at + 1, end);
}

function bytes(cursor: Cursor, length: number): Uint8Array {
  const { buf, at } = cursor;
  cursor.at = at + length + 2;
  return buf.slice(at, at + length);
}

function items(cursor: Cursor, count: number): ReplyValue[] {
  const values: ReplyValue[] = [];
  for (let index = 0; index < count; index++) values.push(read(cursor));
  return values;
}

function integerOf(line: string): number | bigint {
  const value = Number(line);
  return Number.isSafeInteger(value) ? value : BigInt(line);
}

function doubleOf(line: string): number {
  if (line === 'inf') return Infinity;
  return line === '-inf' ? -Infinity : Number(line);
}
