import { ByteRange } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';

const STAR = -1;
const BYTES = 256;

/** A part of a pattern: `STAR`, the byte that stands in this place, or a flag for each byte that may. */
type Part = number | Uint8Array;

/**
 * A class's pattern over the bytes of keys, with the rules of `base/glob.ts`. One that is a text with at most one star, at its
 * end, is matched by comparing bytes; any other by the linear matcher. Never by a regular expression.
 */
export class KeyPattern {
  /** As written. */
  readonly text: string;
  /** Its length in UTF-8. */
  readonly bytes: number;
  readonly #literal: Uint8Array | null;
  readonly #isPrefix: boolean;
  readonly #glob: Glob;
  readonly #parts: readonly Part[];

  /** `bytes` is the text in UTF-8, well formed as `patternFault` says. */
  constructor(text: string, bytes: Uint8Array) {
    this.text = text;
    this.bytes = bytes.length;
    this.#glob = new Glob(new ByteRange(bytes));
    this.#parts = partsOf(bytes);
    const literal = literalOf(this.#parts);
    this.#literal = literal;
    this.#isPrefix = literal !== null && this.#parts.length > literal.length;
  }

  /** Whether the whole of `buf[start..end)` matches. */
  matches(buf: Uint8Array, start: number, end: number): boolean {
    const literal = this.#literal;
    if (literal === null) return this.#glob.matchesBytes(buf, start, end);
    const length = end - start;
    if (length < literal.length || (!this.#isPrefix && length !== literal.length)) return false;
    for (let at = 0; at < literal.length; at++) if (literal[at] !== buf[start + at]) return false;
    return true;
  }

  /** Whether a key that begins with the byte may match. */
  mayBeginWith(byte: number): boolean {
    const [first] = this.#parts;
    return first !== undefined && (first === STAR || accepts(first, byte));
  }

  /** Whether every key that matches `other` matches this too. May say no where it is so, never yes where it is not. */
  covers(other: KeyPattern): boolean {
    return reaches(this.#parts, other.#parts, (own, others) => {
      if (own === STAR) return STEP_LEFT | STEP_RIGHT;
      if (own === null || others === null || others === STAR) return 0;
      return isWithin(others, own) ? STEP_BOTH : 0;
    });
  }

  /** Whether some key matches both. */
  overlaps(other: KeyPattern): boolean {
    return reaches(this.#parts, other.#parts, (own, others) => {
      if (own === STAR || others === STAR) return STEP_LEFT | STEP_RIGHT;
      return own !== null && others !== null && shareByte(own, others) ? STEP_BOTH : 0;
    });
  }
}

/** What is wrong with a pattern's bytes, null when nothing is: the matcher would take them, and do what nobody meant. */
export function patternFault(bytes: Uint8Array): string | null {
  const { length } = bytes;
  let at = 0;
  while (at < length) {
    const byte = bytes[at];
    if (byte === BACKSLASH && at + 1 === length) return 'ends with a backslash that has nothing to quote';
    if (byte === BACKSLASH) at += 2;
    else if (byte === LEFT_BRACKET) {
      const end = classEnd(bytes, at);
      if (end === null) return 'has a "[" without its "]"; write \\[ for the character itself';
      at = end;
    } else at++;
  }
  return null;
}

const BACKSLASH = 92;
const LEFT_BRACKET = 91;
const RIGHT_BRACKET = 93;
const DASH = 45;
const ASTERISK = 42;
const QUESTION_MARK = 63;

/** The position after the `]` of the class that begins at `from`, null when it is not closed. */
function classEnd(bytes: Uint8Array, from: number): number | null {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== RIGHT_BRACKET) {
    if (bytes[at] === BACKSLASH) at += 2;
    else at += at + 2 < bytes.length && bytes[at + 1] === DASH ? 3 : 1;
  }
  return at < bytes.length ? at + 1 : null;
}

function partsOf(bytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  let at = 0;
  while (at < bytes.length) {
    const from = at;
    const byte = bytes[at++] as number;
    if (byte === ASTERISK) {
      if (parts.at(-1) !== STAR) parts.push(STAR);
      continue;
    }
    if (byte === BACKSLASH) at++;
    else if (byte === LEFT_BRACKET) at = classEnd(bytes, from) ?? bytes.length;
    parts.push(bytesAccepted(bytes.subarray(from, at)));
  }
  return parts;
}

/** Which bytes a pattern for one byte accepts: the matcher itself is asked, so that the two never differ. */
function bytesAccepted(pattern: Uint8Array): Part {
  if (pattern.length === 1 && pattern[0] !== QUESTION_MARK) return pattern[0] as number;
  const accepted = new Uint8Array(BYTES);
  const glob = new Glob(new ByteRange(pattern));
  const one = new Uint8Array(1);
  for (let byte = 0; byte < BYTES; byte++) {
    one[0] = byte;
    accepted[byte] = glob.matchesBytes(one, 0, 1) ? 1 : 0;
  }
  const first = accepted.indexOf(1);
  return first >= 0 && !accepted.includes(1, first + 1) ? first : accepted;
}

/** The bytes before a star at the end, or all; null when other parts are not one byte each. */
function literalOf(parts: readonly Part[]): Uint8Array | null {
  const fixed = parts.at(-1) === STAR ? parts.slice(0, -1) : parts;
  const literal = new Uint8Array(fixed.length);
  for (const [at, part] of fixed.entries()) {
    if (typeof part !== 'number' || part === STAR) return null;
    literal[at] = part;
  }
  return literal;
}

/** Whether a part that is not a star accepts a byte. */
function accepts(part: Part, byte: number): boolean {
  return typeof part === 'number' ? part === byte : part[byte] === 1;
}

/** As `accepts` for two parts, neither a star: whether the outer accepts all that the inner does. */
function isWithin(inner: Part, outer: Part): boolean {
  if (typeof inner === 'number') return accepts(outer, inner);
  return inner.every((accepted, byte) => accepted === 0 || accepts(outer, byte));
}

function shareByte(left: Part, right: Part): boolean {
  if (typeof left === 'number') return accepts(right, left);
  return left.some((accepted, byte) => accepted === 1 && accepts(right, byte));
}

const STEP_LEFT = 1;
const STEP_RIGHT = 2;
const STEP_BOTH = 4;

/**
 * Whether both lists can be walked to their ends together, where `steps` says (as bits) which of the two may go on at a pair
 * of parts; null stands for the end. A star of either list may be left behind when the other is at its end.
 */
function reaches(
  left: readonly Part[],
  right: readonly Part[],
  steps: (left: Part | null, right: Part | null) => number,
): boolean {
  const width = right.length + 1;
  const isReached = new Uint8Array((left.length + 1) * width);
  isReached[0] = 1;
  for (let i = 0; i <= left.length; i++) {
    // nothing of this row was reached, so nothing of the next can be
    if (isReached.indexOf(1, i * width) < 0) return false;
    for (let j = 0; j <= right.length; j++) {
      if (isReached[i * width + j] === 0) continue;
      const allowed = steps(left[i] ?? null, right[j] ?? null);
      if ((allowed & STEP_LEFT) !== 0 && i < left.length) isReached[(i + 1) * width + j] = 1;
      if ((allowed & STEP_RIGHT) !== 0 && j < right.length) isReached[i * width + j + 1] = 1;
      if ((allowed & STEP_BOTH) !== 0 && i < left.length && j < right.length) isReached[(i + 1) * width + j + 1] = 1;
    }
  }
  return isReached[left.length * width + right.length] === 1;
}
