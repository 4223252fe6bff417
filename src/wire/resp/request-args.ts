import { ByteRange, latin1Of } from '../../base/bytes.ts';

const NONE = new Int32Array(0);
const BYTES_NONE = new Uint8Array(0);
/** Views that are kept for the next request; those of a request with more arguments go with it. */
const RANGES_KEPT = 1024;

/**
 * The arguments of the request that is being run: positions in the receive buffer, and one reused view an index. One of
 * these serves all connections of a server, because requests run one after the other and to their end.
 */
export class RequestArgs {
  count = 0;
  /** The keyspace's hash of argument 1 where it is known, else 0. */
  keyHash = 0;
  #buf: Uint8Array = BYTES_NONE;
  #base = 0;
  /** Start and end of each argument, from `#base`, and the place where those of the first stand. */
  #offsets: Int32Array = NONE;
  #first = 0;
  readonly #ranges: ByteRange[] = [];

  /** Points this at a request that a parser has found. */
  point(buf: Uint8Array, base: number, offsets: Int32Array, count: number, first = 0, keyHash = 0): void {
    this.#buf = buf;
    this.#base = base;
    this.#offsets = offsets;
    this.#first = first;
    this.keyHash = keyHash;
    this.count = count;
    if (this.#ranges.length > RANGES_KEPT) this.#ranges.length = RANGES_KEPT;
  }

  /** Lets go of the buffers, so that a large one is not kept alive by the last request in it. */
  release(): void {
    this.point(BYTES_NONE, 0, NONE, 0);
    for (const range of this.#ranges) range.set(BYTES_NONE, 0, 0);
  }

  range(index: number): ByteRange {
    const place = this.#first + index * 2;
    const start = this.#base + (this.#offsets[place] as number);
    const end = this.#base + (this.#offsets[place + 1] as number);
    const known = this.#ranges[index];
    if (known !== undefined) return known.set(this.#buf, start, end);
    return this.#addRange(index).set(this.#buf, start, end);
  }

  #addRange(index: number): ByteRange {
    while (this.#ranges.length <= index) this.#ranges.push(new ByteRange(BYTES_NONE));
    return this.#ranges[index] as ByteRange;
  }

  text(index: number): string {
    const place = this.#first + index * 2;
    const start = this.#base + (this.#offsets[place] as number);
    const end = this.#base + (this.#offsets[place + 1] as number);
    return latin1Of(this.#buf, start, end);
  }

  word(index: number): string {
    return asciiUpperCase(this.text(index));
  }
}

/** Only ASCII: `toUpperCase` would make two letters of a latin1 `ß`. */
function asciiUpperCase(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
