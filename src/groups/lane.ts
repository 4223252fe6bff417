import { LinkedList, type Place } from '../base/linked-list.ts';
import { CausewayError } from '../errors.ts';
import { PIECE_BYTES, UNIT_BYTES_MAX } from './lane-limits.ts';
import { LaneWindow } from './lane-window.ts';

/** A frame that is to be sent when there is room. */
export interface Parcel {
  /** How many bytes it has, about. */
  readonly bytes: number;
  /** Whether the peer does not count it as taken: what only waits for others to go before it. */
  readonly isFree?: true;
  /** Its bytes, asked for once, when it begins to leave. */
  encode(): Uint8Array;
  /** It has left whole: from now on the peer may have it. */
  left?(): void;
}

interface Waiting {
  readonly parcel: Parcel;
  place: Place<Waiting> | null;
  /** It has left whole, or was taken back. */
  isOver: boolean;
}

interface Stream {
  readonly name: string;
  /** What has begun to leave, if anything, is the first of them. */
  readonly waiting: LinkedList<Waiting>;
  begun: { readonly first: Waiting; readonly bytes: Uint8Array; offset: number } | null;
  waitingBytes: number;
  waitingCount: number;
  isInTurn: boolean;
}

/** What a lane makes of parcels. */
export interface LaneOut {
  /** On the monotonic clock. */
  nowMs(): number;
  /** A whole frame, of `PIECE_BYTES` at most. */
  send(frame: Uint8Array): void;
  /** Encodes a piece of a larger frame. */
  piece(stream: string, begins: boolean, ends: boolean, bytes: Uint8Array): Uint8Array;
}

/**
 * What is on its way to one peer over one control connection, all but the small messages that must never wait. Never more than a window is
 * under way and not said to be taken. What finds no room waits in its stream: a stream keeps its order, streams take turns, and what is
 * large leaves in pieces. So nobody waits for long behind others' bytes, and the connection never fills.
 */
export class Lane {
  readonly #out: LaneOut;
  readonly #streams: Map<string, Stream> = new Map();
  /** Streams that have something to send, in the order of their turns. */
  readonly #turns: Stream[] = [];
  readonly #window: LaneWindow = new LaneWindow();
  #sentBytes = 0;
  #takenBytes = 0;

  constructor(out: LaneOut) {
    this.#out = out;
  }

  get underWayBytes(): number {
    return this.#sentBytes - this.#takenBytes;
  }

  /** What waits in a stream, and has not left. */
  waitingBytes(stream: string): number {
    return this.#streams.get(stream)?.waitingBytes ?? 0;
  }

  waitingCount(stream: string): number {
    return this.#streams.get(stream)?.waitingCount ?? 0;
  }

  isIdle(stream: string): boolean {
    return this.waitingCount(stream) === 0;
  }

  /** Sends it now or later. Returns what takes it back: true where that came before it had left whole, so that the peer never has it. */
  push(stream: string, parcel: Parcel): () => boolean {
    const of = this.#streamOf(stream);
    const waiting: Waiting = { parcel, place: null, isOver: false };
    waiting.place = of.waiting.append(waiting);
    of.waitingBytes += parcel.bytes;
    of.waitingCount++;
    if (!of.isInTurn) {
      of.isInTurn = true;
      this.#turns.push(of);
    }
    this.#pump();
    return () => {
      if (waiting.isOver) return false;
      this.#end(of, waiting);
      return true;
    };
  }

  #streamOf(name: string): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = {
        name,
        waiting: new LinkedList(),
        begun: null,
        waitingBytes: 0,
        waitingCount: 0,
        isInTurn: false,
      };
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /** The peer says how many bytes it has taken since the connection began. Throws PROTOCOL for what cannot be. */
  taken(bytes: number): void {
    if (bytes < this.#takenBytes || bytes > this.#sentBytes)
      throw new CausewayError('PROTOCOL', `taken ${bytes} bytes of ${this.#sentBytes}, after ${this.#takenBytes}`);
    this.#takenBytes = bytes;
    this.#window.taken(bytes, this.#out.nowMs());
    this.#pump();
  }

  get #hasRoom(): boolean {
    return this.underWayBytes + UNIT_BYTES_MAX <= this.#window.bytes;
  }

  /** Sends what there is room for, a piece's worth of each stream in turn. */
  #pump(): void {
    while (this.#hasRoom) {
      const stream = this.#turns.shift();
      if (stream === undefined) return this.#window.idle();
      let turnBytes = 0;
      while (turnBytes < PIECE_BYTES && this.#hasRoom) {
        const bytes = this.#sendNext(stream);
        if (bytes === 0) break;
        turnBytes += bytes;
      }
      stream.isInTurn = stream.waitingCount > 0;
      if (stream.isInTurn) this.#turns.push(stream);
    }
    if (this.#turns.length > 0) this.#window.full(this.#sentBytes, this.#out.nowMs());
    else this.#window.idle();
  }

  /** The next frame or piece of a stream: its bytes, 0 where there is none. */
  #sendNext(stream: Stream): number {
    const begins = stream.begun === null;
    const next = stream.begun ?? this.#begin(stream);
    if (next === null) return 0;
    const { bytes, first, offset } = next;
    next.offset = Math.min(offset + PIECE_BYTES, bytes.length);
    const ends = next.offset === bytes.length;
    const unit =
      begins && ends ? bytes : this.#out.piece(stream.name, begins, ends, bytes.subarray(offset, next.offset));
    if (first.parcel.isFree !== true) this.#sentBytes += unit.length;
    this.#out.send(unit);
    if (ends) {
      this.#end(stream, first);
      first.parcel.left?.();
    }
    return unit.length;
  }

  #begin(stream: Stream): Stream['begun'] {
    const { first } = stream.waiting;
    if (first === undefined) return null;
    stream.begun = { first, bytes: first.parcel.encode(), offset: 0 };
    return stream.begun;
  }

  /** It waits no more. Of what had begun to leave the peer drops the pieces, when the next of the stream begins. */
  #end(stream: Stream, waiting: Waiting): void {
    waiting.isOver = true;
    waiting.place?.leave();
    stream.waitingBytes -= waiting.parcel.bytes;
    stream.waitingCount--;
    if (stream.begun?.first === waiting) stream.begun = null;
  }
}
