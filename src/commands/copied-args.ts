import { ByteRange, latin1Of } from '../base/bytes.ts';
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
  const buf = new Uint8Array(bytesOf(args));
  const ranges: ByteRange[] = [];
  let at = 0;
  for (let i = 0; i < args.count; i++) {
    const { buf: from, start, end } = args.range(i);
    buf.set(from.subarray(start, end), at);
    ranges.push(new ByteRange(buf, at, at + end - start));
    at += end - start;
  }
  return new HeldArgs(ranges);
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
