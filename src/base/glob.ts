import { latin1Of, type ByteRange } from './bytes.ts';

/** One element of a compiled pattern: a byte, or one of these, or CLASS + the number of a class. */
const ANY = 256;
const STAR = 257;
const CLASS = 512;

const LEFT_BRACKET = 91;
const BACKSLASH = 92;
const RIGHT_BRACKET = 93;
const CARET = 94;
const DASH = 45;

/**
 * A compiled glob over bytes, with the rules of Redis's `KEYS`: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` which takes the
 * next byte as it is. Matching keeps two positions and falls back only to the last star, so stars do not multiply: the
 * cost is at most text × pattern, whatever a client sends. (As a regular expression `a*a*…b` takes minutes.)
 */
export class Glob {
  readonly #tokens: Uint32Array;
  /** 32 bytes, one bit a byte value, for each class. */
  readonly #classes: Uint8Array;
  readonly #nocase: boolean;
  /** The least length of a text that can match. */
  readonly #lengthMin: number;
  readonly #hasStar: boolean;

  /** Takes the pattern's bytes in; the view may change afterwards. */
  constructor(pattern: ByteRange, options: { nocase?: boolean } = {}) {
    this.#nocase = options.nocase ?? false;
    const compiled = compile(pattern, this.#nocase);
    this.#tokens = Uint32Array.from(compiled.tokens);
    this.#classes = Uint8Array.from(compiled.classes);
    const stars = compiled.tokens.filter((token) => token === STAR).length;
    this.#lengthMin = compiled.tokens.length - stars;
    this.#hasStar = stars > 0;
  }

  /** Whether every text matches. */
  get matchesAll(): boolean {
    return this.#tokens.length === 1 && this.#tokens[0] === STAR;
  }

  /** What every text that matches begins with (latin1), as far as the pattern says it byte by byte. */
  get prefix(): string {
    const end = this.#nocase ? 0 : this.#tokens.findIndex((token) => token >= ANY);
    const length = end < 0 ? this.#tokens.length : end;
    return latin1Of(Uint8Array.from(this.#tokens.subarray(0, length)), 0, length);
  }

  /** Whether the whole text matches. */
  matches(text: ByteRange): boolean {
    return this.matchesBytes(text.buf, text.start, text.end);
  }

  /** Whether the whole of `buf[start..end)` matches. */
  matchesBytes(buf: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length < this.#lengthMin || (!this.#hasStar && length !== this.#lengthMin)) return false;
    const tokens = this.#tokens;
    let at = start;
    let token = 0;
    let afterStar = -1;
    let retryAt = 0;
    while (at < end) {
      const wanted = tokens[token];
      if (wanted === STAR) {
        token++;
        if (token === tokens.length) return true;
        afterStar = token;
        retryAt = at;
      } else if (wanted !== undefined && this.#accepts(wanted, buf[at] as number)) {
        token++;
        at++;
      } else if (afterStar >= 0) {
        token = afterStar;
        at = ++retryAt;
      } else {
        return false;
      }
    }
    while (tokens[token] === STAR) token++;
    return token === tokens.length;
  }

  /** Whether the whole of a latin1 text matches. */
  matchesText(text: string): boolean {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return this.matchesBytes(bytes, 0, bytes.length);
  }

  #accepts(wanted: number, raw: number): boolean {
    const byte = this.#nocase ? lowered(raw) : raw;
    if (wanted < ANY) return wanted === byte;
    if (wanted === ANY) return true;
    const place = (wanted - CLASS) * 32 + (byte >> 3);
    return (((this.#classes[place] as number) >> (byte & 7)) & 1) === 1;
  }
}

function lowered(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

function compile(pattern: ByteRange, nocase: boolean): { tokens: number[]; classes: number[] } {
  const { buf, end } = pattern;
  const tokens: number[] = [];
  const classes: number[] = [];
  const literal = (byte: number): number => (nocase ? lowered(byte) : byte);
  let at = pattern.start;
  while (at < end) {
    const byte = buf[at] as number;
    if (byte === 42) {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
      at++;
    } else if (byte === 63) {
      tokens.push(ANY);
      at++;
    } else if (byte === LEFT_BRACKET) {
      const bits = new Uint8Array(32);
      at = compileClass(buf, at + 1, end, nocase, bits);
      tokens.push(CLASS + classes.length / 32);
      for (const part of bits) classes.push(part);
    } else if (byte === BACKSLASH && at + 1 < end) {
      tokens.push(literal(buf[at + 1] as number));
      at += 2;
    } else {
      tokens.push(literal(byte));
      at++;
    }
  }
  return { tokens, classes };
}

/**
 * Reads a class from after its `[` into `bits` and returns the position after its `]`. As in Redis a `]` ends it at once, a
 * range may be written backwards, and a class that is not closed ends with the pattern.
 */
function compileClass(buf: Uint8Array, from: number, end: number, nocase: boolean, bits: Uint8Array): number {
  let at = from;
  const negated = at < end && buf[at] === CARET;
  if (negated) at++;
  const add = (byte: number): void => {
    const value = nocase ? lowered(byte) : byte;
    bits[value >> 3] = (bits[value >> 3] as number) | (1 << (value & 7));
  };
  for (; at < end && buf[at] !== RIGHT_BRACKET; at++) {
    const byte = buf[at] as number;
    if (byte === BACKSLASH && at + 1 < end) {
      at++;
      add(buf[at] as number);
    } else if (at + 2 < end && buf[at + 1] === DASH) {
      addRange(byte, buf[at + 2] as number, nocase, add);
      at += 2;
    } else {
      add(byte);
    }
  }
  if (negated) for (let i = 0; i < 32; i++) bits[i] = ~(bits[i] as number) & 255;
  return at < end ? at + 1 : end;
}

function addRange(left: number, right: number, nocase: boolean, add: (byte: number) => void): void {
  const first = nocase ? lowered(left) : left;
  const last = nocase ? lowered(right) : right;
  for (let byte = Math.min(first, last); byte <= Math.max(first, last); byte++) {
    // Redis compares a lowered text with lowered ends: capitals between them (as in [Z-a]) are never met.
    if (!nocase || lowered(byte) === byte) add(byte);
  }
}
