import type { Direction } from './direction.ts';
import { WAN_LIMITS } from './limits.ts';

/** What travels: bytes, the orderly end of the stream, or its reset. */
export type Cargo = Uint8Array | 'end' | 'reset';

/** Where a line's cargo comes from and goes to. */
export interface LineEnds {
  /** Writes the cargo of one moment; false when no more is to come before `unblock`. */
  deliver(cargo: readonly Cargo[]): boolean;
  /** Whether to go on reading the source. */
  setReading(isReading: boolean): void;
}

interface Parcel {
  readonly departMs: number;
  readonly jitterMs: number;
  readonly cargo: Cargo;
}

/** An empty head of the queue is cut off once it is this long. */
const COMPACT_AFTER = 4_096;

/**
 * One direction of one connection: first in, first out, each parcel at its departure + the direction's delay (+ jitter)
 * or later, never earlier. Only the head is looked at, so jitter and a changed delay cannot reorder anything.
 */
export class DelayLine {
  readonly direction: Direction;
  readonly #ends: LineEnds;
  readonly #random: () => number;
  #parcels: (Parcel | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #isBlocked = false;
  #isReading = true;

  /** `random` gives numbers in [0, 1), for jitter. */
  constructor(direction: Direction, ends: LineEnds, random: () => number) {
    this.direction = direction;
    this.#ends = ends;
    this.#random = random;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  /** When the head is due; infinite when there is none or it cannot move. */
  get dueMs(): number {
    const head = this.#parcels[this.#head];
    if (head === undefined || this.#isBlocked || this.direction.isCut) return Infinity;
    return head.departMs + head.jitterMs + this.direction.delayMs;
  }

  send(cargo: Cargo, nowMs: number): void {
    const byteLength = typeof cargo === 'string' ? 0 : cargo.byteLength;
    const { jitterMs } = this.direction;
    this.#parcels.push({
      departMs: this.direction.depart(byteLength, nowMs),
      jitterMs: jitterMs === 0 ? 0 : -Math.log(1 - this.#random()) * jitterMs,
      cargo,
    });
    this.#bytes += byteLength;
    if (this.#bytes > WAN_LIMITS.lineBytesMax) this.#setReading(false);
  }

  /** Delivers all that is due by `nowMs`. */
  release(nowMs: number): void {
    const due: Cargo[] = [];
    while (this.dueMs <= nowMs) {
      const parcel = this.#parcels[this.#head];
      if (parcel === undefined) break;
      this.#parcels[this.#head] = undefined;
      this.#head += 1;
      if (typeof parcel.cargo !== 'string') this.#bytes -= parcel.cargo.byteLength;
      due.push(parcel.cargo);
    }
    if (due.length === 0) return;
    this.#compact();
    this.#isBlocked = !this.#ends.deliver(due);
    if (this.#bytes < WAN_LIMITS.lineBytesResume) this.#setReading(true);
  }

  /** The destination takes bytes again. */
  unblock(): void {
    this.#isBlocked = false;
  }

  /** Drops what is on its way; the destination is gone. */
  clear(): void {
    this.#parcels = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#setReading(true);
  }

  #compact(): void {
    if (this.#head === this.#parcels.length) {
      this.#parcels.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AFTER) {
      this.#parcels.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #setReading(isReading: boolean): void {
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    this.#ends.setReading(isReading);
  }
}
