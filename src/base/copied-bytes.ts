/** Longer runs are copied by the engine's own means, which take more to begin with. */
const BY_WORDS_MAX = 256;
const WORD_BYTES = 4;
/** A word of typed arrays has the machine's order of bytes; on one with the high byte first bytes go one by one. */
const IS_LOW_FIRST = new Uint8Array(Int32Array.of(1).buffer)[0] === 1;
/** Shorter runs are not worth the words' beginning. */
const BY_WORDS_MIN: number = IS_LOW_FIRST ? 8 : Infinity;

/** Bytes as the whole words of their memory: the first begins `before` bytes, up to three, before the bytes do. */
class Words {
  readonly words: Int32Array;
  readonly before: number;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.before = byteOffset % WORD_BYTES;
    this.words = new Int32Array(buffer, byteOffset - this.before, Math.floor((this.before + length) / WORD_BYTES));
  }
}

let lastFrom: Uint8Array = new Uint8Array(0);
let lastWords: Words = new Words(lastFrom);

/** Requests, and the transactions of a frame, are many runs of one buffer: its words are looked up once. */
function wordsOf(from: Uint8Array): Words {
  if (from === lastFrom) return lastWords;
  lastFrom = from;
  lastWords = new Words(from);
  return lastWords;
}

/** Where bytes are copied to again and again: memory with its words. */
export class CopyTarget {
  readonly bytes: Uint8Array;
  readonly #words: Words;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#words = new Words(bytes);
  }

  /** Copies `from[start..end)` to a place where there is room for it, without an object, which `subarray` would make. The two do not overlap. */
  copy(from: Uint8Array, start: number, end: number, at: number): void {
    const length = end - start;
    if (length > BY_WORDS_MAX) this.bytes.set(from.subarray(start, end), at);
    else if (length < BY_WORDS_MIN) this.#byBytes(from, start, end, at);
    else this.#byWords(from, wordsOf(from), start, end, at);
  }

  /** As `copy`, out of what is copied to as well. */
  copyFrom(other: CopyTarget, start: number, end: number, at: number): void {
    const length = end - start;
    if (length > BY_WORDS_MAX || length < BY_WORDS_MIN) this.copy(other.bytes, start, end, at);
    else this.#byWords(other.bytes, other.#words, start, end, at);
  }

  #byBytes(from: Uint8Array, start: number, end: number, at: number): void {
    const { bytes } = this;
    for (let next = start, to = at; next < end; next++, to++) bytes[to] = from[next] as number;
  }

  /**
   * Whole words of the target, each put together from the two of the source that it lies across. By elements of typed arrays alone, which the compiler
   * always turns into loads and stores; calls of a `DataView` it sometimes leaves calls, and they took a twelfth of what a SET costs then.
   */
  #byWords(from: Uint8Array, source: Words, start: number, end: number, at: number): void {
    const into = this.#words.words;
    const words = source.words;
    // bytes until the target's next word begins
    const head = -(at + this.#words.before) & 3;
    this.#byBytes(from, start, start + head, at);
    const next = start + head;
    const count = (end - next) >>> 2;
    let toWord = (at + head + this.#words.before) >>> 2;
    const toEnd = toWord + count;
    let fromWord = (next + source.before) >>> 2;
    const shift = ((next + source.before) & 3) * 8;
    if (shift === 0) {
      for (; toWord < toEnd; toWord++, fromWord++) into[toWord] = words[fromWord] as number;
    } else {
      // the last word may end behind the source's last whole one: then it is for the bytes
      const back = 32 - shift;
      const whole = Math.min(toEnd, toWord + words.length - fromWord - 1);
      let low = words[fromWord] as number;
      for (; toWord < whole; toWord++) {
        const high = words[++fromWord] as number;
        into[toWord] = (low >>> shift) | (high << back);
        low = high;
      }
    }
    const copied = toWord * WORD_BYTES - this.#words.before - at;
    this.#byBytes(from, start + copied, end, at + copied);
  }
}

/** Shorter runs of bytes are copied one by one: a view of them costs more than the copy. */
export const COPIED_BY_ONES_MAX = 40;

/** Copies bytes to where others are copied seldom. */
export function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > COPIED_BY_ONES_MAX) {
    to.set(from.subarray(start, start + length), at);
    return;
  }
  for (let done = 0; done < length; done++) to[at + done] = from[start + done] as number;
}
