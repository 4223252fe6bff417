import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';

const FILE = 'data.mdb';

/**
 * The root pages of an LMDB file, as `mdb.c` writes them (data version 2, in the byte order of the machine):
 *
 *     page header (24) ‖ magic (4) ‖ version (4) ‖ address (8) ‖ map size (8) ‖ page size (4) … ‖ last page (8, at 144) ‖ transaction (8)
 *
 * The second root is one page further. Transactions take turns: the even ones write the first root, the odd ones the second.
 */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const ROOT_BYTES = 160;

/** How long the file is, 0 where there is none. */
export function treeBytes(folder: string): number {
  return statSync(join(folder, FILE), { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Whether the file is as long as it was once, and both roots are as two transactions in a row leave them; or it is not there yet. LMDB does
 * not ask: the root with the higher number counts, so that a damaged number would take the last transaction back.
 */
export function treeIsWhole(folder: string, bytesMin: number): boolean {
  return withRoots(folder, (first, second, size) => {
    if (size < bytesMin) return false;
    // What has another shape LMDB refuses itself; what is empty it fills.
    if (first === null) return size === 0 || size >= ROOT_BYTES;
    if (second === null || size % first.pageBytes !== 0) return false;
    const isInTurn = first.transaction % 2 === 0 && (second.transaction % 2 === 1 || second.transaction === 0);
    return isInTurn && Math.abs(first.transaction - second.transaction) <= 1;
  });
}

/**
 * Makes the file as long as its roots say. Pages at its end that a transaction took and gave back are not written, so it may be shorter and
 * have everything. LMDB maps it, and a page that is not there ends the process without a word; one of zeros it names.
 */
export function mendEnd(folder: string): void {
  const bytes = bytesOfRoots(folder);
  if (treeBytes(folder) >= bytes) return;
  const file = openSync(join(folder, FILE), 'r+');
  try {
    ftruncateSync(file, bytes);
    // the journal says from now on that it was so long
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Whether it can be read as it is, by one that must not change it. */
export function treeIsReadable(folder: string): boolean {
  return treeIsWhole(folder, bytesOfRoots(folder));
}

function bytesOfRoots(folder: string): number {
  return withRoots(folder, (first, second) => {
    if (first === null || second === null) return 0;
    return (Math.max(first.lastPage, second.lastPage) + 1) * first.pageBytes;
  });
}

function withRoots<T>(folder: string, look: (first: Root | null, second: Root | null, size: number) => T): T {
  const size = treeBytes(folder);
  let file: number;
  try {
    file = openSync(join(folder, FILE), 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return look(null, null, 0);
    throw error;
  }
  try {
    const first = rootAt(file, 0);
    return look(first, first === null ? null : rootAt(file, first.pageBytes), size);
  } finally {
    closeSync(file);
  }
}

interface Root {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
}

function rootAt(file: number, at: number): Root | null {
  const root = new DataView(new ArrayBuffer(ROOT_BYTES));
  if (readSync(file, root, 0, ROOT_BYTES, at) < ROOT_BYTES) return null;
  const isLittle = endianness() === 'LE';
  if (root.getUint32(MAGIC_AT, isLittle) !== MAGIC) return null;
  return {
    pageBytes: root.getUint32(PAGE_SIZE_AT, isLittle),
    lastPage: Number(root.getBigUint64(LAST_PAGE_AT, isLittle)),
    transaction: Number(root.getBigUint64(TRANSACTION_AT, isLittle)),
  };
}
