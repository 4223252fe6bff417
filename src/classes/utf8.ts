import { latin1Of } from '../base/bytes.ts';

const REPLACEMENT = 0xfffd;
const POINT_MAX = 0x10_ffff;
/** The least code point that is written with so many bytes after the first. */
const SHORTEST = [0, 0x80, 0x800, 0x1_0000];

/** The bytes of a text in UTF-8; half a surrogate pair becomes U+FFFD, as everywhere. */
export function utf8Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of text) {
    const point = char.codePointAt(0) ?? REPLACEMENT;
    const code = isHalfPair(point) ? REPLACEMENT : point;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), tail(code));
    else if (code < 0x1_0000) bytes.push(0xe0 | (code >> 12), tail(code >> 6), tail(code));
    else bytes.push(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code));
  }
  return Uint8Array.from(bytes);
}

/** The bytes of a text in UTF-8 as a latin1 string, which is how replies take texts. */
export function utf8Latin1(text: string): string {
  const bytes = utf8Bytes(text);
  return latin1Of(bytes, 0, bytes.length);
}

/** The text of bytes in UTF-8; null when they are none. */
export function utf8Text(bytes: Uint8Array): string | null {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at++] as number;
    const tails = tailsAfter(first);
    if (tails === null) return null;
    let point = tails === 0 ? first : first & (0x3f >> tails);
    for (let left = tails; left > 0; left--) {
      const byte = bytes[at++] ?? 0;
      if (byte >> 6 !== 2) return null;
      point = (point << 6) | (byte & 0x3f);
    }
    if (point < (SHORTEST[tails] ?? 0) || point > POINT_MAX || isHalfPair(point)) return null;
    text += String.fromCodePoint(point);
  }
  return text;
}

function tailsAfter(first: number): number | null {
  if (first < 0x80) return 0;
  if (first < 0xc0) return null;
  if (first < 0xe0) return 1;
  if (first < 0xf0) return 2;
  return first < 0xf8 ? 3 : null;
}

function isHalfPair(point: number): boolean {
  return point >= 0xd800 && point <= 0xdfff;
}

function tail(bits: number): number {
  return 0x80 | (bits & 0x3f);
}
