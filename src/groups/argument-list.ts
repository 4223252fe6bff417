import { ByteRange, latin1Of } from '../base/bytes.ts';
import type { Args } from '../commands/context.ts';
import type { Arguments } from './group-entry.ts';

/** Arguments that came as bytes of their own, as commands read them. */
export class ArgumentList implements Args {
  readonly count: number;
  readonly #ranges: readonly ByteRange[];

  constructor(list: Arguments) {
    this.count = list.length;
    this.#ranges = list.map((bytes) => new ByteRange(bytes));
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
