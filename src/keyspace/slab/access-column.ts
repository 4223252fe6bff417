import type { KeyUses, Slot } from '../keyspace.ts';
import { SlotFlag, type SlotRecords } from './slot-records.ts';

/** Bits of a time: 13 of a count of seconds, or of longer steps where the bit above says so. */
const COUNT_BITS = 13;
const COUNT_MASK: number = (1 << COUNT_BITS) - 1;
const LONG_STEPS: number = 1 << COUNT_BITS;
const LONG_STEP_SECONDS = 128;

/** What is not used for so long is counted in the longer steps: well before 8,192 seconds are round. */
const SHORT_SECONDS_MAX = 3_600;
/** The longest idle time that is told, 11 days: well before 8,192 of the longer steps are round. */
const IDLE_SECONDS_MAX: number = 11 * 24 * 3_600;
/** All slots are looked at once in so long, for what is to be counted in longer steps. */
const ROUND_MS = 1_800_000;
/** Looked at in one step of that, at most. */
const AGED_MAX = 20_000;

/**
 * When each key was used last, and how often of late, in 16 bits of its slot's record. The time is in seconds for the first hour of not being used
 * and in steps of 128 seconds from then on; a slow round over all slots takes those over that are due, so that no count is ever read
 * after it has gone round. It is as fine as time is told (`at`): by the ticks of the node.
 */
export class AccessColumn implements KeyUses {
  readonly #records: SlotRecords;
  #nowMs = 0;
  /** The present time as a slot has it. */
  #code = 0;
  #agedAtMs = 0;
  #agedTo: Slot = 0;

  constructor(records: SlotRecords) {
    this.#records = records;
  }

  /** As told last. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** It is so late, in Unix milliseconds. */
  at(nowMs: number): void {
    if (this.#nowMs === 0) this.#agedAtMs = nowMs;
    this.#nowMs = nowMs;
    this.#code = Math.floor(nowMs / 1000) & COUNT_MASK;
  }

  /** A key is used. */
  touch(slot: Slot): void {
    this.#records.noteUse(slot, this.#code);
  }

  /** A slot has a new key. */
  begin(slot: Slot): void {
    this.#records.setUse(slot, this.#code, 0);
  }

  /** How often it was used of late, 0 … 3. */
  uses(slot: Slot): number {
    return this.#records.uses(slot);
  }

  /** Seconds since it was used last. */
  idleSeconds(slot: Slot): number {
    const code = this.#records.usedAt(slot);
    const seconds = Math.floor(this.#nowMs / 1000);
    if ((code & LONG_STEPS) === 0) return (seconds - code) & COUNT_MASK;
    const steps = (Math.floor(seconds / LONG_STEP_SECONDS) - code) & COUNT_MASK;
    return Math.min(steps * LONG_STEP_SECONDS, IDLE_SECONDS_MAX);
  }

  /** Goes on with the round over all slots, as far as the time says. */
  age(): void {
    const { length } = this.#records;
    const due = Math.floor((length * (this.#nowMs - this.#agedAtMs)) / ROUND_MS);
    if (due < 1) return;
    this.#agedAtMs = this.#nowMs;
    const seconds = Math.floor(this.#nowMs / 1000);
    for (let left = Math.min(due, length, AGED_MAX); left > 0; left--) {
      if (this.#agedTo >= length) this.#agedTo = 0;
      const slot = this.#agedTo++;
      if (this.#records.has(slot, SlotFlag.Live) === 0) continue;
      const idle = this.idleSeconds(slot);
      if (idle < SHORT_SECONDS_MAX) continue;
      const usedAt = Math.floor((seconds - idle) / LONG_STEP_SECONDS);
      this.#records.setUse(slot, LONG_STEPS | (usedAt & COUNT_MASK), this.#records.uses(slot));
    }
  }
}
