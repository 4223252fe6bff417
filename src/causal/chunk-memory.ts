/** What is cut into chunks; how many of its bytes hold chunks of the log. */
interface Piece {
  readonly buffer: ArrayBuffer;
  top: number;
  chunks: number;
}

/** A chunk longer than this part of a piece has memory of its own. */
const SHARED_PART = 2;
/** Pieces kept for what comes next; more are for the collector. */
const FREE_MAX = 4;

/**
 * Memory for the chunks of this node's own stream, used again when all chunks of a piece have left the log. A stream takes more memory
 * outside the heap than all else that a node does, and it is that which makes the collector run: marking the whole heap, on several threads.
 *
 * A chunk that left the log may still stand in the outbox. So its memory rests until what is there was handed out (`handedOut`), and whoever
 * takes outputs is done with their frames, or has copied them, before he lets the node go on.
 */
export class ChunkMemory {
  readonly #pieceBytes: number;
  readonly #pieces: WeakMap<ArrayBufferLike, Piece> = new WeakMap();
  #current: Piece | null = null;
  #resting: Piece[] = [];
  readonly #free: Piece[] = [];

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes;
  }

  /** So many bytes, of no particular content. */
  allocate(bytes: number): Uint8Array {
    if (bytes * SHARED_PART > this.#pieceBytes) return new Uint8Array(bytes);
    if (this.#current === null || this.#current.top + bytes > this.#pieceBytes) this.#begin();
    const piece = this.#current as Piece;
    const chunk = new Uint8Array(piece.buffer, piece.top, bytes);
    piece.top += bytes;
    piece.chunks++;
    return chunk;
  }

  #begin(): void {
    const before = this.#current;
    if (before !== null && before.chunks === 0) this.#resting.push(before);
    this.#current = this.#free.pop() ?? this.#made();
  }

  #made(): Piece {
    const piece = { buffer: new ArrayBuffer(this.#pieceBytes), top: 0, chunks: 0 };
    this.#pieces.set(piece.buffer, piece);
    return piece;
  }

  /** A chunk left the log; what was not allocated here is of no concern. */
  release({ buffer }: Uint8Array): void {
    const piece = this.#pieces.get(buffer);
    if (piece !== undefined && --piece.chunks === 0 && piece !== this.#current) this.#resting.push(piece);
  }

  /** All frames are with whoever sends them. */
  handedOut(): void {
    if (this.#resting.length === 0) return;
    for (const piece of this.#resting) {
      if (this.#free.length === FREE_MAX) break;
      piece.top = 0;
      this.#free.push(piece);
    }
    this.#resting = [];
  }
}
