/** Guarantees that a class may promise, weakest first. */
export const CONSISTENCIES = ['weak', 'eventual', 'causal', 'session', 'strong'] as const;
export type Consistency = (typeof CONSISTENCIES)[number];

/** What becomes of writes that have not seen each other. */
export type ConflictRule =
  /** The latest by (stamp, origin) stays, the others are dropped. */
  | { readonly kind: 'lww' }
  /** All are kept (RULES V5); a read shows the latest. */
  | { readonly kind: 'siblings' }
  /** All are kept; a read shows what the resolver makes of them. `module` is the path as written, null for a built-in one. */
  | { readonly kind: 'resolver'; readonly name: string; readonly module: string | null };

export type BuiltInResolver = 'newest-by-field' | 'max' | 'min' | 'union';

/** The built-in resolvers: what each shows of several siblings. */
export const BUILT_IN_RESOLVERS: Readonly<Record<BuiltInResolver, string>> = {
  'newest-by-field': 'JSON objects merged field by field: of each field the latest write that names it',
  max: 'the largest of numbers',
  min: 'the smallest of numbers',
  union: 'JSON arrays as one, each element once',
};

export type ReadLevel = 'causal' | 'session' | 'strong';

/** Where strong keys live (DESIGN section 5). */
export interface StrongRule {
  readonly home: string;
  readonly survive: 'zone' | 'region';
  /** `us-east-1/region`: the quorum group that owns the keys. */
  readonly group: string;
  /** Whether each write is recorded. */
  readonly audit: boolean;
  /** Whether a node that does not lead the group passes requests on; else it answers HOMEREGION. */
  readonly forward: boolean;
  /** What plain reads ask for where their connection does not say: `strong`, or the copy on the node at that level. */
  readonly reads: ReadLevel;
}

/** The guarantees of the keys that match some patterns. */
export interface KeyClass {
  /** Its first pattern, or `default`: names the class in metrics and reports. */
  readonly name: string;
  /** Its place in the policy, from 0. The default class is the last. */
  readonly index: number;
  /** As written; none for the default class, which has all other keys. */
  readonly patterns: readonly string[];
  readonly consistency: Consistency;
  /** Milliseconds that a key lives which is created without an expiry of its own; null for ever. */
  readonly ttlMs: number | null;
  readonly conflict: ConflictRule;
  /** Of keys of `consistency: strong` only. */
  readonly strong?: StrongRule;
}

/** The name of the class of keys that no pattern matches. */
export const DEFAULT_CLASS_NAME = 'default';

/** Whether the class's keys never leave the node. */
export function isWeak(keyClass: KeyClass): boolean {
  return keyClass.consistency === 'weak';
}
