import { UNAUTHENTICATED_BULK_BYTES_MAX } from '../../base/client-limits.ts';
import type { ByteRange } from '../../base/bytes.ts';
import type { ReceiveBuffer } from './receive-buffer.ts';
import type { RequestArgs } from './request-args.ts';

const STAR = 42;
const DOLLAR = 36;
const CR = 13;
const ZERO = 48;
/** `*1 CR LF $0 CR LF CR LF` */
const SMALLEST_BYTES = 10;
/** Arguments that are read without steps: within every limit, that of clients which have not authenticated too. */
const SMALL_BYTES_MAX: number = UNAUTHENTICATED_BULK_BYTES_MAX;

/** Requests found at a time: as many as the memory answers for together. */
export const REQUESTS_AHEAD_MAX = 16;
/** Room for their arguments, start and end of each. */
const OFFSETS: number = REQUESTS_AHEAD_MAX * 16;

/** Told of the requests that were found together, more than one, before the first of them is run. */
export interface AheadListener {
  found(ahead: RequestsAhead): void;
}

/**
 * The next small requests of a connection that have come whole, found before the first of them is run. Nearly all requests are small and whole, and this
 * is most of what reading them costs. Who knows them together can ask the memory for what they will touch together.
 */
export class RequestsAhead {
  /** How many were found together. */
  count = 0;
  /** Hashes of their arguments 1, as far as the listener puts them in; 0 for unknown. */
  readonly keyHashes: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #listener: AheadListener | null;
  #owner: object | null = null;
  #at = 0;
  #buf: Uint8Array = NOTHING;
  readonly #starts: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #lengths: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #counts: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #firsts: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX);
  readonly #offsets: Int32Array = new Int32Array(OFFSETS);

  constructor(listener: AheadListener | null = null) {
    this.#listener = listener;
  }

  /** Forgets what was found: it is found again. */
  clear(): void {
    this.#owner = null;
  }

  /** Whether nothing is left that was found for a parser. */
  isEmptyOf(owner: object): boolean {
    return this.#owner !== owner || this.#at === this.count;
  }

  /** Finds small requests `offset` bytes behind the beginning of what was received; false where the first is none. */
  find(owner: object, { buf, start, end }: ReceiveBuffer, offset = 0): boolean {
    let count = 0;
    let place = 0;
    for (let from = start + offset; count < REQUESTS_AHEAD_MAX; count++) {
      const length = this.#wholeLength(count, buf, from, end, place);
      if (length === 0) break;
      this.#starts[count] = from;
      this.#lengths[count] = length;
      this.#firsts[count] = place;
      this.keyHashes[count] = 0;
      place += (this.#counts[count] as number) * 2;
      from += length;
    }
    if (count === 0) return false;
    this.#owner = owner;
    this.#buf = buf;
    this.#at = 0;
    this.count = count;
    if (count > 1 && this.#listener !== null) this.#listener.found(this);
    return true;
  }

  /** Points at an argument of a request that was found; false where it has not so many. */
  argument(request: number, index: number, into: ByteRange): boolean {
    if (index >= (this.#counts[request] as number)) return false;
    const start = this.#starts[request] as number;
    const place = (this.#firsts[request] as number) + index * 2;
    into.set(this.#buf, start + (this.#offsets[place] as number), start + (this.#offsets[place + 1] as number));
    return true;
  }

  /** Points at the next request, which is `offset` bytes behind the beginning of what was received; returns its length. */
  take(args: RequestArgs, { buf, start }: ReceiveBuffer, offset = 0): number {
    const at = this.#at++;
    const count = this.#counts[at] as number;
    const first = this.#firsts[at] as number;
    args.point(buf, start + offset, this.#offsets, count, first, this.keyHashes[at]);
    return this.#lengths[at] as number;
  }

  /**
   * The length of a small request that is there whole, with its arguments in `#offsets` from `first` on and their number in `#counts`; 0 for any other,
   * of which nothing is remembered.
   */
  #wholeLength(request: number, buf: Uint8Array, start: number, end: number, first: number): number {
    const offsets = this.#offsets;
    if (end - start < SMALLEST_BYTES || buf[start] !== STAR) return 0;
    let count = (buf[start + 1] as number) - ZERO;
    // a digit from 1 to 9
    if (!(count >= 1 && count <= 9)) return 0;
    let at = start + 2;
    if (buf[at] !== CR) {
      const digit = (buf[at++] as number) - ZERO;
      count = count * 10 + digit;
      if (!(digit >= 0 && digit <= 9) || buf[at] !== CR) return 0;
    }
    const last = first + count * 2;
    if (last > OFFSETS) return 0;
    at += 2;
    for (let place = first; place < last; place += 2) {
      // the shortest argument that there can be: `$0 CR LF CR LF`
      if (at + 6 > end || buf[at] !== DOLLAR) return 0;
      let length = (buf[at + 1] as number) - ZERO;
      if (!(length >= 0 && length <= 9)) return 0;
      at += 2;
      for (let byte = buf[at] as number; byte !== CR; byte = buf[at] as number) {
        const digit = byte - ZERO;
        // no leading zero; what is left for the long way cannot be more than a few digits
        if (!(digit >= 0 && digit <= 9) || length === 0 || length > SMALL_BYTES_MAX) return 0;
        length = length * 10 + digit;
        at++;
      }
      at += 2;
      const argumentEnd = at + length;
      if (length > SMALL_BYTES_MAX || argumentEnd + 2 > end) return 0;
      offsets[place] = at - start;
      offsets[place + 1] = argumentEnd - start;
      at = argumentEnd + 2;
    }
    this.#counts[request] = count;
    return at - start;
  }
}

const NOTHING = new Uint8Array(0);
