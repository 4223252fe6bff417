import { latin1Of } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import type { StoredAside } from '../ports.ts';
import type { GroupMeta, GroupState } from './group-state.ts';
import { PART_LENGTH_BYTES } from './group-snapshot.ts';
import type { GroupCodec, GroupPart } from './strong-frames.ts';

type Pairs = StoredAside['entries'];

/**
 * A snapshot that is coming in: a state machine is made of it beside the one that is in force, and what is stored of it goes aside. Both
 * take the places of what was here once it is whole, and nothing of it counts before (RULES T5).
 */
export class GroupIntake {
  readonly index: number;
  readonly #codec: GroupCodec;
  readonly #state: GroupState;
  #meta: GroupMeta | null = null;
  /** The beginning of a part, from `#pieces` of it that came. */
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #isBegun = false;

  constructor(index: number, codec: GroupCodec, state: GroupState) {
    this.index = index;
    this.#codec = codec;
    this.#state = state;
  }

  /** Takes bytes that go on where the last ended; gives what is to be stored of them. Throws PROTOCOL for what is no snapshot. */
  take(bytes: Uint8Array): StoredAside {
    const entries: Pairs[number][] = [];
    const rows: Pairs[number][] = [];
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    for (let body = this.#nextPart(); body !== null; body = this.#nextPart()) {
      const part = this.#codec.decodePart(body);
      this.#takePart(part);
      if (part.kind === 'keys') entries.push(...part.pairs);
      if (part.kind === 'rows') rows.push(...part.pairs);
    }
    const begins = !this.#isBegun;
    this.#isBegun = true;
    return { begins, entries, rows };
  }

  #nextPart(): Uint8Array | null {
    if (this.#bytes < PART_LENGTH_BYTES) return null;
    const head = this.#pieces[0] ?? NOTHING;
    if (head.length < PART_LENGTH_BYTES) this.#join();
    const [first = NOTHING] = this.#pieces;
    const end = PART_LENGTH_BYTES + new DataView(first.buffer, first.byteOffset).getUint32(0);
    if (this.#bytes < end) return null;
    if (first.length < end) this.#join();
    const [whole = NOTHING] = this.#pieces;
    this.#pieces[0] = whole.subarray(end);
    this.#bytes -= end;
    return whole.subarray(PART_LENGTH_BYTES, end);
  }

  #join(): void {
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces.splice(0, this.#pieces.length, whole);
  }

  #takePart(part: GroupPart): void {
    if ((part.kind === 'meta') !== (this.#meta === null)) throw broken('its parts are in no order');
    switch (part.kind) {
      case 'meta':
        if (part.meta.applied !== this.index) throw broken('it is of another index');
        this.#meta = part.meta;
        return this.#state.restoreMeta(part.meta);
      case 'keys':
        return this.#state.restoreKeys(
          part.pairs.map(([key, state]) => [latin1Of(key, 0, key.length), this.#codec.decodeKeyState(state)] as const),
        );
      case 'rows':
        return this.#state.restoreRequests(part.pairs.map(([key, row]) => this.#codec.decodeRequestRow(key, row)));
    }
  }

  /** What is stored beside keys and rows. Throws PROTOCOL where something is missing. */
  get meta(): GroupMeta {
    if (this.#meta === null || this.#bytes > 0) throw broken('its end is missing');
    return this.#meta;
  }

  /** The state machine, when it is whole. */
  get state(): GroupState {
    return this.#state;
  }
}

const NOTHING = new Uint8Array(0);

function broken(why: string): CausewayError {
  return new CausewayError('PROTOCOL', `a snapshot of a group refused: ${why}`);
}
