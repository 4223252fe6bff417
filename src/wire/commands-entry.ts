import { ByteRange, latin1Of } from '../base/bytes.ts';
import { CopyTarget } from '../base/copied-bytes.ts';
import type { VectorEntries } from '../causal/peer-frames.ts';
import { incarnationOf, isOrigin } from '../clock/origin.ts';
import { isStamp } from '../clock/stamp.ts';
import type { Arguments, CommandsEntry } from '../groups/group-entry.ts';

/*
 * What nearly all of a log is made of, requests without watches and without a client's own id, in one pass over their msgpack. Whatever
 * else there is, and all that is not as it is written here, is for the general codec: it has the same bytes, and says what is wrong.
 */

/** Of `EntryForm.commands`. */
const FORM = 1;
const PARTS = 11;

const FIXINT_MAX = 0x7f;
const FIXLIST = 0x90;
const FIXLIST_LENGTH_MAX = 15;
const FIXTEXT = 0xa0;
const FIXTEXT_BYTES_MAX = 31;
const NIL = 0xc0;
const BYTES_8 = 0xc4;
const BYTES_16 = 0xc5;
const DOUBLE = 0xcb;
const UINT_8 = 0xcc;
const UINT_16 = 0xcd;
const UINT_32 = 0xce;
const TEXT_8 = 0xd9;
const UINT_8_MAX = 0xff;
const UINT_16_MAX = 0xffff;
const UINT_32_MAX = 0xffff_ffff;
const ASCII_MAX = 0x7f;

/** All but texts, words and deps, with room to spare. */
const BYTES_BESIDE = 160;
const NUMBER_BYTES_MAX = 9;
const WORD_HEAD_BYTES_MAX = 3;

/**
 * Entries are cut from larger pieces: memory outside the heap is dear to get and to collect. Not much larger ones: groups share them, and one
 * that is written to seldom keeps a whole piece with each of its entries.
 */
const PIECE_BYTES: number = 8 * 1024;
const LARGE_BYTES: number = PIECE_BYTES / 8;

/** Writes entries, each to bytes that stay as they are. */
export class CommandsEntryWriter {
  #piece: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#piece.buffer);
  #target: CopyTarget = new CopyTarget(this.#piece);
  #at = 0;

  /** The entry's bytes; null where the general codec is to write them. */
  write(entry: CommandsEntry): Uint8Array | null {
    const bytesMax = bytesMaxOf(entry);
    if (bytesMax === 0) return null;
    if (this.#at + bytesMax > this.#piece.length) {
      this.#piece = new Uint8Array(bytesMax > LARGE_BYTES ? bytesMax : PIECE_BYTES);
      this.#view = new DataView(this.#piece.buffer);
      this.#target = new CopyTarget(this.#piece);
      this.#at = 0;
    }
    const start = this.#at;
    if (this.#entry(entry)) return this.#piece.subarray(start, this.#at);
    this.#at = start;
    return null;
  }

  #entry({ stamp, seed, request, deps, commands, isExec, respVersion, requester }: CommandsEntry): boolean {
    this.#byte(FIXLIST + PARTS);
    this.#byte(FORM);
    this.#number(stamp);
    this.#number(seed);
    this.#byte(FIXLIST + 3);
    this.#number(request.origin);
    this.#number(request.serial);
    this.#number(request.floor);
    this.#byte(NIL);
    this.#byte(FIXLIST + deps.length * 2);
    for (const [origin, seq] of deps) {
      this.#number(origin);
      this.#number(seq);
    }
    this.#byte(FIXLIST);
    this.#byte(FIXLIST + commands.length);
    for (const words of commands) {
      this.#byte(FIXLIST + words.length);
      for (const word of words) this.#word(word);
    }
    this.#byte(isExec ? 1 : 0);
    this.#byte(respVersion);
    this.#byte(FIXLIST + 3);
    return this.#text(requester.user) && this.#text(requester.address) && this.#text(requester.region);
  }

  #byte(value: number): void {
    this.#piece[this.#at++] = value;
  }

  #number(value: number): void {
    if (value <= FIXINT_MAX) this.#byte(value);
    else if (value <= UINT_16_MAX) this.#unsigned(UINT_8, UINT_16, value);
    else if (value <= UINT_32_MAX) {
      this.#byte(UINT_32);
      this.#view.setUint32(this.#at, value);
      this.#at += 4;
    } else {
      this.#byte(DOUBLE);
      this.#view.setFloat64(this.#at, value);
      this.#at += 8;
    }
  }

  /** A number in one byte or two, after what says which. */
  #unsigned(one: number, two: number, value: number): void {
    if (value <= UINT_8_MAX) {
      this.#byte(one);
      this.#byte(value);
    } else {
      this.#byte(two);
      this.#byte(value >> 8);
      this.#byte(value);
    }
  }

  #word(word: ByteRange): void {
    const { length } = word;
    this.#unsigned(BYTES_8, BYTES_16, length);
    this.#target.copy(word.buf, word.start, word.end, this.#at);
    this.#at += length;
  }

  /** Says whether it is a text that has a byte for each of its letters. */
  #text(text: string): boolean {
    if (text.length <= FIXTEXT_BYTES_MAX) this.#byte(FIXTEXT + text.length);
    else {
      this.#byte(TEXT_8);
      this.#byte(text.length);
    }
    for (let position = 0; position < text.length; position++) {
      const code = text.charCodeAt(position);
      if (code > ASCII_MAX) return false;
      this.#byte(code);
    }
    return true;
  }
}

/** How many bytes an entry has at most, 0 where it is for the general codec. */
function bytesMaxOf({ once, watches, commands, deps, requester: { user, address, region } }: CommandsEntry): number {
  if (once !== null || watches.length > 0 || deps.length * 2 > FIXLIST_LENGTH_MAX) return 0;
  if (commands.length > FIXLIST_LENGTH_MAX || Math.max(user.length, address.length, region.length) > UINT_8_MAX)
    return 0;
  let bytes = BYTES_BESIDE + user.length + address.length + region.length + deps.length * 2 * NUMBER_BYTES_MAX;
  for (const words of commands) {
    if (words.length > FIXLIST_LENGTH_MAX) return 0;
    for (const { length } of words) {
      if (length > UINT_16_MAX) return 0;
      bytes += WORD_HEAD_BYTES_MAX + length;
    }
  }
  return bytes;
}

const NO_WATCHES: CommandsEntry['watches'] = [];
const NO_DEPS: VectorEntries = [];
/** Stands for what is not there or something else. */
const NONE = -1;

/** Reads entries; a place at which it is not as expected ends in null, and the general codec reads it anew. */
export class CommandsEntryReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #double: Uint8Array = new Uint8Array(8);
  readonly #doubleView: DataView = new DataView(this.#double.buffer);
  /** The texts of the entry before: mostly they are the same. */
  readonly #texts: [user: string, address: string, region: string] = ['', '', ''];

  /** The entry whose bytes these are, with words that are ranges of them; null where the general codec is to read them. */
  read(bytes: Uint8Array): CommandsEntry | null {
    this.#bytes = bytes;
    this.#at = 0;
    if (this.#byte() !== FIXLIST + PARTS || this.#byte() !== FORM) return null;
    const stamp = this.#number();
    const seed = this.#number();
    if (!isStamp(stamp) || seed < 0 || seed > UINT_32_MAX || this.#byte() !== FIXLIST + 3) return null;
    const origin = this.#number();
    const serial = this.#number();
    const floor = this.#number();
    if (!isOrigin(origin) || serial < 0 || floor < 0 || this.#byte() !== NIL) return null;
    const deps = this.#vector();
    if (deps === null || this.#byte() !== FIXLIST) return null;
    const commands = this.#commands();
    if (commands === null) return null;
    const isExec = this.#byte();
    const respVersion = this.#byte();
    if ((isExec !== 0 && isExec !== 1) || (respVersion !== 2 && respVersion !== 3)) return null;
    if (this.#byte() !== FIXLIST + 3 || !this.#readTexts() || this.#at !== bytes.length) return null;
    const [user, address, region] = this.#texts;
    return {
      kind: 'commands',
      stamp,
      seed,
      request: { origin, serial, floor },
      once: null,
      deps,
      watches: NO_WATCHES,
      commands,
      isExec: isExec === 1,
      respVersion,
      requester: { user, address, region },
    };
  }

  #byte(): number {
    return this.#at < this.#bytes.length ? (this.#bytes[this.#at++] as number) : NONE;
  }

  /** A count. */
  #number(): number {
    const type = this.#byte();
    if (type <= FIXINT_MAX) return type;
    switch (type) {
      case UINT_8:
        return this.#unsigned(1);
      case UINT_16:
        return this.#unsigned(2);
      case UINT_32:
        return this.#unsigned(4);
      case DOUBLE:
        return this.#countOfDouble();
      default:
        return NONE;
    }
  }

  #unsigned(size: number): number {
    if (this.#at + size > this.#bytes.length) return NONE;
    let value = 0;
    for (let left = size; left > 0; left--) value = value * 256 + (this.#bytes[this.#at++] as number);
    return value;
  }

  #countOfDouble(): number {
    if (this.#at + 8 > this.#bytes.length) return NONE;
    for (let position = 0; position < 8; position++) this.#double[position] = this.#bytes[this.#at++] as number;
    const value = this.#doubleView.getFloat64(0);
    return Number.isSafeInteger(value) && value >= 0 ? value : NONE;
  }

  #listLength(): number {
    const type = this.#byte();
    return type >= FIXLIST && type <= FIXLIST + FIXLIST_LENGTH_MAX ? type - FIXLIST : NONE;
  }

  #vector(): VectorEntries | null {
    const length = this.#listLength();
    if (length === 0) return NO_DEPS;
    if (length === NONE || length % 2 === 1) return null;
    const pairs: VectorEntries[number][] = [];
    for (let left = length; left > 0; left -= 2) {
      const origin = this.#number();
      const seq = this.#number();
      // floors have more to be checked
      if (!isOrigin(origin) || incarnationOf(origin) === 0 || seq < 0) return null;
      pairs.push([origin, seq]);
    }
    return pairs;
  }

  #commands(): Arguments[] | null {
    const length = this.#listLength();
    if (length === NONE) return null;
    const commands: Arguments[] = [];
    for (let left = length; left > 0; left--) {
      const words = this.#words();
      if (words === null) return null;
      commands.push(words);
    }
    return commands;
  }

  #words(): Arguments | null {
    const length = this.#listLength();
    // a command has a name
    if (length < 1) return null;
    const words: ByteRange[] = [];
    for (let left = length; left > 0; left--) {
      const type = this.#byte();
      const bytes = type === BYTES_8 ? this.#unsigned(1) : type === BYTES_16 ? this.#unsigned(2) : NONE;
      if (bytes === NONE || this.#at + bytes > this.#bytes.length) return null;
      words.push(new ByteRange(this.#bytes, this.#at, this.#at + bytes));
      this.#at += bytes;
    }
    return words;
  }

  #readTexts(): boolean {
    const texts = this.#texts;
    for (let number = 0; number < texts.length; number++) {
      const type = this.#byte();
      const bytes =
        type >= FIXTEXT && type <= FIXTEXT + FIXTEXT_BYTES_MAX
          ? type - FIXTEXT
          : type === TEXT_8
            ? this.#unsigned(1)
            : NONE;
      if (bytes === NONE || this.#at + bytes > this.#bytes.length) return false;
      if (!this.#isNext(texts[number] as string, bytes)) {
        const text = this.#ascii(bytes);
        if (text === null) return false;
        texts[number] = text;
      }
      this.#at += bytes;
    }
    return true;
  }

  #isNext(text: string, bytes: number): boolean {
    if (text.length !== bytes) return false;
    for (let position = 0; position < bytes; position++)
      if (text.charCodeAt(position) !== this.#bytes[this.#at + position]) return false;
    return true;
  }

  #ascii(bytes: number): string | null {
    const end = this.#at + bytes;
    for (let at = this.#at; at < end; at++) if ((this.#bytes[at] as number) > ASCII_MAX) return null;
    return latin1Of(this.#bytes, this.#at, end);
  }
}
