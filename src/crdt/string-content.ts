import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Expiries } from './expiries.ts';
import { Increments, sumText, type Amount, type RunState } from './increments.ts';
import { viewOf, type KeptSibling } from './sibling-content.ts';
import { mergeSlots, slotHolder } from './slot-merge.ts';
import { compareWrites, covers, type StampedDot, type UpdateContext } from './update.ts';
import type { FlushedSides, MergeSides } from './writes.ts';

/** A stamped record of a FLUSHALL: a tombstone in the string slot of every key (RULES V2). */
export type FlushMark = StampedDot;

export type StringState = [value: string | null, stamp: number, origin: number, seq: number, runs: RunState[] | null];

/**
 * A key's string: one slot by (stamp, origin) that holds a register or the tombstone of one (RULES V2), and the increments on
 * what the slot holds (V4). An increment names its base and counts only while that base is current; no register and a tombstone
 * that the increment had seen are the same base.
 */
export class StringContent {
  /** Null where the slot is empty or a tombstone. */
  value: string | null = null;
  /** 0 = the slot is empty. */
  stamp = 0;
  origin = 0;
  seq = 0;
  increments: Increments | null = null;

  static ofRegister(value: string, stamp: number, origin: number, seq: number): StringContent {
    const content = new StringContent();
    content.value = value;
    content.stamp = stamp;
    content.origin = origin;
    content.seq = seq;
    return content;
  }

  get keepsSiblings(): false {
    return false;
  }

  get isLive(): boolean {
    return this.value !== null;
  }

  get isTombstone(): boolean {
    return this.value === null && this.stamp !== 0;
  }

  get isEmpty(): boolean {
    return this.stamp === 0 && this.increments === null;
  }

  /** Nothing to forget later. */
  get isPlain(): boolean {
    return !this.isTombstone && this.increments?.isShort !== false;
  }

  /** The register that an increment made now counts on; null for none. */
  get base(): StampedDot | null {
    return this.value === null ? null : this;
  }

  hasRegister(origin: number, seq: number): boolean {
    return this.value !== null && this.origin === origin && this.seq === seq;
  }

  /** The time at which it expires. */
  expiryMs(expiries: Expiries): number {
    return this.value === null ? expiries.view(0, 0) : expiries.view(this.origin, this.seq);
  }

  /** The one write that it shows: the register, or the latest increment where there is none. */
  kept(expiries: Expiries | null): KeptSibling[] {
    const at = this.base ?? this.increments?.latest() ?? null;
    if (at === null) return [];
    return [{ ...viewOf(this.text(), at), expiryMs: expiries === null ? Infinity : this.expiryMs(expiries) }];
  }

  /** Whether it shows something. */
  get shows(): boolean {
    return this.value !== null || this.increments !== null;
  }

  text(): string {
    const increments = this.increments;
    if (increments === null) return this.value ?? '';
    return sumText(this.value, increments.integer, increments.units);
  }

  /** What digests take of it. */
  texts(): readonly string[] {
    return [this.text()];
  }

  /**
   * Takes a register (or, with a null value, a tombstone) into the slot if it is the latest. A register that replaces another
   * drops the increments made on what it replaced.
   */
  write(value: string | null, context: UpdateContext, flush: FlushMark | null): boolean {
    if (flush !== null && compareWrites(context.stamp, context.origin, flush.stamp, flush.origin) < 0) return false;
    if (compareWrites(context.stamp, context.origin, this.stamp, this.origin) < 0) return false;
    this.value = value;
    this.stamp = context.stamp;
    this.origin = context.origin;
    this.seq = context.seq;
    this.increments = null;
    return true;
  }

  /**
   * Takes what a load brought into the slot (RULES V8): where the context had seen what holds it, whatever its stamp is, as that was forgotten at
   * the origin; else where it is the later.
   */
  fill(value: string, context: UpdateContext, flush: FlushMark | null): boolean {
    const unseenFlush = flush !== null && covers(context, flush.origin, flush.seq) ? null : flush;
    if (this.stamp !== 0 && covers(context, this.origin, this.seq)) this.clear();
    return this.write(value, context, unseenFlush);
  }

  increment(
    amount: Amount,
    baseOrigin: number,
    baseSeq: number,
    context: UpdateContext,
    flush: FlushMark | null,
  ): boolean {
    if (!this.#isCurrentBase(baseOrigin, baseSeq, context, flush)) return false;
    (this.increments ??= new Increments()).add(amount, context);
    return true;
  }

  #isCurrentBase(baseOrigin: number, baseSeq: number, context: UpdateContext, flush: FlushMark | null): boolean {
    if (this.value !== null) return this.origin === baseOrigin && this.seq === baseSeq;
    if (baseOrigin !== 0) return false;
    const holder = slotHolder(this, flush);
    return holder === null || covers(context, holder.origin, holder.seq);
  }

  /**
   * What an operation on another type does to a string that it had seen (RULES V6): the register becomes a tombstone at its own
   * place in the order, so that writes above it are not touched; increments that were seen go.
   */
  removeCovered(context: UpdateContext): boolean {
    if (this.value !== null) {
      if (!covers(context, this.origin, this.seq)) return false;
      this.value = null;
      this.increments = null;
      return true;
    }
    return this.removeCoveredIncrements(context);
  }

  /** What DEL of a key does to increments on an empty base: those it saw go, concurrent ones stay. */
  removeCoveredIncrements(context: UpdateContext): boolean {
    if (this.value !== null || this.increments === null) return false;
    const changed = this.increments.removeCovered(context);
    if (this.increments.isEmpty) this.increments = null;
    return changed;
  }

  /** FLUSHALL: whatever is below the mark goes. */
  flush(mark: FlushMark): boolean {
    if (compareWrites(this.stamp, this.origin, mark.stamp, mark.origin) > 0) return false;
    const shown = this.shows;
    this.clear();
    return shown;
  }

  clear(): void {
    this.value = null;
    this.stamp = 0;
    this.origin = 0;
    this.seq = 0;
    this.increments = null;
  }

  /**
   * Forgets a stable tombstone and folds stable increments. A tombstone above a FLUSHALL stays for as long as that is kept in
   * mind: without it the flush would hold the slot, and drop increments that had seen the tombstone only.
   */
  settle(stable: VersionVector, flush: FlushMark | null): void {
    if (this.isTombstone && flush === null && stable.contains(this.origin as Origin, this.seq)) {
      this.stamp = 0;
      this.origin = 0;
      this.seq = 0;
    }
    this.increments?.fold(stable);
  }

  isSettled(stable: VersionVector): boolean {
    return !this.isTombstone && (this.increments === null || this.increments.isSettled(stable));
  }

  /** The latest surviving write, for the order between types (RULES V6). */
  latest(): StampedDot | null {
    const inIncrements = this.increments?.latest() ?? null;
    if (this.value === null) return inIncrements;
    if (inIncrements !== null && compareWrites(inIncrements.stamp, inIncrements.origin, this.stamp, this.origin) > 0)
      return inIncrements;
    return { stamp: this.stamp, origin: this.origin, seq: this.seq };
  }

  /** Merges a snapshot's string by dot (RULES D6). `other` undefined is an empty one. */
  merge(other: StringContent | undefined, sides: FlushedSides): void {
    const their = other ?? new StringContent();
    const outcome = mergeSlots(slotHolder(this, sides.localFlush), slotHolder(their, sides.remoteFlush), sides);
    if (outcome === 'same') this.#mergeSameSlot(their, sides);
    // what holds their slot is news here, so nothing counted here can have been made on it
    else if (outcome === 'theirs') this.#take(their, their.increments);
    else if (outcome === 'neither') this.#dropSlots(their, sides);
  }

  #mergeSameSlot(their: StringContent, sides: MergeSides): void {
    if ((this.value === null) === (their.value === null)) {
      this.#mergeIncrements(their.increments, sides);
      return;
    }
    // one side saw the register removed: what counted on it is gone, what counts on the empty base is that side's
    if (this.value !== null) this.increments = their.increments;
    this.value = null;
  }

  /** Neither slot survives as it is: each was removed by what the other side saw; what counts on the empty base is merged. */
  #dropSlots(their: StringContent, sides: MergeSides): void {
    const mine = this.value === null ? this.increments : null;
    this.clear();
    this.increments = mine;
    this.#mergeIncrements(their.value === null ? their.increments : null, sides);
  }

  #take(their: StringContent, increments: Increments | null): void {
    this.value = their.value;
    this.stamp = their.stamp;
    this.origin = their.origin;
    this.seq = their.seq;
    this.increments = increments;
  }

  #mergeIncrements(their: Increments | null, sides: MergeSides): void {
    if (this.increments === null && their === null) return;
    const merged = this.increments ?? new Increments();
    merged.merge(their ?? undefined, sides);
    this.increments = merged.isEmpty ? null : merged;
  }

  toState(): StringState | null {
    if (this.stamp === 0 && this.increments === null) return null;
    return [this.value, this.stamp, this.origin, this.seq, this.increments === null ? null : this.increments.toState()];
  }

  static fromState(state: StringState): StringContent {
    const content = new StringContent();
    [content.value, content.stamp, content.origin, content.seq] = state;
    content.increments = state[4] === null ? null : Increments.fromState(state[4]);
    return content;
  }
}
