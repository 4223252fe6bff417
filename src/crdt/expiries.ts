import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import { compareWrites, covers, type UpdateContext } from './update.ts';
import type { MergeSides } from './writes.ts';

/** One write of an expiry: when, on which register (0:0 = everything else of the key), and its dot. */
export interface ExpiryWrite {
  readonly atMs: number;
  readonly baseOrigin: number;
  readonly baseSeq: number;
  readonly stamp: number;
  readonly origin: number;
  readonly seq: number;
}

/** `atMs` is −1 for Infinity, which not every format can carry. */
export type ExpiryState = [
  atMs: number,
  baseOrigin: number,
  baseSeq: number,
  stamp: number,
  origin: number,
  seq: number,
];

/**
 * The expiries of a key (RULES V3): every one that no other has seen; the view is the latest time of them. PERSIST is infinity.
 * An expiry of a string belongs to the register it was set on, as an increment does, so that SET starts anew.
 */
export class Expiries {
  #writes: ExpiryWrite[] = [];

  /** The one that a register came with. */
  static ofRegister(atMs: number, stamp: number, origin: number, seq: number): Expiries {
    const expiries = new Expiries();
    expiries.#writes.push({ atMs, baseOrigin: origin, baseSeq: seq, stamp, origin, seq });
    return expiries;
  }

  /** Whether it is only the one that a register came with, and a time. */
  isOfRegister(stamp: number, origin: number, seq: number): boolean {
    const [write] = this.#writes;
    if (write === undefined || this.#writes.length > 1 || write.atMs === Infinity) return false;
    return isOn(write, origin, seq) && write.stamp === stamp && write.origin === origin && write.seq === seq;
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  get writes(): readonly ExpiryWrite[] {
    return this.#writes;
  }

  add(atMs: number, baseOrigin: number, baseSeq: number, context: UpdateContext): void {
    this.#retain((write) => !isOn(write, baseOrigin, baseSeq) || !covers(context, write.origin, write.seq));
    this.#writes.push({ atMs, baseOrigin, baseSeq, stamp: context.stamp, origin: context.origin, seq: context.seq });
  }

  /** The latest time on a base, Infinity where there is none. */
  view(baseOrigin: number, baseSeq: number): number {
    let latestMs = -Infinity;
    for (const write of this.#writes)
      if (isOn(write, baseOrigin, baseSeq) && write.atMs > latestMs) latestMs = write.atMs;
    return latestMs === -Infinity ? Infinity : latestMs;
  }

  /** Removes the expiries of everything but the register that the transaction had seen. */
  removeCovered(context: UpdateContext): boolean {
    return this.#retain((write) => write.baseOrigin !== 0 || !covers(context, write.origin, write.seq));
  }

  /** Drops the expiries of registers that are gone. */
  keepBases(string: { hasRegister(origin: number, seq: number): boolean }): void {
    this.#retain((write) => write.baseOrigin === 0 || string.hasRegister(write.baseOrigin, write.baseSeq));
  }

  dropBase(baseOrigin: number, baseSeq: number): void {
    this.#retain((write) => !isOn(write, baseOrigin, baseSeq));
  }

  /** Forgets stable ones that do not show: those below the view of their base, all but one of equals, and an only Infinity. */
  settle(stable: VersionVector): void {
    if (this.#writes.length === 0) return;
    const isStable = (write: ExpiryWrite): boolean => stable.contains(write.origin as Origin, write.seq);
    this.#retain(
      (write) => !isStable(write) || !this.#others(write).some((other) => hides(other, write, isStable(other))),
    );
    this.#retain((write) => !isStable(write) || write.atMs !== Infinity || this.#others(write).length > 0);
  }

  get isSettled(): boolean {
    return this.#writes.every((write) => write.atMs !== Infinity && this.#others(write).length === 0);
  }

  /** The latest time of all, whatever it is on. */
  get latestMs(): number {
    return this.#writes.reduce((latestMs, write) => Math.max(latestMs, write.atMs), -Infinity);
  }

  /** The others on the base of a write. */
  #others(write: ExpiryWrite): ExpiryWrite[] {
    return this.#writes.filter((other) => other !== write && isOn(other, write.baseOrigin, write.baseSeq));
  }

  #retain(keep: (write: ExpiryWrite) => boolean): boolean {
    const kept = this.#writes.filter(keep);
    if (kept.length === this.#writes.length) return false;
    this.#writes = kept;
    return true;
  }

  /** Merges a snapshot's by dot (RULES D6); the caller then keeps the base that won. */
  merge(other: Expiries | null, sides: MergeSides): void {
    const theirs = other === null ? [] : other.#writes;
    const same = (left: ExpiryWrite, right: ExpiryWrite): boolean =>
      left.origin === right.origin && left.seq === right.seq && isOn(left, right.baseOrigin, right.baseSeq);
    this.#retain(
      (write) =>
        theirs.some((their) => same(their, write)) || !sides.remote.contains(write.origin as Origin, write.seq),
    );
    for (const write of theirs) {
      if (!sides.local.contains(write.origin as Origin, write.seq)) this.#writes.push(write);
    }
  }

  toState(): ExpiryState[] {
    return this.#writes.map((write) => [
      write.atMs === Infinity ? -1 : write.atMs,
      write.baseOrigin,
      write.baseSeq,
      write.stamp,
      write.origin,
      write.seq,
    ]);
  }

  static fromState(state: readonly ExpiryState[]): Expiries {
    const expiries = new Expiries();
    for (const [atMs, baseOrigin, baseSeq, stamp, origin, seq] of state) {
      expiries.#writes.push({ atMs: atMs < 0 ? Infinity : atMs, baseOrigin, baseSeq, stamp, origin, seq });
    }
    return expiries;
  }
}

/** Whether a stable write is not needed beside another: it is earlier, or as late and not the one of equals that stays. */
function hides(other: ExpiryWrite, stable: ExpiryWrite, isOtherStable: boolean): boolean {
  if (other.atMs !== stable.atMs) return other.atMs > stable.atMs;
  return !isOtherStable || compareWrites(other.stamp, other.origin, stable.stamp, stable.origin) > 0;
}

function isOn(write: ExpiryWrite, baseOrigin: number, baseSeq: number): boolean {
  return write.baseOrigin === baseOrigin && write.baseSeq === baseSeq;
}
