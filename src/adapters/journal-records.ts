import { crc32 } from 'node:zlib';
import { NUMBER_BYTES, numberAt, writeNumber } from './record-block.ts';

/**
 * What a disk writes whole or not at all. A record begins at a sector of its own, and each of its sectors ends with the low half of
 * its sequence, so that it can be told which of them were written:
 *
 *     record   CRC-32 of the rest, seeded by the journal's mark (4) ‖ sequence (6) ‖ length (4) ‖ body
 *     sector   508 bytes of the record, filled up with zeros ‖ low half of the sequence (4)
 */
export const SECTOR_BYTES = 512;
const TAG_BYTES = 4;
const ROOM = SECTOR_BYTES - TAG_BYTES;
const CRC_BYTES = 4;
const LENGTH_AT: number = CRC_BYTES + NUMBER_BYTES;
const HEADER_BYTES: number = LENGTH_AT + 4;

const BUFFER_BYTES = 64 * 1024;

function tagOf(sequence: number): number {
  return sequence % 2 ** 32;
}

function sectorsOf(bodyBytes: number): number {
  return Math.ceil((HEADER_BYTES + bodyBytes) / ROOM);
}

/** Records one after the other, for one write. */
export class RecordWriter {
  #flat: Buffer = Buffer.alloc(BUFFER_BYTES);
  #sectors: Buffer = Buffer.alloc(BUFFER_BYTES);
  #at = 0;

  get bytes(): number {
    return this.#at;
  }

  /** A record whose body `write` puts, `bodyBytes` long, where it is told to. */
  add(sequence: number, bodyBytes: number, seed: number, write: (into: Buffer, at: number) => void): void {
    const flatBytes = HEADER_BYTES + bodyBytes;
    if (this.#flat.length < flatBytes) this.#flat = Buffer.alloc(2 * flatBytes);
    const flat = this.#flat;
    writeNumber(flat, CRC_BYTES, sequence);
    flat.writeUInt32BE(bodyBytes, LENGTH_AT);
    write(flat, HEADER_BYTES);
    flat.writeUInt32BE(crc32(flat.subarray(CRC_BYTES, flatBytes), seed), 0);
    this.#addSectors(flat, flatBytes, tagOf(sequence));
  }

  #addSectors(flat: Buffer, flatBytes: number, tag: number): void {
    const into = this.#room(Math.ceil(flatBytes / ROOM) * SECTOR_BYTES);
    for (let from = 0; from < flatBytes; from += ROOM) {
      const length = Math.min(ROOM, flatBytes - from);
      into.set(flat.subarray(from, from + length), this.#at);
      if (length < ROOM) into.fill(0, this.#at + length, this.#at + ROOM);
      into.writeUInt32BE(tag, this.#at + ROOM);
      this.#at += SECTOR_BYTES;
    }
  }

  /** A whole sector as it is. */
  addSector(sector: Uint8Array): void {
    this.#room(SECTOR_BYTES).set(sector, this.#at);
    this.#at += SECTOR_BYTES;
  }

  #room(bytes: number): Buffer {
    if (this.#at + bytes > this.#sectors.length) {
      const larger = Buffer.alloc(2 * (this.#at + bytes));
      larger.set(this.#sectors.subarray(0, this.#at));
      this.#sectors = larger;
    }
    return this.#sectors;
  }

  /** All that was added; it stays as it is until the next is added. */
  take(): Buffer {
    const taken = this.#sectors.subarray(0, this.#at);
    this.#at = 0;
    // what one large batch took is not kept
    if (this.#sectors.length > 64 * BUFFER_BYTES) this.#sectors = Buffer.alloc(BUFFER_BYTES);
    if (this.#flat.length > 64 * BUFFER_BYTES) this.#flat = Buffer.alloc(BUFFER_BYTES);
    return taken;
  }
}

/** What lies at a place where a record is expected: it, with where the next one would begin; or why there is none. */
export type Found = { readonly body: Uint8Array; readonly end: number } | 'end' | 'torn' | 'damaged';

/**
 * Looks for the record of a sequence. `torn` is one that was not written to its end, so nobody was told that it is there; `damaged` one
 * that was and is not any more what was written.
 */
export function recordAt(file: Buffer, at: number, sequence: number, seed: number): Found {
  if (at + SECTOR_BYTES > file.length) return 'end';
  const isTagged = file.readUInt32BE(at + ROOM) === tagOf(sequence);
  if (numberAt(file, at + CRC_BYTES) !== sequence) return isTagged ? 'damaged' : 'end';
  const length = file.readUInt32BE(at + LENGTH_AT);
  const end = at + sectorsOf(length) * SECTOR_BYTES;
  if (end > file.length) return 'torn';
  const flat = flatOf(file, at, HEADER_BYTES + length);
  if (crc32(flat.subarray(CRC_BYTES), seed) === flat.readUInt32BE(0)) return { body: flat.subarray(HEADER_BYTES), end };
  for (let sector = at; sector < end; sector += SECTOR_BYTES)
    if (file.readUInt32BE(sector + ROOM) !== tagOf(sequence)) return 'torn';
  return 'damaged';
}

function flatOf(file: Buffer, at: number, bytes: number): Buffer {
  const flat = Buffer.alloc(bytes);
  for (let from = 0; from < bytes; from += ROOM) {
    const start = at + (from / ROOM) * SECTOR_BYTES;
    flat.set(file.subarray(start, start + Math.min(ROOM, bytes - from)), from);
  }
  return flat;
}

/** Whether a record of a later sequence begins anywhere from a place on. */
export function hasLaterRecord(file: Buffer, from: number, sequence: number, seed: number): boolean {
  for (let at = from; at + SECTOR_BYTES <= file.length; at += SECTOR_BYTES) {
    const later = numberAt(file, at + CRC_BYTES);
    if (later > sequence && typeof recordAt(file, at, later, seed) === 'object') return true;
  }
  return false;
}
