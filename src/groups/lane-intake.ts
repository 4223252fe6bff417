import { CausewayError } from '../errors.ts';
import { FRAME_BYTES_MAX, TAKEN_EVERY_BYTES } from './lane-limits.ts';

/** A part of a frame that is too large to be sent at once. */
export interface Piece {
  readonly stream: string;
  readonly begins: boolean;
  readonly ends: boolean;
  readonly bytes: Uint8Array;
}

/** Only the last piece is smaller: what is kept of a piece beside its bytes is little to them. */
const PIECE_BYTES_MIN = 1_024;

interface Partial {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** The other end of a peer's `Lane`: counts what was taken of it, and puts pieces together. */
export class LaneIntake {
  readonly #isStream: (name: string) => boolean;
  readonly #partials: Map<string, Partial> = new Map();
  #takenBytes = 0;
  #toldBytes = 0;

  /** `isStream` says which streams there can be: each may have a frame begun. */
  constructor(isStream: (name: string) => boolean) {
    this.#isStream = isStream;
  }

  /** Counts bytes that came on the lane. Returns what the peer is to be told that was taken, null while it need not be. */
  took(bytes: number): number | null {
    this.#takenBytes += bytes;
    if (this.#takenBytes - this.#toldBytes < TAKEN_EVERY_BYTES) return null;
    this.#toldBytes = this.#takenBytes;
    return this.#takenBytes;
  }

  /** The whole frame where this piece is its last, else null. Throws PROTOCOL for what no lane sends. */
  put({ stream, begins, ends, bytes }: Piece): Uint8Array | null {
    if (!this.#isStream(stream)) throw new CausewayError('PROTOCOL', 'a piece of a stream that there is not');
    if (bytes.length < PIECE_BYTES_MIN && !ends) throw new CausewayError('PROTOCOL', 'a piece of nearly nothing');
    // what had begun before was taken back
    const partial = begins ? { pieces: [], bytes: 0 } : this.#partials.get(stream);
    if (partial === undefined) throw new CausewayError('PROTOCOL', 'a piece of a frame that did not begin');
    partial.pieces.push(bytes);
    partial.bytes += bytes.length;
    if (partial.bytes > FRAME_BYTES_MAX)
      throw new CausewayError('PROTOCOL', `a frame in pieces is larger than ${FRAME_BYTES_MAX} bytes`);
    if (!ends) {
      this.#partials.set(stream, partial);
      return null;
    }
    this.#partials.delete(stream);
    return joined(partial);
  }
}

function joined({ pieces, bytes }: Partial): Uint8Array {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
