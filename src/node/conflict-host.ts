import type { ActiveClasses } from '../classes/active-classes.ts';
import { conflictName } from '../classes/explain-class.ts';
import type { Origin } from '../clock/origin.ts';
import type { ConflictHost } from '../keyspace/conflict-log.ts';

/** What a node tells its list of conflicts. */
export function conflictHost(origin: Origin, classes: ActiveClasses, nowMs: () => number): ConflictHost {
  return {
    origin,
    nowMs,
    count: (key, conflicts) => {
      const { name, conflict, compensate } = classes.countConflicts(key, conflicts);
      return { className: name, stringRule: conflictName(conflict), tellsLost: compensate !== undefined };
    },
  };
}
