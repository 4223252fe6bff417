import type { ByteRange } from '../base/bytes.ts';
import { adaptedTtlMs, type ValueBefore } from '../classes/adaptive-ttl.ts';
import { graceMsOf, type KeyClass } from '../classes/key-class.ts';
import { isFillStamp, msOfStamp, type Stamp } from '../clock/stamp.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';

/** How long ago a load began that brought what has a stamp. */
type LoadAge = (stamp: number) => number;

/**
 * How long a string lives that is written or loaded now without an expiry of its own (SPEC C2a), null for ever. What is here of the key says it, also
 * what has expired and is not purged yet: when that was written, how long it was to live, and whether it was the same.
 */
export function lifetimeMs(
  keyspace: SlabKeyspace,
  keyClass: KeyClass,
  key: ByteRange,
  value: ByteRange,
  nowMs: number,
  loadAgeMs: LoadAge,
): number | null {
  const { adaptiveTtl, ttlMs } = keyClass;
  if (adaptiveTtl === undefined) return ttlMs;
  return adaptedTtlMs(adaptiveTtl, before(keyspace, keyClass, key, value, nowMs, loadAgeMs));
}

function before(
  keyspace: SlabKeyspace,
  { source }: KeyClass,
  key: ByteRange,
  value: ByteRange,
  nowMs: number,
  loadAgeMs: LoadAge,
): ValueBefore | null {
  const slot = keyspace.slotOf(key, 0);
  if (slot === NO_SLOT || keyspace.typeOf(slot) !== ContentType.String) return null;
  const dot = keyspace.registerAt(slot);
  if (dot === null) return null;
  const isLoaded = isFillStamp(dot.stamp);
  const ageMs = isLoaded ? loadAgeMs(dot.stamp) : Math.max(0, nowMs - msOfStamp(dot.stamp as Stamp));
  const graceMs = isLoaded && source !== undefined ? graceMsOf(source) : 0;
  return {
    ttlMs: keyspace.expiryOf(slot) - graceMs - (nowMs - ageMs),
    ageMs,
    // the view that is written may lie where a reader would put this one
    isSame: keyspace.entryAt(slot).string.text() === value.toLatin1(),
  };
}
