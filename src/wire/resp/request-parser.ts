import { assert } from '../../base/assert.ts';
import {
  ARGUMENTS_MAX,
  PROTOCOL_LINE_BYTES_MAX,
  UNAUTHENTICATED_ARGUMENTS_MAX,
  UNAUTHENTICATED_BULK_BYTES_MAX,
} from '../../base/client-limits.ts';
import { parseInlineRequest } from './inline-request.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import type { RequestArgs } from './request-args.ts';
import { RequestsAhead } from './requests-ahead.ts';

/** What `next` found. */
export const Parsed = {
  /** The bytes received end before the next request does. */
  Incomplete: 0,
  /** A request, in the arguments given. */
  Request: 1,
  /** The stream cannot be followed any further: `failure` says why, the connection is to be closed. */
  Broken: 2,
} as const;
export type Parsed = (typeof Parsed)[keyof typeof Parsed];

/** The limits that CONFIG SET may change. */
export interface RequestLimits {
  readonly bulkBytesMax: number;
}

const STAR = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;
const MINUS = 45;
/** The first byte of a TLS handshake: whoever sends it would wait for an answer for ever. */
const TLS_HANDSHAKE = 0x16;

const OFFSETS_INITIAL = 16;
/** Positions that are kept for the next request. */
const OFFSETS_KEPT = 2048;

/** What became of a line that carries a number: it has no end yet, its number is in `#line`, or it is past the limit. */
const Line = { Incomplete: 0, Read: 1, TooLong: 2 } as const;
type Line = (typeof Line)[keyof typeof Line];

/**
 * Reads requests, multibulk and inline, from received bytes without copying them: `feed` lends the bytes, `next` finds requests
 * in them, `keep` takes in what is left before the bytes go. Progress inside an unfinished request is kept as positions
 * from its start, so nothing is looked at twice, however small the pieces are. Nothing is allocated from a declared length.
 */
export class RequestParser {
  /** Whether the client may use more than the small limits. */
  authenticated = true;
  /** Why the stream is broken, as the error reply says it. */
  failure = '';

  readonly #limits: RequestLimits;
  readonly #received: ReceiveBuffer = new ReceiveBuffer();
  readonly #ahead: RequestsAhead;
  /** Start and end of each argument found so far, from the request's start. */
  #offsets: Int32Array = new Int32Array(OFFSETS_INITIAL);
  #found = 0;
  /** Arguments that the request has, 0 while that is unknown. */
  #expected = 0;
  /** Length of the argument that is being received, -1 while that is unknown. */
  #bulkLength = -1;
  /** How far parsing is, from the request's start. */
  #at = 0;
  /** How far a line without an end was searched, from the request's start. */
  #searched = 0;
  #lastLength = 0;
  #line = 0;

  /** `ahead` is shared by parsers whose requests never run inside each other's. */
  constructor(limits: RequestLimits, ahead: RequestsAhead = new RequestsAhead()) {
    this.#limits = limits;
    this.#ahead = ahead;
  }

  /** Bytes received and not yet given out as requests. */
  get pendingBytes(): number {
    return this.#received.length;
  }

  /** Room in the buffer of this connection that holds nothing. */
  get freeBytes(): number {
    return this.#received.freeBytes;
  }

  /** Lends `buf[start..end)`, until `keep`. The bytes in front of `start` may be overwritten. */
  feed(buf: Uint8Array, start: number, end: number): void {
    this.#ahead.clear();
    const bytesExpected = this.#bulkLength < 0 ? 0 : this.#at + this.#bulkLength + 2;
    this.#received.feed(buf, start, end, bytesExpected);
  }

  /** Copies what is left of the bytes lent. */
  keep(): void {
    this.#ahead.clear();
    this.#received.keep();
  }

  /** Points `args` at the next request. They are good until the next call of `next`, `keep` or `feed`. */
  next(args: RequestArgs): Parsed {
    const ahead = this.#ahead;
    const received = this.#received;
    if (ahead.isEmptyOf(this)) {
      const isBetween = this.#at === 0 && this.#searched === 0;
      if (!isBetween || !ahead.find(this, received)) return this.#nextInSteps(args);
    }
    this.#lastLength = ahead.take(args, received);
    received.start += this.#lastLength;
    return Parsed.Request;
  }

  #nextInSteps(args: RequestArgs): Parsed {
    const received = this.#received;
    for (;;) {
      if (this.#expected === 0) {
        if (received.length === 0) return Parsed.Incomplete;
        const first = received.buf[received.start] as number;
        if (first !== STAR) {
          const parsed = this.#nextInline(args, first);
          if (parsed !== null) return parsed;
          continue;
        }
        const parsed = this.#readCount();
        if (parsed !== Parsed.Request) return parsed;
        if (this.#expected === 0) {
          this.#consume(this.#at);
          continue;
        }
      }
      const parsed = this.#readArguments();
      if (parsed !== Parsed.Request) return parsed;
      args.point(received.buf, received.start, this.#offsets, this.#found);
      this.#consume(this.#at);
      return Parsed.Request;
    }
  }

  /** Gives the request that `next` gave last back, to be given again. Only before `keep` and `feed`. */
  putBack(): void {
    assert(this.#lastLength > 0, 'a request is put back once, right after it was given');
    this.#received.start -= this.#lastLength;
    this.#lastLength = 0;
    this.#ahead.clear();
  }

  /**
   * Shows small requests that have come whole, from the given number on (0: the one that `next` would give), until `each` says no. They stay where they are. `scan`
   * is not the one that `next` uses.
   */
  look(from: number, scan: RequestsAhead, args: RequestArgs, each: (args: RequestArgs) => boolean): void {
    if (this.#at > 0 || this.#searched > 0) return;
    let offset = 0;
    for (let number = 0; scan.find(this, this.#received, offset);) {
      while (!scan.isEmptyOf(this)) {
        offset += scan.take(args, this.#received, offset);
        if (number++ >= from && !each(args)) return;
      }
    }
  }

  #broken(failure: string): typeof Parsed.Broken {
    this.failure = failure;
    return Parsed.Broken;
  }

  /** Ends a request (or an empty one) of `length` bytes. */
  #consume(length: number): void {
    this.#received.start += length;
    this.#lastLength = length;
    this.#expected = 0;
    this.#found = 0;
    this.#bulkLength = -1;
    this.#at = 0;
    this.#searched = 0;
  }

  /** The count of a multibulk header, into `#expected`: 0 for an empty request. */
  #readCount(): Parsed {
    const line = this.#readLine(this.#received.start);
    if (line === Line.Incomplete) return Parsed.Incomplete;
    if (line === Line.TooLong) return this.#broken('Protocol error: too big mbulk count string');
    const count = this.#line;
    // NaN is not within any limit.
    if (!(count <= ARGUMENTS_MAX)) return this.#broken('Protocol error: invalid multibulk length');
    if (count > UNAUTHENTICATED_ARGUMENTS_MAX && !this.authenticated) {
      return this.#broken('Protocol error: unauthenticated multibulk length');
    }
    this.#expected = Math.max(0, count);
    return Parsed.Request;
  }

  #readArguments(): Parsed {
    const received = this.#received;
    while (this.#found < this.#expected) {
      if (this.#bulkLength < 0) {
        const parsed = this.#readBulkLength();
        if (parsed !== Parsed.Request) return parsed;
      }
      const argumentEnd = this.#at + this.#bulkLength;
      if (received.start + argumentEnd + 2 > received.end) return Parsed.Incomplete;
      const place = this.#found * 2;
      if (place === this.#offsets.length) this.#growOffsets();
      this.#offsets[place] = this.#at;
      this.#offsets[place + 1] = argumentEnd;
      this.#found++;
      this.#at = argumentEnd + 2;
      this.#bulkLength = -1;
    }
    return Parsed.Request;
  }

  #growOffsets(): void {
    const grown = new Int32Array(this.#offsets.length * 2);
    grown.set(this.#offsets);
    this.#offsets = grown;
  }

  #readBulkLength(): Parsed {
    const received = this.#received;
    const start = received.start + this.#at;
    if (start >= received.end) return Parsed.Incomplete;
    const first = received.buf[start] as number;
    if (first !== DOLLAR) return this.#broken(`Protocol error: expected '$', got '${String.fromCharCode(first)}'`);
    const line = this.#readLine(start);
    if (line === Line.Incomplete) return Parsed.Incomplete;
    if (line === Line.TooLong) return this.#broken('Protocol error: too big bulk count string');
    const length = this.#line;
    if (!(length >= 0 && length <= this.#limits.bulkBytesMax)) {
      return this.#broken('Protocol error: invalid bulk length');
    }
    if (length > UNAUTHENTICATED_BULK_BYTES_MAX && !this.authenticated) {
      return this.#broken('Protocol error: unauthenticated bulk length');
    }
    this.#bulkLength = length;
    return Parsed.Request;
  }

  /**
   * Reads `<sign><number>CR LF` at an absolute position and moves `#at` behind it. Strict as Redis is: no plus, no spaces,
   * no leading zeros. The number goes to `#line`, NaN when it is none; `#at` stays where it is when the line has no end yet.
   */
  #readLine(start: number): Line {
    const { buf, end } = this.#received;
    let at = start + 1;
    let value = 0;
    let fine = true;
    const negative = buf[at] === MINUS && at < end;
    if (negative) at++;
    const digitsStart = at;
    for (; at < end; at++) {
      const byte = buf[at] as number;
      if (byte === CR) break;
      const digit = byte - 48;
      if (digit < 0 || digit > 9 || at - digitsStart > 15) {
        fine = false;
        at = this.#skipToCarriageReturn(at);
        break;
      }
      value = value * 10 + digit;
    }
    if (at - start > PROTOCOL_LINE_BYTES_MAX) return Line.TooLong;
    if (at + 1 >= end) return Line.Incomplete;
    const digits = at - digitsStart;
    if (digits === 0 || (digits > 1 && buf[digitsStart] === 48) || (negative && value === 0)) fine = false;
    this.#at = at + 2 - this.#received.start;
    this.#searched = 0;
    this.#line = fine ? (negative ? -value : value) : Number.NaN;
    return Line.Read;
  }

  /** A line that is no number may be long: where the search for its end stopped is remembered. */
  #skipToCarriageReturn(from: number): number {
    const { buf, start, end } = this.#received;
    let at = Math.max(from, start + this.#searched);
    while (at < end && buf[at] !== CR) at++;
    this.#searched = at - start;
    return at;
  }

  /** Null when the line was empty. */
  #nextInline(args: RequestArgs, first: number): Parsed | null {
    if (first === TLS_HANDSHAKE) return this.#broken('Protocol error: this port does not speak TLS');
    const received = this.#received;
    const { buf, start, end } = received;
    let at = start + this.#searched;
    while (at < end && buf[at] !== LF) at++;
    this.#searched = at - start;
    if (at - start > PROTOCOL_LINE_BYTES_MAX) return this.#broken('Protocol error: too big inline request');
    if (at === end) return Parsed.Incomplete;
    const lineEnd = at > start && buf[at - 1] === CR ? at - 1 : at;
    const inline = parseInlineRequest(buf, start, lineEnd);
    if (inline === null) return this.#broken('Protocol error: unbalanced quotes in request');
    this.#consume(at + 1 - start);
    if (inline.count === 0) return null;
    args.point(inline.buf, 0, inline.offsets, inline.count);
    return Parsed.Request;
  }

  /** Gives memory back that only a large request needed. */
  shrink(): void {
    if (this.#expected === 0 && this.#offsets.length > OFFSETS_KEPT) this.#offsets = new Int32Array(OFFSETS_INITIAL);
  }
}
