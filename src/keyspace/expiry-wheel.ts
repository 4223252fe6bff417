import { ExpiryQueue } from './expiry-queue.ts';
import type { Slot } from './keyspace.ts';

/** What the lowest wheel's buckets are wide. What is nearer than that is in a queue in exact order. */
const TICK_MS = 1_024;
const BUCKETS = 64;
/** The highest wheel's buckets are 2,200 years wide. */
const WHEELS = 7;
const WIDTHS: readonly number[] = Array.from({ length: WHEELS }, (_unused, wheel) => TICK_MS * BUCKETS ** wheel);
/** The list that is being sorted into nearer ones. */
const DRAINED: number = WHEELS * BUCKETS;

/** Where a slot stands, by what is before it: nothing is 0, a slot its number and one. */
const NOWHERE = 0;
const IN_QUEUE = 0xffff_ffff;
const BUCKET_BIT = 0x8000_0000;

const SEGMENT_BITS = 12;
const SEGMENT_SLOTS: number = 1 << SEGMENT_BITS;

/**
 * When slots are due, without sweeps and without a record for each time one was changed: wheels of 64 buckets, each a list through the
 * slots themselves, so that a slot stands in one place and leaves it at once. The farther, the wider the bucket; as its time comes
 * its slots are put into nearer ones, some at a time, and at last into a queue by the millisecond.
 * Source: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987, scheme 7; buckets are found by the earliest time
 * in them, not by a hand that turns, so that time may jump.
 */
export class ExpiryWheel {
  readonly #expiryOf: (slot: Slot) => number;
  /** Two words a slot: what is before it, and the next one. */
  readonly #links: (Uint32Array | undefined)[] = [];
  readonly #first: Uint32Array = new Uint32Array(DRAINED + 1);
  /** Not above the earliest time in each bucket. */
  readonly #earliestMs: Float64Array = new Float64Array(DRAINED + 1).fill(Infinity);
  #bucketsMs = Infinity;
  readonly #queue: ExpiryQueue = new ExpiryQueue();
  #nowMs = 0;

  constructor(expiryOf: (slot: Slot) => number) {
    this.#expiryOf = expiryOf;
  }

  /** Not above when the next slot is due, in Unix milliseconds; Infinity for none. */
  get nextMs(): number {
    return Math.min(this.#queue.nextMs, this.#bucketsMs);
  }

  #linksOf(slot: Slot): Uint32Array {
    return (this.#links[slot >>> SEGMENT_BITS] ??= new Uint32Array(SEGMENT_SLOTS * 2));
  }

  #before(slot: Slot): number {
    return this.#linksOf(slot)[(slot & (SEGMENT_SLOTS - 1)) * 2] as number;
  }

  #setBefore(slot: Slot, before: number): void {
    this.#linksOf(slot)[(slot & (SEGMENT_SLOTS - 1)) * 2] = before;
  }

  #next(slot: Slot): number {
    return this.#linksOf(slot)[(slot & (SEGMENT_SLOTS - 1)) * 2 + 1] as number;
  }

  #setNext(slot: Slot, next: number): void {
    this.#linksOf(slot)[(slot & (SEGMENT_SLOTS - 1)) * 2 + 1] = next;
  }

  /** Puts in a slot that is not in it, by its expiry. */
  add(slot: Slot): void {
    const atMs = this.#expiryOf(slot);
    const inMs = atMs - this.#nowMs;
    if (inMs < TICK_MS) {
      this.#setBefore(slot, IN_QUEUE);
      this.#queue.push(atMs, slot);
      return;
    }
    let wheel = 0;
    while (wheel < WHEELS - 1 && inMs >= (WIDTHS[wheel + 1] as number)) wheel++;
    this.#link(slot, wheel * BUCKETS + (Math.floor(atMs / (WIDTHS[wheel] as number)) % BUCKETS), atMs);
  }

  #link(slot: Slot, bucket: number, atMs: number): void {
    const next = this.#first[bucket] as number;
    this.#setBefore(slot, BUCKET_BIT | bucket);
    this.#setNext(slot, next);
    if (next !== NOWHERE) this.#setBefore(next - 1, slot + 1);
    this.#first[bucket] = slot + 1;
    if (atMs < (this.#earliestMs[bucket] as number)) this.#earliestMs[bucket] = atMs;
    if (atMs < this.#bucketsMs) this.#bucketsMs = atMs;
  }

  /** Takes a slot out if it is in. */
  remove(slot: Slot): void {
    const before = this.#before(slot);
    if (before === NOWHERE) return;
    this.#setBefore(slot, NOWHERE);
    // what stands in the queue is outdated from now on
    if (before === IN_QUEUE) return;
    const next = this.#next(slot);
    if (next !== NOWHERE) this.#setBefore(next - 1, before);
    if (before >= BUCKET_BIT) this.#first[before - BUCKET_BIT] = next;
    else this.#setNext(before - 1, next);
  }

  /** Takes out up to `budget` slots that are due by `nowMs`, the earliest first, and visits each. */
  expire(nowMs: number, budget: number, visit: (slot: Slot) => void): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    let left = budget;
    while (left > 0 && this.#bucketsMs <= nowMs) left -= this.#bringNear(left);
    for (; left > 0 && this.#queue.nextMs <= nowMs; left--) {
      const atMs = this.#queue.nextMs;
      const slot = this.#queue.pop();
      if (this.#before(slot) !== IN_QUEUE || this.#expiryOf(slot) !== atMs) continue;
      this.#setBefore(slot, NOWHERE);
      visit(slot);
    }
  }

  /** Puts up to `budget` slots of the earliest bucket into nearer ones; says how many it looked at, at least one. */
  #bringNear(budget: number): number {
    if (this.#first[DRAINED] === NOWHERE) this.#detachEarliest();
    let looked = 0;
    for (; looked < budget; looked++) {
      const first = this.#first[DRAINED] as number;
      if (first === NOWHERE) break;
      this.remove(first - 1);
      this.add(first - 1);
    }
    if (this.#first[DRAINED] === NOWHERE) {
      this.#earliestMs[DRAINED] = Infinity;
      this.#bucketsMs = this.#earliestMs.reduce((earliestMs, atMs) => Math.min(earliestMs, atMs), Infinity);
    }
    return Math.max(1, looked);
  }

  #detachEarliest(): void {
    let earliest = 0;
    for (let bucket = 1; bucket < DRAINED; bucket++)
      if ((this.#earliestMs[bucket] as number) < (this.#earliestMs[earliest] as number)) earliest = bucket;
    const first = this.#first[earliest] as number;
    this.#first[DRAINED] = first;
    this.#earliestMs[DRAINED] = this.#earliestMs[earliest] as number;
    this.#first[earliest] = NOWHERE;
    this.#earliestMs[earliest] = Infinity;
    if (first !== NOWHERE) this.#setBefore(first - 1, (BUCKET_BIT | DRAINED) >>> 0);
  }
}
