import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { ClassPolicy, type ClassDefinition } from '../../src/classes/class-policy.ts';
import { KeyPattern } from '../../src/classes/key-pattern.ts';
import { utf8Bytes } from '../../src/classes/utf8.ts';

/** A class of keys whose conflicts end in siblings, where nothing else is said. */
export function siblingClass(pattern: string, changes: Partial<ClassDefinition> = {}): ClassDefinition {
  const patterns = [new KeyPattern(pattern, utf8Bytes(pattern))];
  return { patterns, consistency: 'causal', ttlMs: null, conflict: { kind: 'siblings' }, ...changes };
}

/** Classes for a virtual cluster. */
export function classesOf(...definitions: readonly ClassDefinition[]): ActiveClasses {
  return new ActiveClasses({ policy: new ClassPolicy(definitions) });
}
