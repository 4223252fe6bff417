const SPACES: ReadonlySet<number> = new Set([9, 10, 11, 12, 13, 32]);
/** What ends a bare word; a vertical tab does not, although it is skipped between words. As Redis does it. */
const WORD_ENDS: ReadonlySet<number> = new Set([0, 9, 10, 13, 32]);
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;
const LOWER_X = 120;

const ESCAPES: ReadonlyMap<number, number> = new Map([
  [110, 10], // \n
  [114, 13], // \r
  [116, 9], // \t
  [98, 8], // \b
  [97, 7], // \a
]);

/** The arguments of an inline request, unescaped into one buffer: start and end of each. */
export interface InlineRequest {
  readonly buf: Uint8Array;
  readonly offsets: Int32Array;
  readonly count: number;
}

/**
 * Splits a line into arguments with Redis's quoting: "…" with escapes, '…' with \' only, and both may begin inside a word.
 * Null when quotes are not closed, or closed in front of something that is no space.
 */
export function parseInlineRequest(line: Uint8Array, start: number, end: number): InlineRequest | null {
  const out = new Uint8Array(end - start);
  const offsets: number[] = [];
  const byteAt = (at: number): number => (at < end ? (line[at] as number) : 0);
  let length = 0;
  let at = start;
  for (;;) {
    while (SPACES.has(byteAt(at))) at++;
    // A zero byte ends the line, as the end of a C string does.
    if (byteAt(at) === 0) return { buf: out, offsets: Int32Array.from(offsets), count: offsets.length / 2 };
    offsets.push(length);
    let quote = 0;
    for (;;) {
      const byte = byteAt(at);
      if (quote === 0) {
        if (WORD_ENDS.has(byte)) break;
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte;
        else out[length++] = byte;
        at++;
      } else if (byte === quote) {
        at++;
        if (byteAt(at) !== 0 && !SPACES.has(byteAt(at))) return null;
        break;
      } else if (byte === 0) {
        return null;
      } else if (byte === BACKSLASH) {
        const escaped = unescaped(byteAt, at, quote);
        out[length++] = escaped.byte;
        at = escaped.next;
      } else {
        out[length++] = byte;
        at++;
      }
    }
    offsets.push(length);
  }
}

/** The byte that a backslash at `at` stands for, and the position after it. */
function unescaped(byteAt: (at: number) => number, at: number, quote: number): { byte: number; next: number } {
  const next = byteAt(at + 1);
  if (quote === SINGLE_QUOTE) {
    return next === SINGLE_QUOTE ? { byte: SINGLE_QUOTE, next: at + 2 } : { byte: BACKSLASH, next: at + 1 };
  }
  const high = hexDigit(byteAt(at + 2));
  const low = hexDigit(byteAt(at + 3));
  if (next === LOWER_X && high >= 0 && low >= 0) return { byte: high * 16 + low, next: at + 4 };
  if (next === 0) return { byte: BACKSLASH, next: at + 1 };
  return { byte: ESCAPES.get(next) ?? next, next: at + 2 };
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
