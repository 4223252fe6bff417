import { isNodeNumber } from '../clock/origin.ts';
import type { QuorumFrame } from '../groups/strong-frames.ts';
import { EntryKind, type AppendRequest, type AppendResponse, type Entry } from '../quorum/messages.ts';

/*
 * What nearly all that groups send each other is made of, appends and their answers, in one pass over their msgpack. Whatever else there is, and all
 * that is not as it is written here, is for the general codec: it has the same bytes, and says what is wrong.
 */

/** Of `FrameKind.quorum`, `MessageType.append` and `MessageType['append-response']`. */
const KIND = 1;
const APPEND = 3;
const RESPONSE = 4;
const APPEND_PARTS = 9;
const RESPONSE_PARTS = 9;
const ENTRY_PARTS = 4;

const FIXINT_MAX = 0x7f;
const FIXLIST = 0x90;
const FIXLIST_LENGTH_MAX = 15;
const FIXTEXT = 0xa0;
const FIXTEXT_BYTES_MAX = 31;
const BYTES_8 = 0xc4;
const BYTES_16 = 0xc5;
const BYTES_32 = 0xc6;
const DOUBLE = 0xcb;
const UINT_8 = 0xcc;
const UINT_16 = 0xcd;
const UINT_32 = 0xce;
const LIST_16 = 0xdc;
const UINT_8_MAX = 0xff;
const UINT_16_MAX = 0xffff;
const UINT_32_MAX = 0xffff_ffff;
const ASCII_MAX = 0x7f;

/** All but the group's name and the entries, with room to spare. */
const BYTES_BESIDE = 96;
/** All of an entry but its data. */
const ENTRY_BYTES_MAX = 26;

type Appending = AppendRequest | AppendResponse;

const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

class Writer {
  bytes: Uint8Array = scratch;
  #at = 0;

  /** Null for a name that the general codec is to write. */
  write({ group, message }: QuorumFrame & { readonly message: Appending }): Uint8Array | null {
    if (group.length > FIXTEXT_BYTES_MAX) return null;
    const entries = message.type === 'append' ? message.entries : NO_ENTRIES;
    if (entries.length > UINT_16_MAX) return null;
    let bytesMax = BYTES_BESIDE + group.length;
    for (const { data } of entries) bytesMax += ENTRY_BYTES_MAX + data.length;
    this.bytes = new Uint8Array(bytesMax);
    this.#at = 0;
    this.#byte(FIXLIST + 3);
    this.#byte(KIND);
    this.#byte(FIXTEXT + group.length);
    for (let position = 0; position < group.length; position++) {
      const code = group.charCodeAt(position);
      if (code > ASCII_MAX) return null;
      this.#byte(code);
    }
    if (message.type === 'append') this.#append(message);
    else this.#response(message);
    return this.bytes.subarray(0, this.#at);
  }

  #append({ from, to, term, previousIndex, previousTerm, entries, commit, round }: AppendRequest): void {
    this.#byte(FIXLIST + APPEND_PARTS);
    this.#byte(APPEND);
    this.#number(from);
    this.#number(to);
    this.#number(term);
    this.#number(previousIndex);
    this.#number(previousTerm);
    if (entries.length <= FIXLIST_LENGTH_MAX) this.#byte(FIXLIST + entries.length);
    else {
      this.#byte(LIST_16);
      this.#byte(entries.length >> 8);
      this.#byte(entries.length);
    }
    for (const entry of entries) {
      this.#byte(FIXLIST + ENTRY_PARTS);
      this.#number(entry.index);
      this.#number(entry.term);
      this.#byte(entry.kind);
      this.#blob(entry.data);
    }
    this.#number(commit);
    this.#number(round);
  }

  #response({ from, to, term, isAccepted, previousIndex, index, conflictTerm, round }: AppendResponse): void {
    this.#byte(FIXLIST + RESPONSE_PARTS);
    this.#byte(RESPONSE);
    this.#number(from);
    this.#number(to);
    this.#number(term);
    this.#byte(isAccepted ? 1 : 0);
    this.#number(previousIndex);
    this.#number(index);
    this.#number(conflictTerm);
    this.#number(round);
  }

  #byte(value: number): void {
    this.bytes[this.#at++] = value;
  }

  #number(value: number): void {
    if (value <= FIXINT_MAX) this.#byte(value);
    else if (value <= UINT_32_MAX) this.#sized(UINT_8, UINT_16, UINT_32, value);
    else {
      scratchView.setFloat64(0, value);
      this.#byte(DOUBLE);
      for (let position = 0; position < 8; position++) this.#byte(scratch[position] as number);
    }
  }

  /** A number in one, two or four bytes, after what says which. */
  #sized(one: number, two: number, four: number, value: number): void {
    if (value <= UINT_8_MAX) this.#byte(one);
    else {
      this.#byte(value <= UINT_16_MAX ? two : four);
      if (value > UINT_16_MAX) {
        this.#byte(value >>> 24);
        this.#byte(value >>> 16);
      }
      this.#byte(value >>> 8);
    }
    this.#byte(value);
  }

  #blob(data: Uint8Array): void {
    this.#sized(BYTES_8, BYTES_16, BYTES_32, data.length);
    this.bytes.set(data, this.#at);
    this.#at += data.length;
  }
}

const NO_ENTRIES: readonly Entry[] = [];
/** Stands for what is not there or something else. */
const NONE = -1;

class Reader {
  #bytes: Uint8Array = scratch;
  #at = 0;
  /** Whether something was not as it is written here. */
  #isOther = false;
  /** That of the frame before: mostly it is the same. */
  #group = '';

  /** The frame, whose entries are views of a copy of the bytes; null where the general codec is to read them. */
  read(bytes: Uint8Array): QuorumFrame | null {
    this.#bytes = bytes;
    this.#at = 0;
    this.#isOther = false;
    if (this.#byte() !== FIXLIST + 3 || this.#byte() !== KIND || !this.#readGroup()) return null;
    const parts = this.#byte();
    const type = this.#byte();
    const isAppend = type === APPEND && parts === FIXLIST + APPEND_PARTS;
    if (!isAppend && (type !== RESPONSE || parts !== FIXLIST + RESPONSE_PARTS)) return null;
    // nobody keeps the bytes of an answer
    if (isAppend) this.#bytes = new Uint8Array(bytes);
    const message = isAppend ? this.#append() : this.#response();
    if (this.#isOther || this.#at !== bytes.length || !isNodeNumber(message.from) || !isNodeNumber(message.to))
      return null;
    return { type: 'quorum', group: this.#group, message };
  }

  #append(): AppendRequest {
    return {
      type: 'append',
      from: this.#count(),
      to: this.#count(),
      term: this.#count(),
      previousIndex: this.#count(),
      previousTerm: this.#count(),
      entries: this.#entries(),
      commit: this.#count(),
      round: this.#count(),
    };
  }

  #entries(): readonly Entry[] {
    const type = this.#byte();
    if (type === FIXLIST) return NO_ENTRIES;
    const length = type === LIST_16 ? this.#unsigned(2) : type - FIXLIST;
    if (length <= 0 || (type !== LIST_16 && length > FIXLIST_LENGTH_MAX)) this.#isOther = true;
    const entries: Entry[] = [];
    for (let left = length; left > 0 && !this.#isOther; left--) entries.push(this.#entry());
    return entries;
  }

  #entry(): Entry {
    if (this.#byte() !== FIXLIST + ENTRY_PARTS) this.#isOther = true;
    const index = this.#count();
    const term = this.#count();
    const kind = this.#byte();
    if (kind !== EntryKind.Command && kind !== EntryKind.Noop && kind !== EntryKind.Config) {
      this.#isOther = true;
      return { index, term, kind: EntryKind.Noop, data: scratch };
    }
    return { index, term, kind, data: this.#blob() };
  }

  #blob(): Uint8Array {
    const type = this.#byte();
    const size = type === BYTES_8 ? 1 : type === BYTES_16 ? 2 : type === BYTES_32 ? 4 : 0;
    const length = size === 0 ? NONE : this.#unsigned(size);
    if (length === NONE || this.#at + length > this.#bytes.length) {
      this.#isOther = true;
      return scratch;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #response(): AppendResponse {
    return {
      type: 'append-response',
      from: this.#count(),
      to: this.#count(),
      term: this.#count(),
      isAccepted: this.#flag(),
      previousIndex: this.#count(),
      index: this.#count(),
      conflictTerm: this.#count(),
      round: this.#count(),
    };
  }

  #flag(): boolean {
    const value = this.#byte();
    if (value !== 0 && value !== 1) this.#isOther = true;
    return value === 1;
  }

  #byte(): number {
    return this.#at < this.#bytes.length ? (this.#bytes[this.#at++] as number) : NONE;
  }

  #count(): number {
    const type = this.#byte();
    const value = type <= FIXINT_MAX ? type : this.#counted(type);
    if (value === NONE) this.#isOther = true;
    return value;
  }

  #counted(type: number): number {
    if (type === UINT_8) return this.#unsigned(1);
    if (type === UINT_16) return this.#unsigned(2);
    if (type === UINT_32) return this.#unsigned(4);
    if (type !== DOUBLE || this.#at + 8 > this.#bytes.length) return NONE;
    for (let position = 0; position < 8; position++) scratch[position] = this.#bytes[this.#at++] as number;
    const value = scratchView.getFloat64(0);
    return Number.isSafeInteger(value) && value >= 0 ? value : NONE;
  }

  #unsigned(size: number): number {
    if (this.#at + size > this.#bytes.length) return NONE;
    let value = 0;
    for (let left = size; left > 0; left--) value = value * 256 + (this.#bytes[this.#at++] as number);
    return value;
  }

  #readGroup(): boolean {
    const type = this.#byte();
    const length = type - FIXTEXT;
    if (length < 0 || length > FIXTEXT_BYTES_MAX || this.#at + length > this.#bytes.length) return false;
    if (!this.#isNext(this.#group, length)) {
      let group = '';
      for (let position = 0; position < length; position++) {
        const code = this.#bytes[this.#at + position] as number;
        if (code > ASCII_MAX) return false;
        group += String.fromCharCode(code);
      }
      this.#group = group;
    }
    this.#at += length;
    return true;
  }

  #isNext(text: string, length: number): boolean {
    if (text.length !== length) return false;
    for (let position = 0; position < length; position++)
      if (text.charCodeAt(position) !== this.#bytes[this.#at + position]) return false;
    return true;
  }
}

const writer = new Writer();
const reader = new Reader();

/** The bytes of an append or its answer; null where the general codec is to write the frame. */
export function encodeQuorumFrame({ type, group, message }: QuorumFrame): Uint8Array | null {
  if (message.type !== 'append' && message.type !== 'append-response') return null;
  return writer.write({ type, group, message });
}

/** Null where the general codec is to read them. */
export function decodeQuorumFrame(bytes: Uint8Array): QuorumFrame | null {
  return reader.read(bytes);
}
