import { latin1Range, type ByteRange } from './bytes.ts';

/** What the keys begin with that are the product's own: clients cannot name them (SPEC C8). */
export const SYSTEM_KEY_PREFIX = '\0cw:';
const PREFIX_BYTES: Uint8Array = latin1Range(SYSTEM_KEY_PREFIX).buf;

/** What the channels begin with on which the product itself tells something. */
export const SYSTEM_CHANNEL_PREFIX = '__causeway__:';

/** Whether a key is the product's own. One byte tells nearly all that are not. */
export function isSystemKey({ buf, start, end }: ByteRange): boolean {
  if (buf[start] !== 0 || end - start < PREFIX_BYTES.length) return false;
  return PREFIX_BYTES.every((byte, at) => buf[start + at] === byte);
}

/** A system key, latin1: `kind` is a word that says what it is for, `name` any bytes (latin1). Both can be read back from it. */
export function systemKey(kind: string, name: string): string {
  return `${SYSTEM_KEY_PREFIX}${kind}:${name}`;
}

/** What a system key (latin1) is for and of; null for any other key. */
export function systemKeyParts(key: string): { readonly kind: string; readonly name: string } | null {
  if (!key.startsWith(SYSTEM_KEY_PREFIX)) return null;
  const at = key.indexOf(':', SYSTEM_KEY_PREFIX.length);
  return at < 0 ? null : { kind: key.slice(SYSTEM_KEY_PREFIX.length, at), name: key.slice(at + 1) };
}
