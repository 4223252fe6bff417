import type { ActiveClasses } from '../classes/active-classes.ts';
import type { KeyClass } from '../classes/key-class.ts';
import { NO_KEYS, type KeyTest } from '../keyspace/key-kinds.ts';

/** Weak keys and strong ones have no conflicts: the classes file gives them no other rule. */
const keepsSiblings = (keyClass: KeyClass): boolean => keyClass.conflict.kind !== 'lww';

/** Of which keys concurrent writes are all kept: the same for the node's life, as reloads leave that (SPEC C5). */
export function siblingKeys(classes: ActiveClasses): KeyTest {
  const hasSiblings = classes.policy.classes.some(keepsSiblings);
  return hasSiblings ? (key) => keepsSiblings(classes.policy.classOf(key)) : NO_KEYS;
}
