import { graceMsOf, type SourceRule } from '../classes/key-class.ts';
import { isFillStamp } from '../clock/stamp.ts';
import type { KeyspaceReader, Slot } from '../keyspace/keyspace.ts';
import type { LoadsInFlight } from './engine.ts';

/**
 * What a slot shows that was loaded: how long it is fresh, Unix milliseconds; null where it was written by a client, which is as good as it
 * says. It is known at every node, since the expiry of what is loaded is the end of its freshness and the class's grace.
 */
export function freshUntilMs(keys: KeyspaceReader, slot: Slot, rule: SourceRule): number | null {
  const version = keys.versions.at(slot);
  if ('state' in version || !isFillStamp(version.stamp)) return null;
  return keys.expiryOf(slot) - graceMsOf(rule);
}

/**
 * Whether what was loaded has been given its last time (LAZY, SPEC I5): it ends before any load lets it, also one that is fresh for `ttlMsMin`. That is told by the slot alone, so every node knows it, whoever was asked for
 * the invalidation.
 */
export function isOnItsLast(
  keys: KeyspaceReader,
  slot: Slot,
  rule: SourceRule,
  ttlMsMin: number,
  loads: Pick<LoadsInFlight, 'ageMs'>,
  nowMs: number,
): boolean {
  const version = keys.versions.at(slot);
  if ('state' in version || !isFillStamp(version.stamp)) return false;
  return keys.expiryOf(slot) < expiryOfLoad(rule, ttlMsMin, nowMs - loads.ageMs(version.stamp, nowMs), 1);
}

/** The end of what is loaded now and is fresh for `ttlMs`: `unit` in [0, 1) chooses the jitter. */
export function expiryOfLoad(rule: SourceRule, ttlMs: number, startMs: number, unit: number): number {
  return Math.ceil(startMs + ttlMs * (1 - rule.jitter * unit)) + graceMsOf(rule);
}

/**
 * XFetch: whether a read of a value that is still fresh loads it anew, so that of many readers about one does before the end, and sooner the longer
 * a load takes. Source: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015: load where
 * now − delta · beta · ln(rand) ≥ expiry. `loadMs` is their delta, here of the class's loads at this node instead of the key's own, which
 * other nodes do not know; `early` is their beta; `unit` is from [0, 1).
 */
export function isEarly(nowMs: number, endMs: number, loadMs: number, early: number, unit: number): boolean {
  // 1 − unit is in (0, 1], whose logarithm is finite
  return early > 0 && nowMs - loadMs * early * Math.log(1 - unit) >= endMs;
}
