import { systemKey, systemKeyParts } from '../base/system-keys.ts';
import type { Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { InvalidationEffect, InvalidationTarget } from '../commands/invalidation-view.ts';

const KIND = 'invalidated';
export const TARGET_KINDS = ['key', 'tag', 'pattern'] as const;

/** An invalidation as all nodes keep it for a while (SPEC I2). */
export interface InvalidationRecord {
  readonly target: InvalidationTarget;
  readonly effect: InvalidationEffect;
  /** What was written at or after this stamp is not old. */
  readonly stamp: number;
  /** What its maker had seen, the transaction that it is made in included. */
  readonly seen: VersionVector;
}

/** `key product:1`: for people. */
export function targetText({ kind, name }: InvalidationTarget): string {
  return `${kind} ${name}`;
}

/** The system key of a target's latest invalidation, latin1. */
export function recordKey({ kind, name }: InvalidationTarget): string {
  return systemKey(KIND, `${kind}:${name}`);
}

/** The target that a system key (latin1) is the record of, null for none. */
export function targetOfKey(key: string): InvalidationTarget | null {
  const parts = systemKeyParts(key);
  if (parts?.kind !== KIND) return null;
  const at = parts.name.indexOf(':');
  const kind = TARGET_KINDS.find((known) => known === parts.name.slice(0, at));
  return kind === undefined ? null : { kind, name: parts.name.slice(at + 1) };
}

export function recordValue({ effect, stamp, seen }: InvalidationRecord): string {
  return JSON.stringify([stamp, effect.kind === 'lazy' ? effect.graceMs : -1, [...seen.entries()]]);
}

/** Null for what no node of this version writes. */
export function recordOf(target: InvalidationTarget, value: string): InvalidationRecord | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return null;
  }
  if (!Array.isArray(parsed)) return null;
  const [stamp, graceMs, seen] = parsed as readonly unknown[];
  if (!Number.isSafeInteger(stamp) || !Number.isSafeInteger(graceMs) || !Array.isArray(seen)) return null;
  const isPair = (pair: unknown): pair is [Origin, number] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((part) => Number.isSafeInteger(part));
  if (!seen.every((pair: unknown) => isPair(pair))) return null;
  const effect: InvalidationEffect =
    (graceMs as number) < 0 ? { kind: 'remove' } : { kind: 'lazy', graceMs: graceMs as number };
  return { target, effect, stamp: stamp as number, seen: new VersionVector(seen) };
}
