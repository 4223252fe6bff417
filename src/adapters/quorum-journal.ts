import { closeSync, constants, ftruncateSync, fstatSync, openSync, readFileSync, write, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CommitPace } from './commit-pace.ts';
import { hasLaterRecord, recordAt, RecordWriter, SECTOR_BYTES } from './journal-records.ts';
import { NUMBER_BYTES, numberAt, writeNumber } from './record-block.ts';

/**
 * The first sector of a file:
 *
 *     CRC-32 of the rest (4) ‖ magic (8) ‖ mark (6) ‖ sequence of the first record (6)
 */
const MAGIC = Buffer.from('cwjourn1');
const CRC_BYTES = 4;
const MARK_AT: number = CRC_BYTES + MAGIC.length;
const FIRST_AT: number = MARK_AT + NUMBER_BYTES;
const HEADER_BYTES: number = FIRST_AT + NUMBER_BYTES;

const NAMES = ['journal-0', 'journal-1'] as const;
/** A file that has so much is left for the other one, once what that has is kept elsewhere. */
const FILE_BYTES: number = 4 * 1024 * 1024;
/** Files grow by zeros written ahead: a sync of a file that has its size already is quicker. */
const GROW_BYTES: number = 256 * 1024;
const ZEROS: Buffer = Buffer.alloc(GROW_BYTES);
const FILE_MODE = 0o600;

/** A record that was read back. */
export interface JournalRecord {
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** What the journal has; the mark is null where there is none. */
export interface JournalContent {
  readonly mark: number | null;
  readonly records: readonly JournalRecord[];
}

/** A record to be written: how long its body is, and who puts it there. */
export interface JournalEntry {
  readonly sequence: number;
  readonly bytes: number;
  writeTo(into: Buffer, at: number): void;
}

interface Waiting {
  readonly entry: JournalEntry;
  readonly done: () => void;
}

interface File {
  readonly descriptor: number;
  /** Of the last record in it. */
  lastSequence: number;
  allocated: number;
}

/**
 * A redo journal of two files that take turns: what is appended is on disk when it is said to be done (O_DSYNC), and is kept until it is
 * said to be kept elsewhere. A record takes one write of one file that has its size already, where a transaction of LMDB takes two
 * with the pages between them. What comes while a write is on its way goes into the next.
 */
export class QuorumJournal {
  readonly #folder: string;
  readonly #pace: CommitPace;
  readonly #failed: (error: unknown) => void;
  readonly #writer: RecordWriter = new RecordWriter();
  readonly #waiting: Waiting[] = [];
  #files: File[] = [];
  #current = 0;
  #at = 0;
  #mark = 0;
  #retired = 0;
  #isUnderWay = false;
  #isOver = false;
  #whenIdle: (() => void) | null = null;

  /** `failed` is told once of a write that failed: what is on disk is not known from then on, and nothing is done any more. */
  constructor(folder: string, syncBytesMax: number | undefined, failed: (error: unknown) => void) {
    this.#folder = folder;
    this.#pace = new CommitPace(syncBytesMax);
    this.#failed = failed;
  }

  /** What the files have. Throws an error that begins with MDB_CORRUPTED where that is less than was said to be done. */
  read(): JournalContent {
    const files = NAMES.flatMap((name) => readHeader(join(this.#folder, name)));
    const mark = files.length === 0 ? null : Math.max(...files.map((file) => file.mark));
    const records: JournalRecord[] = [];
    const ofMark = files.filter((file) => file.mark === mark).toSorted((one, other) => one.first - other.first);
    for (const { bytes, first } of ofMark) {
      const last = records.at(-1)?.sequence ?? first - 1;
      if (first !== last + 1) throw damaged('a part of the journal is missing');
      for (let at = SECTOR_BYTES, sequence = first; ; sequence++) {
        const found = recordAt(bytes, at, sequence, mark ?? 0);
        if (typeof found === 'object') {
          records.push({ sequence, body: found.body });
          at = found.end;
          continue;
        }
        if (found === 'damaged' || hasLaterRecord(bytes, at, sequence, mark ?? 0))
          throw damaged(`record ${sequence} of the journal`);
        break;
      }
    }
    return { mark, records };
  }

  /** Begins anew under a mark, with nothing in it: what it had is kept elsewhere. Nothing is on its way then. */
  begin(mark: number, nextSequence: number): void {
    if (this.#files.length === 0) this.#files = NAMES.map((name) => openFile(join(this.#folder, name)));
    this.#mark = mark;
    this.#retired = nextSequence - 1;
    this.#current = 0;
    this.#writer.addSector(headerOf(mark, nextSequence));
    this.#writeWhole(this.#writer.take(), 0);
    this.#at = SECTOR_BYTES;
    this.#file.allocated = Math.max(this.#file.allocated, SECTOR_BYTES);
    for (const file of this.#files) file.lastSequence = this.#retired;
  }

  /** Sequences go up by one. `done` comes when it is on disk, in order, never before this returns. */
  append(entry: JournalEntry, done: () => void): void {
    this.#waiting.push({ entry, done });
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    // after this piece of work: what else it appends goes along, and what it sends leaves before the loop stops
    queueMicrotask(() => this.#writeWaiting());
  }

  /** All up to this sequence is kept elsewhere. */
  retire(sequence: number): void {
    this.#retired = Math.max(this.#retired, sequence);
  }

  /** Calls back when nothing is on its way any more, or nothing will be done. */
  whenIdle(idle: () => void): void {
    if (!this.#isUnderWay || this.#isOver) idle();
    else this.#whenIdle = idle;
  }

  close(): void {
    this.#isOver = true;
    for (const { descriptor } of this.#files.splice(0)) closeSync(descriptor);
  }

  get #file(): File {
    return this.#files[this.#current] as File;
  }

  #writeWaiting(): void {
    if (this.#waiting.length === 0 || this.#isOver) {
      this.#isUnderWay = false;
      this.#whenIdle?.();
      this.#whenIdle = null;
      return;
    }
    const taken = this.#waiting.splice(0);
    const ended = (): void => {
      for (const { done } of taken) done();
      this.#writeWaiting();
    };
    try {
      const bytes = this.#encode(taken);
      const at = this.#at;
      this.#at += bytes.length;
      if (this.#pace.staysOnLoop(bytes.length)) {
        const startedMs = performance.now();
        this.#writeWhole(bytes, at);
        this.#pace.tookOnLoop(performance.now() - startedMs);
        ended();
      } else this.#writeOffLoop(bytes, at, ended);
    } catch (error) {
      this.#fail(error);
    }
  }

  #encode(taken: readonly Waiting[]): Buffer {
    const other = this.#files[1 - this.#current] as File;
    if (this.#at >= FILE_BYTES && other.lastSequence <= this.#retired)
      this.#switchTo(other, taken[0]?.entry.sequence ?? 0);
    for (const { entry } of taken) {
      this.#writer.add(entry.sequence, entry.bytes, this.#mark, (into, at) => entry.writeTo(into, at));
      this.#file.lastSequence = entry.sequence;
    }
    const bytes = this.#writer.take();
    this.#grow(this.#at + bytes.length);
    return bytes;
  }

  /** Its header goes with the first records. */
  #switchTo(other: File, firstSequence: number): void {
    this.#current = 1 - this.#current;
    this.#at = 0;
    // what a large batch made of it is not kept
    if (other.allocated > 2 * FILE_BYTES) {
      ftruncateSync(other.descriptor, FILE_BYTES);
      other.allocated = FILE_BYTES;
    }
    this.#writer.addSector(headerOf(this.#mark, firstSequence));
  }

  #grow(upTo: number): void {
    const file = this.#file;
    if (upTo <= file.allocated) return;
    const end = Math.ceil(upTo / GROW_BYTES) * GROW_BYTES;
    for (let at = file.allocated; at < end; at += GROW_BYTES)
      this.#writeWhole(ZEROS.subarray(0, Math.min(GROW_BYTES, end - at)), at);
    file.allocated = end;
  }

  #writeWhole(bytes: Buffer, at: number): void {
    for (let written = 0; written < bytes.length;)
      written += writeSync(this.#file.descriptor, bytes, written, bytes.length - written, at + written);
  }

  #writeOffLoop(bytes: Buffer, at: number, ended: () => void): void {
    const next = (written: number): void => {
      write(this.#file.descriptor, bytes, written, bytes.length - written, at + written, (error, count) => {
        if (error !== null) this.#fail(error);
        else if (written + count < bytes.length) next(written + count);
        else ended();
      });
    };
    next(0);
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#failed(error);
    this.#whenIdle?.();
  }
}

function openFile(path: string): File {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC;
  const descriptor = openSync(path, flags, FILE_MODE);
  return { descriptor, lastSequence: 0, allocated: fstatSync(descriptor).size };
}

function headerOf(mark: number, first: number): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  sector.set(MAGIC, CRC_BYTES);
  writeNumber(sector, MARK_AT, mark);
  writeNumber(sector, FIRST_AT, first);
  sector.writeUInt32BE(crc32(sector.subarray(CRC_BYTES, HEADER_BYTES)), 0);
  return sector;
}

interface ReadFile {
  readonly mark: number;
  readonly first: number;
  readonly bytes: Buffer;
}

/** None for a file that is not there or was never begun. */
function readHeader(path: string): ReadFile[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const isBegun = bytes.length >= SECTOR_BYTES && bytes.subarray(0, HEADER_BYTES).some((byte) => byte !== 0);
  if (!isBegun) return [];
  const isSound =
    crc32(bytes.subarray(CRC_BYTES, HEADER_BYTES)) === bytes.readUInt32BE(0) &&
    MAGIC.equals(bytes.subarray(CRC_BYTES, MARK_AT));
  if (!isSound) throw damaged('the head of the journal');
  return [{ mark: numberAt(bytes, MARK_AT), first: numberAt(bytes, FIRST_AT), bytes }];
}

function damaged(what: string): Error {
  return new Error(`MDB_CORRUPTED: ${what} is damaged`);
}
