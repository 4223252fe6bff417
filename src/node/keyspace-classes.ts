import type { ActiveClasses } from '../classes/active-classes.ts';
import { carriesReads } from '../commands/session-level.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { siblingKeys } from './sibling-keys.ts';

/** Tells a keyspace what the classes say of its keys. */
export function useClasses(keyspace: SlabKeyspace, classes: ActiveClasses): void {
  keyspace.recent.carries = (key) => carriesReads(classes.policy.classOf(key).consistency);
  keyspace.kinds.isWeak = classes.weakKeys();
  keyspace.kinds.keepsSiblings = siblingKeys(classes);
  keyspace.kinds.isPinned = classes.pinnedKeys();
  keyspace.eviction.follows(() => classes.policy.evictionRules);
  keyspace.showSiblings = (key, siblings) => classes.showSiblings(key, siblings);
}
