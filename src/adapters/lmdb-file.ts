import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';

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
/** Pages that one transaction may take and give back at the end of the file. */
const ROOM_PAGES = 512;

/**
 * Whether the file has all the pages that its roots speak of and both roots are as two transactions in a row leave them, or is not there
 * yet. LMDB does not ask: it maps the file, and a page that is not there ends the process without a word; and the root with
 * the higher number counts, so that a damaged number would take the last transaction back.
 */
export function fileIsWhole(folder: string): boolean {
  let file: number;
  try {
    file = openSync(join(folder, 'data.mdb'), 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const first = rootAt(file, 0);
    // What has another shape LMDB refuses itself; what is empty it fills.
    if (first === null) return size === 0 || size >= ROOT_BYTES;
    const second = rootAt(file, first.pageBytes);
    if (second === null) return false;
    const isInTurn = first.transaction % 2 === 0 && (second.transaction % 2 === 1 || second.transaction === 0);
    const areInARow = Math.abs(first.transaction - second.transaction) <= 1;
    return isInTurn && areInARow && size >= (Math.max(first.lastPage, second.lastPage) + 1) * first.pageBytes;
  } finally {
    closeSync(file);
  }
}

/**
 * Keeps the file some pages longer than its roots speak of. A page that a transaction took and gave back is not written: were it the last
 * one, a process that is killed then would leave a file that looks cut short. Where there is no room for that it is left as it is.
 */
export function giveRoom(folder: string): void {
  let file: number | null = null;
  try {
    file = openSync(join(folder, 'data.mdb'), 'r+');
    const first = rootAt(file, 0);
    const second = first === null ? null : rootAt(file, first.pageBytes);
    if (first === null || second === null) return;
    const pages = Math.max(first.lastPage, second.lastPage) + 1;
    if (fstatSync(file).size < (pages + ROOM_PAGES / 2) * first.pageBytes)
      ftruncateSync(file, (pages + ROOM_PAGES) * first.pageBytes);
  } catch {
    // a disk that is full will be told by what is written next
  } finally {
    if (file !== null) closeSync(file);
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
