import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CausewayError } from '../errors.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** What went wrong in a folder and what to do about it, by the system's words in the message; `damaged` is what to do when nothing else helps. */
export function storeError(cause: unknown, folder: string, damaged: string): CausewayError {
  if (cause instanceof CausewayError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CausewayError('STORE', `the store in ${folder} failed: ${reason}; ${adviceFor(reason, damaged)}`, {
    cause,
  });
}

function adviceFor(reason: string, damaged: string): string {
  if (/no space|ENOSPC|quota|EDQUOT/i.test(reason)) return 'make room on that disk and start again';
  if (/file too large|EFBIG/i.test(reason)) return 'lift the limit on the size of files (ulimit -f) and start again';
  if (/permission|EACCES|EPERM|read-only|EROFS/i.test(reason)) {
    return 'give the user of this process the right to write there, or name another folder';
  }
  // LMDB calls a write that was cut short an input/output error too, and a disk that gets full cuts the last one short.
  if (/input\/output|EIO/i.test(reason))
    return 'make room on that disk, or replace it if it is failing, and start again';
  if (/MDB_(INVALID|CORRUPTED|VERSION_MISMATCH|PAGE_NOTFOUND|PANIC)|impossible shape/i.test(reason)) return damaged;
  return `if it stays so, ${damaged}`;
}

/** lmdb rejects a commit with a wrapper at once and tells the cause in a second promise, which nobody else waits for. */
export async function commitCause(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

/** A folder of the data folder, made when it is not there, for its owner only. */
export function privateFolder(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(parent, { recursive: true, mode: FOLDER_MODE });
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  chmodSync(folder, FOLDER_MODE);
  return folder;
}

export function makePrivate(folder: string): void {
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), FILE_MODE);
}
