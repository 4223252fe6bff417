import { assert } from '../base/assert.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { joinColumns } from './columns-join.ts';
import { FRAME_ROOM_BYTES } from './peer-frames.ts';

/** Consecutive transactions of one origin, encoded once and shared by all that are sent them. */
export interface Chunk {
  readonly origin: Origin;
  readonly first: number;
  readonly last: number;
  /** Encoded columns. */
  readonly bytes: Uint8Array;
  /** Bytes before them in their memory that are nobody's, for the beginning of a frame; absent for none. */
  readonly room?: number;
  /** Monotonic milliseconds when it came into this log. */
  readonly atMs: number;
}

/** How much of an origin's log is kept for members that have not acknowledged it. */
export interface LogLimits {
  readonly logBytesMax: number;
  readonly logAgeMsMax: number;
}

/** Fewer chunks than these are sent as they are: in a calm turn there is one. */
const JOINED_MIN = 4;

/** So many places that nothing is in are cut off at once. */
const HEAD_MAX = 1_024;

/** The log of one origin: the chunks from `base` (exclusive) to `last`. They come at its end and go at its front. */
class OriginLog {
  #chunks: (Chunk | undefined)[] = [];
  /** At each place the bytes that were in the log before its chunk, since it began: what is behind a cursor is not counted chunk by chunk. */
  #startsAt: number[] = [];
  /** The place of the first chunk. */
  #head = 0;
  /** Bytes that were in the log since it began, with what was joined as long as it is now. */
  #endsAt = 0;
  readonly #memory: ChunkMemory | null;
  base: number;
  last: number;
  bytes = 0;

  constructor(base: number, memory: ChunkMemory | null) {
    this.#memory = memory;
    this.base = base;
    this.last = base;
  }

  append(chunk: Chunk): void {
    assert(chunk.last > this.last, 'a log grows by its sequence');
    if (this.#head === this.#chunks.length || chunk.first > this.last + 1) this.restart(chunk.first - 1);
    this.#chunks.push(chunk);
    this.#startsAt.push(this.#endsAt);
    this.#endsAt += chunk.bytes.length;
    this.last = chunk.last;
    this.bytes += chunk.bytes.length;
  }

  /** Begins anew after what a snapshot brought. */
  restart(base: number): void {
    this.#chunks = [];
    this.#startsAt = [];
    this.#head = 0;
    this.#endsAt = 0;
    this.base = base;
    this.last = Math.max(base, this.last);
    this.bytes = 0;
  }

  /** The chunk that holds `seq`. */
  holding(seq: number): Chunk | undefined {
    return this.#chunks[this.#find(seq)];
  }

  /** Bytes of the chunks from the one on that holds `seq`. */
  bytesFrom(seq: number): number {
    return this.#endsAt - (this.#startsAt[this.#find(seq)] ?? this.#endsAt);
  }

  /** See `OpLog.afterJoined`. */
  join(seq: number, bytesMax: number): Chunk | undefined {
    const from = this.#find(seq + 1);
    const first = this.#chunks[from];
    if (first === undefined || this.#chunks.length - from < JOINED_MIN) return first;
    let bytes = 0;
    let next = first.first;
    let to = from;
    for (; to < this.#chunks.length; to++) {
      const chunk = this.#chunks[to] as Chunk;
      bytes += chunk.bytes.length;
      // what came by two ways may overlap
      if (bytes > bytesMax || chunk.first !== next) break;
      next = chunk.last + 1;
    }
    if (to - from < JOINED_MIN) return first;
    const parts = this.#chunks.slice(from, to) as Chunk[];
    const joined: Chunk = { ...first, last: next - 1, bytes: joinColumns(parts, this.#memory), room: FRAME_ROOM_BYTES };
    for (const part of parts) this.#gone(part);
    this.bytes += joined.bytes.length;
    this.#replace(from, to, joined);
    return joined;
  }

  /** Puts one chunk in the place of several. What is before them is moved up to it: who is behind begins at the front. */
  #replace(from: number, to: number, joined: Chunk): void {
    const gone = to - from - 1;
    const joinedAt = (this.#startsAt[to] ?? this.#endsAt) - joined.bytes.length;
    const shorter = joinedAt - (this.#startsAt[from] as number);
    this.#chunks[to - 1] = joined;
    this.#startsAt[to - 1] = joinedAt;
    for (let at = from - 1; at >= this.#head; at--) {
      this.#chunks[at + gone] = this.#chunks[at];
      this.#startsAt[at + gone] = (this.#startsAt[at] as number) + shorter;
    }
    this.#chunks.fill(undefined, this.#head, this.#head + gone);
    this.#head += gone;
    this.#cutHead();
  }

  dropWhile(gone: (chunk: Chunk) => boolean): void {
    for (let chunk = this.#chunks[this.#head]; chunk !== undefined && gone(chunk); chunk = this.#chunks[this.#head]) {
      this.#chunks[this.#head++] = undefined;
      this.#gone(chunk);
      this.base = chunk.last;
    }
    this.#cutHead();
  }

  #gone({ bytes }: Chunk): void {
    this.bytes -= bytes.length;
    this.#memory?.release(bytes);
  }

  #cutHead(): void {
    if (this.#head < HEAD_MAX || this.#head * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#startsAt = this.#startsAt.slice(this.#head);
    this.#head = 0;
  }

  /** The place of the chunk that holds `seq`, by bisection; past the last when it is past the end. */
  #find(seq: number): number {
    let low = this.#head;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#chunks[middle] as Chunk).last < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The send buffer: per origin, the encoded transactions that some member may still need. A peer is a cursor into it, so a slow
 * peer costs nothing but its cursor; a cursor that falls behind the base needs a snapshot.
 */
export class OpLog {
  readonly #logs: Map<Origin, OriginLog> = new Map();
  readonly #limits: LogLimits;
  /** Where chunks of the own stream lie; null where that is not used again. */
  readonly #memory: ChunkMemory | null;

  constructor(limits: LogLimits, memory: ChunkMemory | null = null) {
    this.#limits = limits;
    this.#memory = memory;
  }

  append(chunk: Chunk): void {
    const log = this.#logs.get(chunk.origin);
    if (log === undefined) {
      const begun = new OriginLog(chunk.first - 1, this.#memory);
      this.#logs.set(chunk.origin, begun);
      begun.append(chunk);
    } else if (chunk.last > log.last) {
      log.append(chunk);
    }
  }

  /** Says that everything of an origin up to `seq` is here without being in the log (from the store or a snapshot). */
  startAfter(origin: Origin, seq: number): void {
    const log = this.#logs.get(origin);
    if (log === undefined) this.#logs.set(origin, new OriginLog(seq, this.#memory));
    else if (seq > log.last) log.restart(seq);
  }

  origins(): IterableIterator<Origin> {
    return this.#logs.keys();
  }

  last(origin: Origin): number {
    return this.#logs.get(origin)?.last ?? 0;
  }

  /** Whether the log still has what follows `seq`. */
  reaches(origin: Origin, seq: number): boolean {
    const log = this.#logs.get(origin);
    return log === undefined || seq >= log.base;
  }

  /** The chunk that holds the transaction after `seq`, undefined at the end. */
  after(origin: Origin, seq: number): Chunk | undefined {
    return this.#logs.get(origin)?.holding(seq + 1);
  }

  /**
   * As `after`; where many small chunks follow each other, as after a cut, they become one of at most so many bytes, here too: for whoever
   * comes next, and because each takes memory beside its bytes. Cursors are sequences, so nobody minds.
   */
  afterJoined(origin: Origin, seq: number, bytesMax: number): Chunk | undefined {
    return this.#logs.get(origin)?.join(seq, bytesMax);
  }

  /** Bytes, transactions and the time of the oldest chunk after `seq`. */
  behind(origin: Origin, seq: number): { bytes: number; transactions: number; oldestAtMs: number } {
    const log = this.#logs.get(origin);
    if (log === undefined || seq >= log.last) return { bytes: 0, transactions: 0, oldestAtMs: Infinity };
    const bytes = log.bytesFrom(seq + 1);
    return { bytes, transactions: log.last - seq, oldestAtMs: log.holding(seq + 1)?.atMs ?? Infinity };
  }

  /** Frees what is stable, and what is past the limits whoever still lacks it (it will get a snapshot). */
  truncate(stable: VersionVector, monotonicMs: number): void {
    for (const [origin, log] of this.#logs) {
      const stableSeq = stable.get(origin);
      log.dropWhile((chunk) => {
        if (chunk.last <= stableSeq) return true;
        return log.bytes > this.#limits.logBytesMax || monotonicMs - chunk.atMs > this.#limits.logAgeMsMax;
      });
    }
  }

  /** Forgets a retired origin. */
  drop(origin: Origin): void {
    this.#logs.delete(origin);
  }

  get bytes(): number {
    let bytes = 0;
    for (const log of this.#logs.values()) bytes += log.bytes;
    return bytes;
  }

  /** Transactions kept. */
  get transactions(): number {
    let transactions = 0;
    for (const log of this.#logs.values()) transactions += log.last - log.base;
    return transactions;
  }

  bytesOf(origin: Origin): number {
    return this.#logs.get(origin)?.bytes ?? 0;
  }
}
