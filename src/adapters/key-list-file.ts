import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

/** Keys that are read of one file: a longer list is cut off there. */
const KEYS_MAX = 1_000_000;

const LINE_END = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Whether a key can stand in such a list: it has no line end, and is not empty. */
export function canBeListed(key: Uint8Array): boolean {
  return key.length > 0 && !key.includes(LINE_END) && !key.includes(CARRIAGE_RETURN);
}

/** The keys of a file that has one a line, as bytes. Empty lines are none. Throws what the system says where it cannot be read. */
export function readKeyList(path: string): Uint8Array[] {
  const bytes = readFileSync(path);
  const keys: Uint8Array[] = [];
  for (let from = 0; from < bytes.length && keys.length < KEYS_MAX;) {
    const found = bytes.indexOf(LINE_END, from);
    const end = found < 0 ? bytes.length : found;
    const key = bytes.subarray(from, bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end);
    if (canBeListed(key)) keys.push(key);
    from = end + 1;
  }
  return keys;
}

/** Writes such a file in the place of the one before: a reader finds one of the two whole. */
export async function writeKeyList(path: string, keys: readonly Uint8Array[]): Promise<void> {
  const unfinished = `${path}.new`;
  await writeFile(unfinished, Buffer.concat(keys.flatMap((key) => [key, Buffer.of(LINE_END)])));
  await rename(unfinished, path);
}
