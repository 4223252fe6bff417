/** Bounds of a lifetime that follows how often a key really changes, in milliseconds. */
export interface AdaptiveTtl {
  readonly minMs: number;
  readonly maxMs: number;
}

/** What is known of a key's value before the one that is written now. */
export interface ValueBefore {
  /** How long it was to live, in milliseconds; Infinity for ever. */
  readonly ttlMs: number;
  /** How long ago it was written or loaded. */
  readonly ageMs: number;
  readonly isSame: boolean;
}

/**
 * How long what is written now lives, from what was there before: by the time for which it stayed the same longer, to twice at most; half
 * of the time in which it changed where it did. So a key that is written anew all the time without a change gains no more than time has
 * shown, and one change in a long quiet time does not throw it back to the shortest. (After Gwertzman and Seltzer, "World-Wide Web Cache Consistency",
 * USENIX 1996, who take a part of the age as the lifetime; here what was observed is the lifetime before, which every replica has.)
 */
export function adaptedTtlMs({ minMs, maxMs }: AdaptiveTtl, before: ValueBefore | null): number {
  if (before === null) return minMs;
  const ttlMs = before.ttlMs === Infinity ? minMs : Math.min(maxMs, Math.max(minMs, before.ttlMs));
  const shownMs = Math.min(ttlMs, before.ageMs);
  const next = before.isSame ? ttlMs + shownMs : shownMs / 2;
  return Math.round(Math.min(maxMs, Math.max(minMs, next)));
}
