import { sha256 } from '@noble/hashes/sha2.js';
import { latin1Bytes, latin1Of, type ByteRange } from '../base/bytes.ts';
import { utf8Text } from '../crdt/document-json.ts';

/** So many bytes of a key or value are written into a record; of what is longer, its length and SHA-256. */
export const SHOWN_BYTES_MAX = 1_024;
/** So many of a field, its value or a member: there may be several. */
export const SHOWN_PART_BYTES_MAX = 256;
/** So many of a command's argument: it is in the record of every key that the command wrote. */
export const SHOWN_ARGUMENT_BYTES_MAX = 64;

/** Text where the bytes are UTF-8, else hex. */
type Readable = string | { readonly hex: string };

/** Bytes in a record; of cut ones how they start, and what they are as a whole. */
export type ShownBytes = Readable | { readonly start: Readable; readonly bytes: number; readonly sha256: string };

export type ShownArgument = Readable | { readonly start: Readable; readonly bytes: number };

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** SHA-256 of bytes, in hex. */
export type Sha256 = (bytes: Uint8Array) => string;

/** In plain code: for what is short, and where nothing faster is given. */
export const plainSha256: Sha256 = (bytes) => hexOf(sha256(bytes));

/** SHA-256 in hex of a latin1 text's bytes. */
export function sha256Hex(latin1: string, of: Sha256 = plainSha256): string {
  return of(latin1Bytes(latin1));
}

function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte] ?? '';
  return text;
}

/** The bytes of a latin1 text for a record, `bytesMax` of them at most. */
export function shownBytes(latin1: string, bytesMax: number = SHOWN_BYTES_MAX, of: Sha256 = plainSha256): ShownBytes {
  if (latin1.length <= bytesMax) return readable(latin1);
  const start = readable(latin1.slice(0, characterEnd(latin1, bytesMax)));
  return { start, bytes: latin1.length, sha256: sha256Hex(latin1, of) };
}

/** As `shownBytes` of a latin1 text, without making a text of what is long. */
export function shownRange(bytes: ByteRange, of: Sha256): ShownBytes {
  const { buf, start, end, length } = bytes;
  if (length <= SHOWN_BYTES_MAX) return readable(bytes.toLatin1());
  const head = latin1Of(buf, start, start + SHOWN_BYTES_MAX + 1);
  return {
    start: readable(head.slice(0, characterEnd(head, SHOWN_BYTES_MAX))),
    bytes: length,
    sha256: of(buf.subarray(start, end)),
  };
}

/** An argument of a command, without a hash: what a value becomes has one. */
export function shownArgument(bytes: ByteRange): ShownArgument {
  const { buf, start, length } = bytes;
  if (length <= SHOWN_ARGUMENT_BYTES_MAX) return readable(bytes.toLatin1());
  const head = latin1Of(buf, start, start + SHOWN_ARGUMENT_BYTES_MAX + 1);
  return { start: readable(head.slice(0, characterEnd(head, SHOWN_ARGUMENT_BYTES_MAX))), bytes: length };
}

function readable(latin1: string): Readable {
  return utf8Text(latin1) ?? { hex: hexOf(latin1Bytes(latin1)) };
}

/** The end of the last whole UTF-8 character at or before a position. */
function characterEnd(latin1: string, position: number): number {
  for (let end = position; end > position - 4; end--) {
    if ((latin1.charCodeAt(end) & 0xc0) !== 0x80) return end;
  }
  return position;
}

/** JSON of printable ASCII only: the same bytes in every encoding, and nothing in it starts a line or steers a terminal. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
