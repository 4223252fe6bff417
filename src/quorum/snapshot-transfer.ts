import type { SnapshotChunk, SnapshotMeta, SnapshotPart } from './messages.ts';

/** A piece of a snapshot. */
export interface SnapshotPiece {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** A snapshot that the driver gives for a follower: a cut that is read bit by bit, once, in order. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  /** The next piece, of at most so many bytes. The last may be empty; none follows it. */
  next: (bytesMax: number) => SnapshotPiece;
}

interface Chunk extends SnapshotPiece {
  readonly offset: number;
}

/** One snapshot on its way to one follower, in chunks ahead of their answers (Raft paper, section 7). */
export class SnapshotTransfer {
  readonly source: SnapshotSource;
  /** See `SnapshotChunk.transfer`. */
  readonly number: number;
  /** Chunks that the follower is not known to have, in order: what is not acknowledged may be sent again. */
  readonly #chunks: Chunk[] = [];
  /** How many of them are sent. */
  #sent = 0;
  #madeBytes = 0;
  #isEndMade = false;
  /** What the follower has without a gap. */
  #received = 0;
  /** Whether it lacks what is no longer here: it began anew, and needs another snapshot. */
  isLost = false;
  /** When it last had more than before, or was sent again what it lacks. */
  #movedMs: number;

  constructor(source: SnapshotSource, number: number, nowMs: number) {
    this.source = source;
    this.number = number;
    this.#movedMs = nowMs;
  }

  /** Whether a chunk may leave. */
  hasNext(underWayBytesMax: number): boolean {
    const next = this.#chunks[this.#sent];
    if (next === undefined && this.#isEndMade) return false;
    return (next?.offset ?? this.#madeBytes) - this.#received < underWayBytesMax;
  }

  /** The next chunk, or null while enough is under way. An empty snapshot is one empty chunk. */
  nextChunk(chunkBytes: number, underWayBytesMax: number): Chunk | null {
    if (!this.hasNext(underWayBytesMax)) return null;
    const chunk = this.#chunks[this.#sent] ?? this.#make(chunkBytes);
    this.#sent += 1;
    return chunk;
  }

  #make(bytesMax: number): Chunk {
    const chunk = { offset: this.#madeBytes, ...this.source.next(bytesMax) };
    this.#chunks.push(chunk);
    this.#madeBytes += chunk.bytes.length;
    this.#isEndMade = chunk.isLast;
    return chunk;
  }

  acknowledged(received: number, nowMs: number): void {
    const first = this.#chunks[0]?.offset ?? this.#madeBytes;
    if (received < first || received > this.#madeBytes) {
      this.isLost = true;
      return;
    }
    if (received > this.#received) this.#movedMs = nowMs;
    // a follower that lost what came out of order goes on where its gap begins
    if (received < this.#received) this.#sent = 0;
    this.#received = received;
    // the last one stays until the follower says that it has all: it may be empty
    const had = this.#chunks.findIndex(({ offset, bytes, isLast }) => isLast || offset + bytes.length > received);
    const count = had === -1 ? this.#chunks.length : had;
    this.#chunks.splice(0, count);
    this.#sent = Math.max(0, this.#sent - count);
  }

  /**
   * Sends again from what the follower has, if nothing came for so long: a chunk or its answer was lost. Long enough that
   * what is only slow is not sent twice.
   */
  retry(nowMs: number, retryMs: number): void {
    if (nowMs - this.#movedMs < retryMs) return;
    this.#movedMs = nowMs;
    this.#sent = 0;
  }
}

/** A snapshot of which this node has the beginning: what came and is not yet on its way to disk. */
export class PartialSnapshot {
  readonly from: number;
  readonly term: number;
  readonly transfer: number;
  readonly meta: SnapshotMeta;
  /** The newest that its sender began (see `AppendRequest.round`). */
  round = 0;
  #received = 0;
  #isEndReceived = false;
  readonly #waiting: SnapshotPart[] = [];
  /** What is on its way to disk, or there. */
  taken = 0;

  constructor({ from, term, transfer, meta }: SnapshotChunk) {
    this.from = from;
    this.term = term;
    this.transfer = transfer;
    this.meta = meta;
  }

  /** Takes a chunk that goes on where the last ended, while there is room; any other is dropped, and will be sent again. */
  add({ offset, bytes, isLast }: SnapshotChunk, waitingBytesMax: number): boolean {
    if (offset !== this.#received || this.#isEndReceived) return false;
    if (bytes.length === 0 && !isLast) return false;
    if (this.#received - this.taken >= waitingBytesMax) return false;
    this.#waiting.push({ meta: this.meta, offset, bytes });
    this.#received += bytes.length;
    this.#isEndReceived = isLast;
    return true;
  }

  get hasParts(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether all of it was taken. */
  get isTaken(): boolean {
    return this.#isEndReceived && this.#waiting.length === 0;
  }

  /** Takes parts for the next batch: about so many bytes, at least one part. */
  take(bytesMax: number): readonly SnapshotPart[] {
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && bytes < bytesMax; count++)
      bytes += this.#waiting[count]?.bytes.length ?? 0;
    const parts = this.#waiting.splice(0, count);
    for (const { bytes } of parts) this.taken += bytes.length;
    return parts;
  }
}
