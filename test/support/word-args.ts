import { ByteRange, latin1Bytes } from '../../src/base/bytes.ts';
import type { Args } from '../../src/commands/context.ts';

/** The words of a request, one char a byte, as a connection hands them to a command: in a buffer that is used again. */
export class WordArgs implements Args {
  readonly keyHash = 0;
  readonly #ranges: readonly ByteRange[];

  constructor(words: readonly string[]) {
    const buf = latin1Bytes(words.join(''));
    let at = 0;
    this.#ranges = words.map((word) => new ByteRange(buf, at, (at += word.length)));
  }

  get count(): number {
    return this.#ranges.length;
  }

  range(index: number): ByteRange {
    const range = this.#ranges[index];
    if (range === undefined) throw new Error(`argument ${index} does not exist`);
    return range;
  }

  text(index: number): string {
    return this.range(index).toLatin1();
  }

  word(index: number): string {
    return this.text(index).toUpperCase();
  }

  /** What the receive buffer becomes when the command has returned. */
  spoil(): void {
    this.#ranges[0]?.buf.fill(0x21);
  }
}
