import type { ByteRange } from '../base/bytes.ts';
import type { VarintCursor } from '../base/varint.ts';
import { PARTS, TIMELESS } from './columns.ts';

/** Where a reader of columns is, as far as keys go. */
export interface KeyPlace {
  readonly kinds: VarintCursor;
  readonly lengths: VarintCursor;
  /** Updates of `kind` that are left of its run. */
  readonly kindLeft: number;
  readonly kind: number;
  readonly contentAt: number;
  /** Where the kinds end. */
  readonly kindsEnd: number;
}

/** Walks the keys of updates that a reader of the same columns comes to later; their other parts are passed. */
export class ColumnsKeys {
  readonly #kinds: VarintCursor;
  readonly #lengths: VarintCursor;
  readonly #kindsEnd: number;
  #kind: number;
  #kindLeft: number;
  #contentAt: number;

  /** The cursors of `place` are its own from now on. */
  constructor({ kinds, lengths, kind, kindLeft, contentAt, kindsEnd }: KeyPlace) {
    this.#kinds = kinds;
    this.#lengths = lengths;
    this.#kind = kind;
    this.#kindLeft = kindLeft;
    this.#contentAt = contentAt;
    this.#kindsEnd = kindsEnd;
  }

  /** Points at the key of the next update, at nothing for one that names none; false where there is no more. */
  next(key: ByteRange): boolean {
    const { buf } = this.#kinds;
    if (this.#kindLeft === 0) {
      if (this.#kinds.at >= this.#kindsEnd) return false;
      this.#kind = buf[this.#kinds.at++] as number;
      this.#kindLeft = this.#kinds.next();
    }
    this.#kindLeft--;
    const has = PARTS[this.#kind & ~TIMELESS] as NonNullable<(typeof PARTS)[number]>;
    const start = this.#contentAt;
    const end = has.key ? start + this.#lengths.next() : start;
    key.set(buf, start, end);
    const fieldEnd = has.field ? end + this.#lengths.next() : end;
    this.#contentAt = has.value ? fieldEnd + this.#lengths.next() : fieldEnd;
    return true;
  }
}
