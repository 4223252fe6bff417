import { ByteRange, latin1Range } from '../base/bytes.ts';
import { systemKey } from '../base/system-keys.ts';
import { ContentType, NO_SLOT, type KeyspaceReader, type SetReader } from './keyspace.ts';

/** What links keys to tags and to one another (SPEC I1, I4): sets in system keys, in both directions. Names are latin1. */
export type LinkKind =
  /** Of a key: its tags. */
  | 'tags'
  /** Of a tag: the keys that have it. */
  | 'tagged'
  /** Of a key: what it depends on, each after a letter (`DependencyMode`). */
  | 'dependencies'
  /** Of a key: what depends on it, each after the letter. */
  | 'dependents';

/** The kind of system key that has the content type of a value which came by HTTP (SPEC H3). */
export const CONTENT_TYPE_KIND = 'http';

/** When what depends on a key goes: where that is invalidated, or also where it is written. */
export const DependencyMode = { Invalidations: 'i', Writes: 'w' } as const;
export type DependencyMode = (typeof DependencyMode)[keyof typeof DependencyMode];

/** The system key of a link, latin1. */
export function linkKey(kind: LinkKind, name: string): string {
  return systemKey(kind, name);
}

/** The set of a link, null where there is none. Good until the next update. */
export function linkSet(keys: KeyspaceReader, kind: LinkKind, name: string, nowMs: number): SetReader | null {
  const key = latin1Range(linkKey(kind, name));
  const slot = keys.find(key, keys.hashOf(key), nowMs);
  return slot === NO_SLOT || keys.typeOf(slot) !== ContentType.Set ? null : keys.setAt(slot);
}

/** All that a link has, as latin1, sorted. */
export function linkMembers(keys: KeyspaceReader, kind: LinkKind, name: string, nowMs: number): string[] {
  const set = linkSet(keys, kind, name, nowMs);
  const member = new ByteRange();
  return Array.from({ length: set?.size ?? 0 }, (_, at) => {
    set?.at(at, member);
    return member.toLatin1();
  }).sort();
}
