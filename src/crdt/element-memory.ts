import { copyBytes, CopyTarget } from '../base/copied-bytes.ts';

/** What is cut into blocks at a time; an address is the number of such a chunk and a place in it. */
const CHUNK_BYTES = 65_536;
/** A longer block has a chunk of its own. */
const SHARED_BYTES_MAX: number = CHUNK_BYTES / 4;
/** The first chunk grows while it is small. */
const FIRST_BYTES = 32;
/** Blocks are moved together where more than this is lost to others that were given back, and more than is in use. */
const WASTE_BYTES_MIN = 1_024;
/** What copies faster at once than bit by bit. */
const MOVED_AT_ONCE_BYTES_MAX = 16_384;

const NOTHING = new Uint8Array(0);

/**
 * Memory for the bytes of one collection's elements: blocks are cut one behind the other and given back without a list of what is free.
 * Once much is lost that way their owner moves those in use, some with each of its changes, into new chunks (`beginMove`), and the old
 * ones go. So a small collection is one small piece of memory, and a large one is never copied as a whole.
 */
export class ElementMemory {
  #chunks: Uint8Array[] = [NOTHING];
  /** Of chunks of the full size: collections that have one are worth a view of it. */
  #targets: (CopyTarget | undefined)[] = [];
  /** The number of the first of them. */
  #firstNumber = 0;
  /** Where blocks are cut from. */
  #current = 0;
  #top = 0;
  #usedBytes = 0;
  #cutBytes = 0;
  /** Of what was cut before a move began: chunks, and bytes. */
  #oldEnd = 0;
  #oldBytes = 0;
  isMoving = false;

  /** The memory that an address is in; of no bytes, nothing. */
  buffer(address: number): Uint8Array {
    return this.#chunks[Math.floor(address / CHUNK_BYTES) - this.#firstNumber] ?? NOTHING;
  }

  /** Where in it the block begins. */
  offset(address: number): number {
    // a remainder of doubles would be a call
    return address - Math.floor(address / CHUNK_BYTES) * CHUNK_BYTES;
  }

  /** Copies bytes to a block, so many behind its beginning. */
  write(from: Uint8Array, start: number, length: number, address: number, behind: number): void {
    const number = Math.floor(address / CHUNK_BYTES);
    const at = address - number * CHUNK_BYTES + behind;
    const target = this.#targets[number - this.#firstNumber];
    if (target === undefined) copyBytes(from, start, length, this.#chunks[number - this.#firstNumber] ?? NOTHING, at);
    else target.copy(from, start, start + length, at);
  }

  /** The address of a new block; no bytes may be asked for, and are nowhere in particular. */
  allocate(bytes: number): number {
    if (bytes === 0) return this.#firstNumber * CHUNK_BYTES;
    this.#usedBytes += bytes;
    this.#cutBytes += bytes;
    if (bytes > SHARED_BYTES_MAX)
      return (this.#firstNumber + this.#chunks.push(new Uint8Array(bytes)) - 1) * CHUNK_BYTES;
    const end = this.#top + bytes;
    if (end > this.#chunk.length) this.#makeRoom(bytes);
    const at = this.#top;
    this.#top = at + bytes;
    return (this.#firstNumber + this.#current) * CHUNK_BYTES + at;
  }

  get #chunk(): Uint8Array {
    return this.#chunks[this.#current] as Uint8Array;
  }

  #makeRoom(bytes: number): void {
    const before = this.#chunk;
    const needed = this.#top + bytes;
    if (before.length === CHUNK_BYTES || needed > CHUNK_BYTES) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      this.#current = this.#chunks.push(chunk) - 1;
      this.#targets[this.#current] = new CopyTarget(chunk);
      this.#top = 0;
      return;
    }
    const larger = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(needed, before.length * 2, FIRST_BYTES)));
    larger.set(before.subarray(0, this.#top));
    this.#chunks[this.#current] = larger;
  }

  /** A block of so many bytes is no longer in use. */
  free(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** Whether it is time to move what is in use. */
  get isWasteful(): boolean {
    const waste = this.#cutBytes - this.#usedBytes;
    return !this.isMoving && waste > WASTE_BYTES_MIN && waste > this.#usedBytes;
  }

  /** From now on blocks are cut from new chunks. All that is in use is to be moved: allocated anew, copied, and freed. */
  beginMove(): void {
    this.isMoving = true;
    this.#oldEnd = this.#chunks.length;
    this.#oldBytes = this.#cutBytes;
    this.#current = this.#chunks.push(NOTHING) - 1;
    this.#top = 0;
  }

  /** Whether so little is in use that it is all to be moved in one go. */
  get isMovedAtOnce(): boolean {
    return this.#usedBytes <= MOVED_AT_ONCE_BYTES_MAX;
  }

  /** All has been moved. */
  endMove(): void {
    this.isMoving = false;
    this.#chunks = this.#chunks.slice(this.#oldEnd);
    this.#targets = this.#targets.slice(this.#oldEnd);
    this.#firstNumber += this.#oldEnd;
    this.#current -= this.#oldEnd;
    this.#cutBytes -= this.#oldBytes;
  }
}
