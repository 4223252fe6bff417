import { latin1Bytes } from '../base/bytes.ts';
import type { SnapshotMeta } from '../quorum/messages.ts';
import type { SnapshotPiece, SnapshotSource } from '../quorum/snapshot-transfer.ts';
import type { GroupCut } from './group-cut.ts';
import type { GroupCodec, GroupPart } from './strong-frames.ts';

/** Of the length before each part. */
export const PART_LENGTH_BYTES = 4;
/** Keys or rows of a part: few enough that nobody waits for one. */
const PART_ENTRIES_MAX = 256;
const PART_BYTES_MAX: number = 64 * 1024;

/**
 * A group's state on its way to a member (Raft paper, section 7), as parts that follow each other:
 *
 *     length (4, big endian) ‖ part      meta first, then keys, then rows of the requests
 *
 * They are made as they are read, so that no turn makes more than it sends.
 */
export class GroupSnapshot implements SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly #cut: GroupCut;
  readonly #codec: GroupCodec;
  readonly #parts: Generator<GroupPart, void>;
  /** Made and not given out: the first from `#at` on. */
  readonly #made: Uint8Array[] = [];
  #at = 0;
  #madeBytes = 0;
  #isEnded = false;

  constructor(meta: SnapshotMeta, cut: GroupCut, codec: GroupCodec) {
    this.meta = meta;
    this.#cut = cut;
    this.#codec = codec;
    this.#parts = partsOf(cut, codec);
  }

  next(bytesMax: number): SnapshotPiece {
    while (this.#madeBytes < bytesMax && !this.#isEnded) this.#make();
    const bytes = new Uint8Array(Math.min(bytesMax, this.#madeBytes));
    for (let filled = 0; filled < bytes.length;) {
      const [first = EMPTY] = this.#made;
      const taken = first.subarray(this.#at, this.#at + bytes.length - filled);
      bytes.set(taken, filled);
      filled += taken.length;
      this.#at += taken.length;
      if (this.#at < first.length) continue;
      this.#made.shift();
      this.#at = 0;
    }
    this.#madeBytes -= bytes.length;
    return { bytes, isLast: this.#isEnded && this.#madeBytes === 0 };
  }

  #make(): void {
    const { value: part } = this.#parts.next();
    if (part === undefined) {
      this.#isEnded = true;
      return;
    }
    const body = this.#codec.encodePart(part);
    const length = new Uint8Array(PART_LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, body.length);
    this.#made.push(length, body);
    this.#madeBytes += length.length + body.length;
  }

  /** Nobody reads on. */
  close(): void {
    this.#cut.close();
  }
}

const EMPTY = new Uint8Array(0);

function* partsOf(cut: GroupCut, codec: GroupCodec): Generator<GroupPart, void> {
  yield { kind: 'meta', meta: cut.meta };
  for (;;) {
    const keys = cut.nextKeys(PART_ENTRIES_MAX, PART_BYTES_MAX);
    if (keys === null) break;
    yield {
      kind: 'keys',
      pairs: keys.map(([key, state]) => [latin1Bytes(key), codec.encodeKeyState(state)] as const),
    };
  }
  for (;;) {
    const rows = cut.nextRows(PART_ENTRIES_MAX, PART_BYTES_MAX);
    if (rows === null) return;
    yield { kind: 'rows', pairs: rows.flatMap((row) => keptPair(codec.encodeRequestRow(row))) };
  }
}

/** None where there is nothing under a key. */
function keptPair([key, value]: readonly [Uint8Array, Uint8Array | null]): (readonly [Uint8Array, Uint8Array])[] {
  return value === null ? [] : [[key, value]];
}
