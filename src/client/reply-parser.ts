import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import { Push, ReplyMap, type Reply } from './replies.ts';

/** A simple string, an error, a number, or a length. */
const LINE_BYTES_MAX = 65_536;
const DEPTH_MAX = 32;
/** Elements of one reply, nested ones too: four bytes of an empty array become an object. */
const ELEMENTS_MAX = 4_194_304;

const CR = 13;
const LF = 10;
const MINUS = 45;
const DIGIT_0 = 48;
const DIGITS_MAX = 15;

/** What `next` gives where no reply is whole yet: null is a reply. */
export const NOT_YET: unique symbol = Symbol('not yet');

type Container = 'array' | 'map' | 'push' | 'attribute';

/** An array, map or push of which not everything came. */
interface Open {
  readonly kind: Container;
  readonly items: Reply[];
  remaining: number;
}

/**
 * Reads replies of RESP2 and RESP3 from chunks as they come. What has been read of a long reply is not read again, and bytes are put
 * together once they are all there. A server is believed nothing: lengths, depth and numbers have limits, and are checked before memory is taken.
 */
export class ReplyParser {
  readonly #replyBytesMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Chunks that came behind `#buffer`, while less than `#wanted` bytes are there. */
  #parts: Buffer[] = [];
  #held = 0;
  #wanted = 0;
  readonly #open: Open[] = [];
  /** Announced by its arrays and maps so far. */
  #elements = 0;
  #replyBytes = 0;

  /** `replyBytesMax` bounds one reply with all that is in it. */
  constructor(replyBytesMax: number) {
    this.#replyBytesMax = replyBytesMax;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    const rest = this.#buffer.length - this.#at;
    if (rest + this.#held < this.#wanted) return;
    this.#buffer =
      rest === 0 && this.#parts.length === 1 ? chunk : Buffer.concat([this.#buffer.subarray(this.#at), ...this.#parts]);
    this.#at = 0;
    this.#parts = [];
    this.#held = 0;
    this.#wanted = 0;
  }

  /** The next whole reply. Throws PROTOCOL for what is none and LIMIT for one that is too long; nothing can be read after that. */
  next(): Reply | Push | typeof NOT_YET {
    for (;;) {
      const value = this.#element();
      if (value === NOT_YET) return NOT_YET;
      if (value === OPENED) continue;
      const whole = this.#close(value);
      if (whole === OPENED) continue;
      this.#elements = 0;
      this.#replyBytes = 0;
      return whole;
    }
  }

  /** Puts a value where it belongs: what is complete by it, up to the reply itself. */
  #close(element: Reply): Reply | Push | typeof OPENED {
    let value: Reply | Push = element;
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) {
      if (value instanceof Push) throw new CausewayError('PROTOCOL', 'a push lies within a reply');
      open.items.push(value);
      if (--open.remaining > 0) return OPENED;
      this.#open.pop();
      if (open.kind === 'attribute') return OPENED;
      value = containerOf(open);
    }
    return value;
  }

  #element(): Reply | typeof OPENED | typeof NOT_YET {
    const start = this.#at;
    const end = this.#lineEnd();
    if (end < 0) return NOT_YET;
    const type = String.fromCharCode(this.#buffer[start] ?? 0);
    const from = start + 1;
    switch (type) {
      case '$':
      case '=':
      case '!':
        return this.#blob(type, start, from, end);
      case '*':
      case '~':
        return this.#container('array', from, end);
      case '%':
        return this.#container('map', from, end);
      case '>':
        return this.#container('push', from, end);
      case '|':
        return this.#container('attribute', from, end);
      default:
        this.#take(end);
        return scalar(type, this.#buffer, from, end);
    }
  }

  /** Where the line that begins at `#at` ends; less than 0 while it has not come whole. */
  #lineEnd(): number {
    const end = this.#buffer.indexOf(LF, this.#at) - 1;
    const length = (end < 0 ? this.#buffer.length : end) - this.#at;
    if (length > LINE_BYTES_MAX)
      throw new CausewayError('PROTOCOL', `a line of a reply is longer than ${LINE_BYTES_MAX} bytes`);
    if (end < this.#at) {
      if (end >= 0 || this.#buffer[this.#at] === LF) throw new CausewayError('PROTOCOL', 'a line of a reply is empty');
      this.#wanted = length + 1;
      return -1;
    }
    if (this.#buffer[end] !== CR) throw new CausewayError('PROTOCOL', 'a line of a reply does not end with CR LF');
    return end;
  }

  /** The line that ends there has been read. */
  #take(end: number): void {
    this.#grow(end + 2 - this.#at);
    this.#at = end + 2;
  }

  #grow(bytes: number): void {
    this.#replyBytes += bytes;
    if (this.#replyBytes > this.#replyBytesMax)
      throw new CausewayError('LIMIT', `a reply is longer than replyBytesMax, ${this.#replyBytesMax} bytes`);
  }

  #blob(type: string, start: number, from: number, end: number): Reply | typeof NOT_YET {
    const length = lengthOf(this.#buffer, from, end);
    if (length < 0) {
      this.#take(end);
      return null;
    }
    if (this.#replyBytes + length > this.#replyBytesMax) this.#grow(length);
    const first = end + 2;
    const last = first + length;
    if (last + 2 > this.#buffer.length) {
      this.#wanted = last + 2 - start;
      return NOT_YET;
    }
    if (this.#buffer[last] !== CR || this.#buffer[last + 1] !== LF)
      throw new CausewayError('PROTOCOL', 'a bulk string is not as long as it says');
    this.#take(end);
    this.#grow(length + 2);
    this.#at = last + 2;
    if (type === '!') return ReplyError.of(this.#buffer.toString('utf8', first, last));
    // `txt:` stands before it
    if (type === '=') return this.#buffer.toString('utf8', Math.min(first + 4, last), last);
    // a copy: the chunk would be kept as long as the value is
    return new Uint8Array(this.#buffer.subarray(first, last));
  }

  #container(kind: Container, from: number, end: number): Reply | typeof OPENED {
    const count = lengthOf(this.#buffer, from, end);
    this.#take(end);
    if (kind === 'push' && this.#open.length > 0) throw new CausewayError('PROTOCOL', 'a push lies within a reply');
    if (kind === 'push' && count < 1) throw new CausewayError('PROTOCOL', 'a push says nothing');
    if (count < 0) return null;
    const remaining = kind === 'map' || kind === 'attribute' ? count * 2 : count;
    this.#elements += remaining;
    if (this.#elements > ELEMENTS_MAX)
      throw new CausewayError('LIMIT', `a reply has more than ${ELEMENTS_MAX} elements`);
    if (remaining === 0) return kind === 'attribute' ? OPENED : kind === 'map' ? new ReplyMap([]) : [];
    if (this.#open.length === DEPTH_MAX) throw new CausewayError('PROTOCOL', 'a reply is nested too deeply');
    this.#open.push({ kind, items: [], remaining });
    return OPENED;
  }
}

/** A container was begun, or goes on: no value yet. */
const OPENED: unique symbol = Symbol('opened');

function containerOf({ kind, items }: Open): Reply | Push {
  if (kind === 'push') return new Push(items);
  return kind === 'map' ? new ReplyMap(items) : items;
}

/** A length or a count; -1 for the null of RESP2. */
function lengthOf(buffer: Buffer, from: number, end: number): number {
  if (end - from === 2 && buffer[from] === MINUS && buffer[from + 1] === DIGIT_0 + 1) return -1;
  if (end === from || end - from > DIGITS_MAX) throw badNumber(buffer, from, end);
  let length = 0;
  for (let at = from; at < end; at++) {
    const digit = (buffer[at] ?? 0) - DIGIT_0;
    if (digit < 0 || digit > 9) throw badNumber(buffer, from, end);
    length = length * 10 + digit;
  }
  return length;
}

function scalar(type: string, buffer: Buffer, from: number, end: number): Reply {
  const text = buffer.toString('utf8', from, end);
  switch (type) {
    case '+':
      return text;
    case '-':
      return ReplyError.of(text);
    case ':':
    case '(': {
      if (!/^[+-]?\d{1,1000}$/.test(text)) throw badNumber(buffer, from, end);
      const number = Number(text);
      return Number.isSafeInteger(number) && type === ':' ? number : BigInt(text.replace(/^\+/, ''));
    }
    case ',': {
      const number = text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
      if (text === '' || (Number.isNaN(number) && text !== 'nan')) throw badNumber(buffer, from, end);
      return number;
    }
    case '#':
      if (text !== 't' && text !== 'f') throw badNumber(buffer, from, end);
      return text === 't';
    case '_':
      return null;
    default:
      throw new CausewayError('PROTOCOL', `not a reply: ${JSON.stringify((type + text).slice(0, 40))}`);
  }
}

function badNumber(buffer: Buffer, from: number, end: number): CausewayError {
  const text = buffer.toString('latin1', from, Math.min(end, from + 40));
  return new CausewayError('PROTOCOL', `a reply has ${JSON.stringify(text)} where a number belongs`);
}
