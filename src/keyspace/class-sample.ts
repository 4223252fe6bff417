import { ByteRange } from '../base/bytes.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import { ContentType, type Slot } from './keyspace.ts';
import type { SlabTable } from './slab/slab-table.ts';
import { SlotFlag } from './slab/slot-records.ts';

/** Slots that are looked at: some hundred microseconds. Where there are no more, what comes out is exact. */
const SAMPLED_MAX = 4_000;
/** How far places are moved within their part of all, so that no regular pattern of keys falls in with them. */
const GOLDEN = 0.618_033_988_749_895;
/** What changed since so long ago counts as changed. */
const CHANGED_WITHIN_MS = 60_000;

/** What the keys of a class take here, as far as a sample of all slots tells. */
export interface ClassSample {
  keys: number;
  /** Of keys and of strings and counters: what is in the slab. */
  bytes: number;
  /** Keys whose value is in the store only. */
  stubs: number;
  /** How old the writes are that strings show, on average; null where there is none in the sample. */
  ageMs: number | null;
  /** Strings that were written within the last minute, by whomever. */
  changed: number;
}

class Tally implements ClassSample {
  keys = 0;
  bytes = 0;
  stubs = 0;
  changed = 0;
  #strings = 0;
  #ageMs = 0;

  get ageMs(): number | null {
    return this.#strings === 0 ? null : this.#ageMs / this.#strings;
  }

  noteString(ageMs: number, weight: number): void {
    this.#strings++;
    this.#ageMs += ageMs;
    if (ageMs < CHANGED_WITHIN_MS) this.changed += weight;
  }
}

/** Looks at some slots, evenly over all, and says what they tell of each of `count` classes. */
export function sampleClasses(
  slots: SlabTable,
  count: number,
  indexOf: (key: ByteRange) => number,
  nowMs: number,
): readonly ClassSample[] {
  const tallies = Array.from({ length: count }, () => new Tally());
  const { length, records } = slots;
  const step = Math.max(1, length / SAMPLED_MAX);
  const key = new ByteRange();
  for (let at = 0; at * step < length; at++) {
    const slot: Slot = Math.min(length - 1, Math.floor((at + (step === 1 ? 0 : (at * GOLDEN) % 1)) * step));
    if (!slots.isLive(slot) || records.type(slot) === ContentType.None) continue;
    const tally = tallies[indexOf(slots.keyInto(slot, key))];
    if (tally === undefined) continue;
    tally.keys += step;
    tally.bytes += slots.blocks.sizeOf(slot) * step;
    if (records.has(slot, SlotFlag.Evicted) !== 0) tally.stubs += step;
    if (slots.isRegister(slot)) tally.noteString(Math.max(0, nowMs - msOfStamp(records.stamp(slot) as Stamp)), step);
  }
  return tallies;
}
