import { crc32 } from 'node:zlib';
import { NUMBER_BYTES, numberAt, writeNumber } from './record-block.ts';

/**
 * What a disk writes whole or not at all. A frame is what one write brings; it begins at a sector of its own, and each of its sectors ends
 * with a tag made of its sequence and the seed, so that it can be told which of them were written:
 *
 *     frame    head ‖ body
 *     head     CRC-32 of the rest of the head, seeded (4) ‖ sequence of the first record (6) ‖ turn of the tree (6) ‖ bytes of the tree (6) ‖
 *              length of the body (4) ‖ CRC-32 of the body (4)
 *     body     each record: length (4) ‖ bytes; they count up
 *     sector   508 bytes of the frame, filled up with zeros ‖ tag (4)
 *
 * The seed is that of one life of one folder: nothing that another one left in the file is taken for a frame of this one.
 */
export const SECTOR_BYTES = 512;
const TAG_BYTES = 4;
const ROOM = SECTOR_BYTES - TAG_BYTES;
const CRC_BYTES = 4;
const TURN_AT: number = CRC_BYTES + NUMBER_BYTES;
const TREE_BYTES_AT: number = TURN_AT + NUMBER_BYTES;
const LENGTH_AT: number = TREE_BYTES_AT + NUMBER_BYTES;
const BODY_CRC_AT: number = LENGTH_AT + 4;
const HEAD_BYTES: number = BODY_CRC_AT + CRC_BYTES;
const RECORD_HEAD_BYTES = 4;

const BUFFER_BYTES = 64 * 1024;
/** What one large frame took is not kept. */
const BUFFER_BYTES_MAX: number = 16 * BUFFER_BYTES;

/** A record to be written: how long it is, and who puts it there. */
export interface JournalEntry {
  readonly sequence: number;
  readonly bytes: number;
  writeTo(into: Buffer, at: number): void;
}

/** What the tree has on disk at least. */
export interface TreeReach {
  /** How many transactions. */
  readonly turn: number;
  /** The length of its file. */
  readonly treeBytes: number;
}

/** A record that was read back. */
export interface JournalRecord {
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** What a record alone takes in the file. */
export function frameBytes(recordBytes: number): number {
  return sectorBytes(HEAD_BYTES + RECORD_HEAD_BYTES + recordBytes);
}

function sectorBytes(flatBytes: number): number {
  return Math.ceil(flatBytes / ROOM) * SECTOR_BYTES;
}

function tagOf(sequence: number, seed: number): number {
  return ((sequence % 2 ** 32) ^ seed) >>> 0;
}

/** Makes frames, one after the other, in the same memory. */
export class FrameWriter {
  #flat: Buffer = Buffer.alloc(BUFFER_BYTES);
  #sectors: Buffer = Buffer.alloc(BUFFER_BYTES);

  /** The bytes of a frame of these records, at least one, whose sequences count up. They stay as they are until the next is made. */
  frameOf(entries: readonly JournalEntry[], { turn, treeBytes }: TreeReach, seed: number): Buffer {
    const sequence = entries[0]?.sequence ?? 0;
    const flatBytes = entries.reduce((sum, { bytes }) => sum + RECORD_HEAD_BYTES + bytes, HEAD_BYTES);
    this.#flat = bufferFor(this.#flat, flatBytes);
    const flat = this.#flat;
    let at = HEAD_BYTES;
    for (const entry of entries) {
      entry.writeTo(flat, flat.writeUInt32BE(entry.bytes, at));
      at += RECORD_HEAD_BYTES + entry.bytes;
    }
    writeNumber(flat, CRC_BYTES, sequence);
    writeNumber(flat, TURN_AT, turn);
    writeNumber(flat, TREE_BYTES_AT, treeBytes);
    flat.writeUInt32BE(flatBytes - HEAD_BYTES, LENGTH_AT);
    flat.writeUInt32BE(crc32(flat.subarray(HEAD_BYTES, flatBytes)), BODY_CRC_AT);
    flat.writeUInt32BE(crc32(flat.subarray(CRC_BYTES, HEAD_BYTES), seed), 0);
    return this.#inSectors(flat, flatBytes, tagOf(sequence, seed));
  }

  #inSectors(flat: Buffer, flatBytes: number, tag: number): Buffer {
    const bytes = sectorBytes(flatBytes);
    this.#sectors = bufferFor(this.#sectors, bytes);
    const sectors = this.#sectors;
    for (let from = 0, at = 0; from < flatBytes; from += ROOM, at += SECTOR_BYTES) {
      const length = Math.min(ROOM, flatBytes - from);
      flat.copy(sectors, at, from, from + length);
      if (length < ROOM) sectors.fill(0, at + length, at + ROOM);
      sectors.writeUInt32BE(tag, at + ROOM);
    }
    return sectors.subarray(0, bytes);
  }
}

function bufferFor(buffer: Buffer, bytes: number): Buffer {
  if (bytes > buffer.length) return Buffer.alloc(Math.max(bytes, 2 * buffer.length));
  return buffer.length > BUFFER_BYTES_MAX ? Buffer.alloc(Math.max(bytes, BUFFER_BYTES)) : buffer;
}

export interface Frame extends TreeReach {
  readonly records: readonly JournalRecord[];
  /** Where the next one would begin. */
  readonly end: number;
}

/**
 * The frame that begins with a sequence, where it is expected; or why there is none. `torn` is one that was not written to its end, so nobody was
 * told that it is there; `damaged` one that was and is not any more what was written.
 */
export function frameAt(file: Buffer, at: number, sequence: number, seed: number): Frame | 'end' | 'torn' | 'damaged' {
  if (at + SECTOR_BYTES > file.length) return 'end';
  const isTagged = (sector: number): boolean => file.readUInt32BE(sector + ROOM) === tagOf(sequence, seed);
  const head = headAt(file, at, seed);
  if (head === null || head.sequence !== sequence) return isTagged(at) && !isZero(file, at) ? 'damaged' : 'end';
  const end = at + sectorBytes(HEAD_BYTES + head.length);
  // the file is made longer before anything is written there
  if (end > file.length) return 'damaged';
  const body = flatOf(file, at, HEAD_BYTES + head.length).subarray(HEAD_BYTES);
  if (crc32(body) === head.bodyCrc) {
    const { turn, treeBytes } = head;
    return { records: recordsOf(body, sequence), turn, treeBytes, end };
  }
  for (let sector = at; sector < end; sector += SECTOR_BYTES) if (!isTagged(sector)) return 'torn';
  return 'damaged';
}

/**
 * Whether a frame of a later sequence begins anywhere from a place on: it was not begun before the one that is expected was there.
 * The bytes of a client within a frame do not pass for one: the tag of their sector is the frame's.
 */
export function hasLaterFrame(file: Buffer, from: number, sequence: number, seed: number): boolean {
  for (let at = from; at + SECTOR_BYTES <= file.length; at += SECTOR_BYTES) {
    const head = headAt(file, at, seed);
    if (head === null || head.sequence <= sequence || head.sequence >= sequence + 2 ** 32) continue;
    if (file.readUInt32BE(at + ROOM) === tagOf(head.sequence, seed)) return true;
  }
  return false;
}

interface Head extends TreeReach {
  readonly sequence: number;
  readonly length: number;
  readonly bodyCrc: number;
}

function headAt(file: Buffer, at: number, seed: number): Head | null {
  if (crc32(file.subarray(at + CRC_BYTES, at + HEAD_BYTES), seed) !== file.readUInt32BE(at)) return null;
  return {
    sequence: numberAt(file, at + CRC_BYTES),
    turn: numberAt(file, at + TURN_AT),
    treeBytes: numberAt(file, at + TREE_BYTES_AT),
    length: file.readUInt32BE(at + LENGTH_AT),
    bodyCrc: file.readUInt32BE(at + BODY_CRC_AT),
  };
}

function flatOf(file: Buffer, at: number, bytes: number): Buffer {
  const flat = Buffer.alloc(bytes);
  for (let from = 0; from < bytes; from += ROOM) {
    const start = at + (from / ROOM) * SECTOR_BYTES;
    flat.set(file.subarray(start, start + Math.min(ROOM, bytes - from)), from);
  }
  return flat;
}

function recordsOf(body: Buffer, firstSequence: number): JournalRecord[] {
  const records: JournalRecord[] = [];
  for (let at = 0; at < body.length;) {
    const start = at + RECORD_HEAD_BYTES;
    at = start + body.readUInt32BE(at);
    records.push({ sequence: firstSequence + records.length, body: body.subarray(start, at) });
  }
  return records;
}

export function isZero(file: Buffer, at: number): boolean {
  return file.subarray(at, at + SECTOR_BYTES).every((byte) => byte === 0);
}
