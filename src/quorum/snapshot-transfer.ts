import { assert } from '../base/assert.ts';
import type { SnapshotMeta } from './messages.ts';

/** A snapshot that the driver gives for a follower. It stays readable until the transfer ends. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly totalBytes: number;
  read: (offset: number, length: number) => Uint8Array;
}

/** One snapshot on its way to one follower, in chunks ahead of their answers (Raft paper, section 7). */
export class SnapshotTransfer {
  readonly source: SnapshotSource;
  /** What the follower has without a gap. */
  #received = 0;
  #sent = 0;
  #isEndSent = false;
  /** When it last had more than before, or was sent again what it lacks. */
  #movedMs: number;

  constructor(source: SnapshotSource, nowMs: number) {
    this.source = source;
    this.#movedMs = nowMs;
  }

  /** The next chunk, or null while enough is under way. An empty snapshot is one empty chunk. */
  nextChunk(
    chunkBytes: number,
    underWayBytesMax: number,
  ): { readonly offset: number; readonly bytes: Uint8Array } | null {
    const isOver = this.#sent >= this.source.totalBytes && this.#isEndSent;
    if (isOver || this.#sent - this.#received >= underWayBytesMax) return null;
    const offset = this.#sent;
    const length = Math.min(chunkBytes, this.source.totalBytes - offset);
    const bytes = this.source.read(offset, length);
    assert(bytes.length === length, 'a snapshot has the bytes that it was said to have');
    this.#sent += bytes.length;
    this.#isEndSent = this.#sent >= this.source.totalBytes;
    return { offset, bytes };
  }

  acknowledged(received: number, nowMs: number): void {
    if (received > this.#received) this.#movedMs = nowMs;
    // A follower that restarted has less than before.
    if (received < this.#received) this.#rewind(received);
    this.#received = received;
    if (this.#sent < received) this.#sent = received;
  }

  /**
   * Sends again from what the follower has, if nothing came for so long: a chunk or its answer was lost. Long enough that
   * what is only slow is not sent twice.
   */
  retry(nowMs: number, retryMs: number): void {
    if (nowMs - this.#movedMs < retryMs) return;
    this.#movedMs = nowMs;
    this.#rewind(this.#received);
  }

  #rewind(to: number): void {
    this.#sent = to;
    this.#isEndSent = false;
  }
}

/** A snapshot of which this node has the beginning. */
export class PartialSnapshot {
  readonly from: number;
  readonly term: number;
  readonly meta: SnapshotMeta;
  readonly totalBytes: number;
  #received = 0;
  readonly #chunks: Uint8Array[] = [];

  constructor(from: number, term: number, meta: SnapshotMeta, totalBytes: number) {
    this.from = from;
    this.term = term;
    this.meta = meta;
    this.totalBytes = totalBytes;
  }

  get received(): number {
    return this.#received;
  }

  /** Takes a chunk that goes on where the last ended; any other is dropped. */
  add(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#received || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#received += bytes.length;
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#received);
    let offset = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }
}
