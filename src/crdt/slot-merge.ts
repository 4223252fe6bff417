import type { Origin } from '../clock/origin.ts';
import { isFillStamp } from '../clock/stamp.ts';
import { compareWrites, type StampedDot } from './update.ts';
import type { MergeSides } from './writes.ts';

/** What becomes of a slot by (stamp, origin) when a snapshot is merged; `same` is where both sides hold the same write. */
export type SlotOutcome = 'same' | 'mine' | 'theirs' | 'neither';

/** What holds a slot: what is in it, or the FLUSHALL that emptied it (RULES V2); null for nothing. A fill below the flush had seen it (V8): else it would not be here. */
export function slotHolder(slot: StampedDot, flush: StampedDot | null): StampedDot | null {
  if (
    flush !== null &&
    !isFillStamp(slot.stamp) &&
    compareWrites(slot.stamp, slot.origin, flush.stamp, flush.origin) < 0
  )
    return flush;
  return slot.stamp === 0 ? null : slot;
}

/** Merges what holds two slots by dot (RULES D6): what the other side had seen and holds no more was removed there. */
export function mergeSlots(mine: StampedDot | null, theirs: StampedDot | null, sides: MergeSides): SlotOutcome {
  if (mine?.origin === theirs?.origin && mine?.seq === theirs?.seq) return 'same';
  const keepMine = mine !== null && !sides.remote.contains(mine.origin as Origin, mine.seq);
  const keepTheirs = theirs !== null && !sides.local.contains(theirs.origin as Origin, theirs.seq);
  if (!keepTheirs) return keepMine ? 'mine' : 'neither';
  return keepMine && compareWrites(theirs.stamp, theirs.origin, mine.stamp, mine.origin) <= 0 ? 'mine' : 'theirs';
}
