import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { frameAt, hasLaterFrame, isZero, SECTOR_BYTES } from './journal-frames.ts';
import type { JournalRecord, TreeReach } from './journal-frames.ts';
import { NUMBER_BYTES, numberAt, writeNumber } from './record-block.ts';

const NAMES = ['journal-0', 'journal-1'] as const;
const FILE_MODE = 0o600;
/** A file that a blocked tree made larger than twice this is cut to it. */
export const FILE_BYTES: number = 4 * 1024 * 1024;
const GROW_BYTES: number = 256 * 1024;
const ZEROS: Buffer = Buffer.alloc(GROW_BYTES);

export const IDENTITY_BYTES = 8;

/** What life of what folder a journal is of, and where the tree was when that began. */
export interface JournalLife extends TreeReach {
  /** Random, of the folder. */
  readonly identity: Uint8Array;
  readonly mark: number;
}

interface Header extends JournalLife {
  /** Sequence of the first record in the file, 0 for a file that is not in use. */
  readonly first: number;
  /** How long the file is at least. */
  readonly bytes: number;
}

/**
 * The first sector of a file:
 *
 *     CRC-32 of the rest (4) ‖ magic (8) ‖ identity (8) ‖ mark (6) ‖ turn (6) ‖ bytes of the tree (6) ‖ first (6) ‖ bytes (6) ‖ zeros
 */
const MAGIC = Buffer.from('cwjourn1');
const CRC_BYTES = 4;
const IDENTITY_AT: number = CRC_BYTES + MAGIC.length;
const MARK_AT: number = IDENTITY_AT + IDENTITY_BYTES;
const TURN_AT: number = MARK_AT + NUMBER_BYTES;
const TREE_BYTES_AT: number = TURN_AT + NUMBER_BYTES;
const FIRST_AT: number = TREE_BYTES_AT + NUMBER_BYTES;
const BYTES_AT: number = FIRST_AT + NUMBER_BYTES;

/** Of all checksums and tags of a life's frames. */
export function seedOfLife({ identity, mark }: JournalLife): number {
  const bytes = Buffer.alloc(IDENTITY_BYTES + NUMBER_BYTES);
  bytes.set(identity);
  writeNumber(bytes, IDENTITY_BYTES, mark);
  return crc32(bytes);
}

/** One of the two files, open. What is written to it is on disk when the write is over. */
export class JournalFile {
  readonly descriptor: number;
  /** Of the last record in it. */
  lastSequence = 0;
  #bytes: number;
  #life: JournalLife | null = null;
  #first = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, FILE_MODE);
    this.#bytes = Math.max(SECTOR_BYTES, fstatSync(this.descriptor).size);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is in it counts no more: it begins anew with this sequence, or is not in use (0). */
  begin(life: JournalLife, first: number): void {
    this.#life = life;
    this.#first = first;
    const isCut = this.#bytes > 2 * FILE_BYTES;
    if (isCut) this.#bytes = FILE_BYTES;
    this.#writeHeader(life);
    if (isCut) ftruncateSync(this.descriptor, FILE_BYTES);
  }

  /** Grows by zeros written ahead: a sync of a file that has its size already is quicker. */
  growTo(bytes: number): void {
    if (bytes <= this.#bytes || this.#life === null) return;
    const end = Math.ceil(bytes / GROW_BYTES) * GROW_BYTES;
    for (let at = this.#bytes; at < end; at += GROW_BYTES)
      this.write(ZEROS.subarray(0, Math.min(GROW_BYTES, end - at)), at);
    this.#bytes = end;
    this.#writeHeader(this.#life);
  }

  write(bytes: Uint8Array, at: number): void {
    for (let written = 0; written < bytes.length;)
      written += writeSync(this.descriptor, bytes, written, bytes.length - written, at + written);
  }

  close(): void {
    closeSync(this.descriptor);
  }

  #writeHeader(life: JournalLife): void {
    this.write(headerBytes({ ...life, first: this.#first, bytes: this.#bytes }), 0);
  }
}

/** Opens both files of a folder, made where they are not there. */
export function openFiles(folder: string): JournalFile[] {
  const files: JournalFile[] = [];
  try {
    for (const name of NAMES) files.push(new JournalFile(join(folder, name)));
    // their names are on disk before anything counts on them
    const descriptor = openSync(folder, constants.O_RDONLY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return files;
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** What the files have, and what of the tree they knew last. */
export interface JournalContent extends JournalLife {
  /** Before the first record, or where that would be. */
  readonly before: number;
  readonly records: readonly JournalRecord[];
  /** The last sequence that they have. */
  readonly last: number;
}

/**
 * What the files of a folder have, null where they were never begun. Throws an error that begins with MDB_CORRUPTED where that is less than was
 * said to be done.
 */
export function readFiles(folder: string): JournalContent | null {
  const [zero, one] = NAMES.map((name) => readFile(join(folder, name)));
  if (zero === undefined || zero === null) {
    if (one === undefined || one === null) return null;
    throw damaged(`${NAMES[0]}, a part of the journal,`);
  }
  // a beginning writes the first file and then the second: where that was not done there is nothing in the first yet
  const isWhole = one !== undefined && one !== null && one.mark === zero.mark && sameIdentity(one, zero);
  const inUse = isWhole && one.first > 0 ? [zero, one].toSorted((a, b) => a.first - b.first) : [zero];
  const content = readInOrder(inUse, zero);
  const isBeginning = zero.first > 0 && content.records.length === 0 && (one === null || (one?.mark ?? 0) < zero.mark);
  if (!isWhole && !isBeginning) throw damaged(`${NAMES[1]}, a part of the journal,`);
  return content;
}

interface ReadFile extends Header {
  readonly content: Buffer;
}

function readInOrder(files: readonly ReadFile[], life: JournalLife): JournalContent {
  const seed = seedOfLife(life);
  const records: JournalRecord[] = [];
  const before = (files[0]?.first ?? 1) - 1;
  let { turn, treeBytes } = life;
  let last = before;
  for (const { content, first, ...header } of files) {
    if (first !== last + 1) throw damaged('a part of the journal is missing; the rest');
    turn = Math.max(turn, header.turn);
    treeBytes = Math.max(treeBytes, header.treeBytes);
    for (let at = SECTOR_BYTES; ;) {
      const found = frameAt(content, at, last + 1, seed);
      if (typeof found !== 'object') {
        if (found === 'damaged' || hasLaterFrame(content, at, last + 1, seed))
          throw damaged(`record ${last + 1} of the journal`);
        break;
      }
      records.push(...found.records);
      last += found.records.length;
      at = found.end;
      turn = Math.max(turn, found.turn);
      treeBytes = Math.max(treeBytes, found.treeBytes);
    }
  }
  const { identity, mark } = life;
  return { identity, mark, turn, treeBytes, before, records, last };
}

/** Null for a file that is not there or was never begun. */
function readFile(path: string): ReadFile | null {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  if (content.length < SECTOR_BYTES || isZero(content, 0)) return null;
  const isSound =
    crc32(content.subarray(CRC_BYTES, SECTOR_BYTES)) === content.readUInt32BE(0) &&
    MAGIC.equals(content.subarray(CRC_BYTES, IDENTITY_AT));
  if (!isSound) throw damaged('the head of the journal');
  if (content.length < numberAt(content, BYTES_AT)) throw damaged('the journal was cut short and');
  const identity = Uint8Array.from(content.subarray(IDENTITY_AT, MARK_AT));
  const number = (at: number): number => numberAt(content, at);
  return {
    identity,
    mark: number(MARK_AT),
    turn: number(TURN_AT),
    treeBytes: number(TREE_BYTES_AT),
    first: number(FIRST_AT),
    bytes: number(BYTES_AT),
    content,
  };
}

function headerBytes({ identity, mark, turn, treeBytes, first, bytes }: Header): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  sector.set(MAGIC, CRC_BYTES);
  sector.set(identity, IDENTITY_AT);
  writeNumber(sector, MARK_AT, mark);
  writeNumber(sector, TURN_AT, turn);
  writeNumber(sector, TREE_BYTES_AT, treeBytes);
  writeNumber(sector, FIRST_AT, first);
  writeNumber(sector, BYTES_AT, bytes);
  sector.writeUInt32BE(crc32(sector.subarray(CRC_BYTES)), 0);
  return sector;
}

function sameIdentity(one: { readonly identity: Uint8Array }, other: { readonly identity: Uint8Array }): boolean {
  return Buffer.compare(one.identity, other.identity) === 0;
}

function damaged(what: string): Error {
  return new Error(`MDB_CORRUPTED: ${what} is damaged`);
}
