import { ByteRange, latin1Of } from '../base/bytes.ts';
import { CopyTarget } from '../base/copied-bytes.ts';
import type { Args } from './context.ts';

/** Arguments whose bytes nobody writes over. */
export class HeldArgs implements Args {
  readonly count: number;
  readonly keyHash = 0;
  readonly #ranges: readonly ByteRange[];

  constructor(ranges: readonly ByteRange[]) {
    this.count = ranges.length;
    this.#ranges = ranges;
  }

  range(index: number): ByteRange {
    return this.#ranges[index] as ByteRange;
  }

  text(index: number): string {
    const { buf, start, end } = this.range(index);
    return latin1Of(buf, start, end);
  }

  word(index: number): string {
    return this.text(index).replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  }
}

/** The arguments of a request, copied into one buffer: what MULTI keeps until EXEC. */
export function copiedArgs(args: Args): Args {
  return new HeldArgs(copiedTo(new CopyTarget(new Uint8Array(bytesOf(args))), 0, args));
}

/** Copies the arguments to a place where there is room for them. */
function copiedTo(target: CopyTarget, place: number, args: Args): ByteRange[] {
  const ranges: ByteRange[] = [];
  let at = place;
  for (let i = 0; i < args.count; i++) {
    const { buf, start, end } = args.range(i);
    target.copy(buf, start, end, at);
    ranges.push(new ByteRange(target.bytes, at, at + end - start));
    at += end - start;
  }
  return ranges;
}

/**
 * Copies of requests that are soon done are cut from larger pieces: memory outside the heap is dear to get and to collect. Not much larger ones, for
 * one that waits for long keeps a whole piece.
 */
const PIECE_BYTES: number = 4 * 1024;
const LARGE_BYTES: number = PIECE_BYTES / 8;

/** Copies the arguments of requests, one after the other. */
export class ArgumentCopies {
  #piece: CopyTarget = new CopyTarget(new Uint8Array(0));
  #at = 0;

  /** Ranges of bytes that nobody writes over. */
  of(args: Args): ByteRange[] {
    const bytes = bytesOf(args);
    if (bytes > LARGE_BYTES) return copiedTo(new CopyTarget(new Uint8Array(bytes)), 0, args);
    if (this.#at + bytes > this.#piece.bytes.length) {
      this.#piece = new CopyTarget(new Uint8Array(PIECE_BYTES));
      this.#at = 0;
    }
    const place = this.#at;
    this.#at += bytes;
    return copiedTo(this.#piece, place, args);
  }
}

/** What the objects around an argument's bytes cost, about. */
const ARGUMENT_OVERHEAD_BYTES = 64;

/** About how much memory a copy of the arguments takes. */
export function copyBytes(args: Args): number {
  return bytesOf(args) + (args.count + 2) * ARGUMENT_OVERHEAD_BYTES;
}

/** Bytes of all arguments together. */
function bytesOf(args: Args): number {
  let bytes = 0;
  for (let i = 0; i < args.count; i++) bytes += args.range(i).length;
  return bytes;
}
