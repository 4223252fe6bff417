import type { AdaptiveTtl } from './adaptive-ttl.ts';
import type { EvictionRule } from '../keyspace/eviction/eviction-rules.ts';

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
  | { readonly kind: 'resolver'; readonly name: string; readonly module: string | null }
  /** All are kept; a read shows the one of the region that comes first here. */
  | { readonly kind: 'region-priority'; readonly regions: readonly string[] };

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

/** What is said of keys that are not here and have to be asked for elsewhere. */
export interface MissingRule {
  /** How long a request waits for all that it names, in milliseconds. */
  readonly withinMs: number;
  /** What a request gets when nobody could tell: an error, what there is though it is stale (or an error), or a miss. */
  readonly fallback: FetchFallback;
}

export const FETCH_FALLBACKS = ['error', 'stale', 'miss'] as const;
export type FetchFallback = (typeof FETCH_FALLBACKS)[number];

/** What holds where a class does not say. */
export const DEFAULT_MISSING_RULE: MissingRule = { withinMs: 2_000, fallback: 'error' };

/** Who is told of a write that lost against a concurrent one (SPEC S9). */
export interface CompensateRule {
  /** Gets a POST for each; null where a module does. */
  readonly url: string | null;
  /** A module below the folder of the classes file that is called for each; null where an address is told. */
  readonly module: string | null;
  /** How long it may take to answer. */
  readonly withinMs: number;
}

export const DEFAULT_COMPENSATE_WITHIN_MS = 5_000;

/** What HTTP answers on keys of a class say to caches; null for nothing. Durations are milliseconds. */
export interface HttpRule {
  /** The content type of what came without one. */
  readonly type: string | null;
  /** Of keys without an expiry. */
  readonly maxAgeMs: number | null;
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
  /** Only for the cache of the one who asked. */
  readonly isPrivate: boolean;
}

/** When a write is answered whose key the regional Redis has too: after it took it, or before. */
export const MIRROR_MODES = ['through', 'behind'] as const;
export type MirrorMode = (typeof MIRROR_MODES)[number];

/** Among whom one load of a key is enough: this node, those of its region, or all. */
export const STAMPEDES = ['node', 'region', 'cluster'] as const;
export type Stampede = (typeof STAMPEDES)[number];

/** Where values of a class come from, and how long they are good. Durations in milliseconds. */
export interface SourceRule {
  /** An address with `{key}` in it, or a path of a module as written: exactly one. */
  readonly url: string | null;
  readonly module: string | null;
  /** How long the source has for an answer. */
  readonly timeoutMs: number;
  /** How long a value is fresh, from the start of its load. */
  readonly ttlMs: number;
  /** The most by which that is shortened by lot, as a part of it, so that what was loaded together is not stale together. */
  readonly jitter: number;
  /** How long it is remembered that the source has no value; 0 for not at all. */
  readonly absentMs: number;
  /** How long a stale value is still given while it is loaded anew beside, and when the source fails. */
  readonly staleWhileMs: number;
  readonly staleIfErrorMs: number;
  /** A read of a value that is fresh for less than this begins to load it anew. */
  readonly aheadMs: number;
  /** How eagerly XFetch loads before the end: 1 as its authors advise, 0 never. */
  readonly early: number;
  readonly stampede: Stampede;
  /** Failures in a row after which it is not asked for `pauseMs`; then one request tries whether it is back. */
  readonly failuresMax: number;
  readonly pauseMs: number;
  /** Whether writes of clients are stored there too; null where they stay here. */
  readonly write: SourceWriteRule | null;
}

/** When a write is answered that its source is to have too: after it took it, or before. */
export const SOURCE_WRITES = ['through', 'behind'] as const;

/** How writes reach a source (SPEC F5). */
export interface SourceWriteRule {
  readonly mode: (typeof SOURCE_WRITES)[number];
  /** Whether a write waits for this node's disk, and is stored after a crash of the node too. */
  readonly isDurable: boolean;
  /** How long a write waits for later ones of its key before it is stored. */
  readonly delayMs: number;
  /** Keys of the class of which a node has writes that are not stored; past it writes of more keys are refused. */
  readonly unstoredMax: number;
}

/** Tells sources apart: an address or a module, with its time and with when it is left alone. */
export function sourceName({ url, module, timeoutMs, failuresMax, pauseMs }: SourceRule): string {
  return `${url ?? module ?? ''} ${timeoutMs} ${failuresMax} ${pauseMs}`;
}

/** How long what is loaded is kept after it is no longer fresh. */
export function graceMsOf({ staleWhileMs, staleIfErrorMs }: SourceRule): number {
  return Math.max(staleWhileMs, staleIfErrorMs);
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
  /** Bounds of that for strings, where it follows how often they change; `ttlMs` is then what all other types have, the longest. */
  readonly adaptiveTtl?: AdaptiveTtl;
  readonly conflict: ConflictRule;
  /** When values of its keys leave memory, beside those of other classes; `DEFAULT_EVICTION` where it does not say. */
  readonly evict?: EvictionRule;
  /** Of keys of `consistency: strong` only. */
  readonly strong?: StrongRule;
  /** `DEFAULT_MISSING_RULE` where it is not said. */
  readonly missing?: MissingRule;
  readonly source?: SourceRule;
  readonly http?: HttpRule;
  /** Whether and how their values are in the regional Redis; absent where they are not. */
  readonly mirror?: MirrorMode;
  readonly compensate?: CompensateRule;
}

/** The name of the class of keys that no pattern matches. */
export const DEFAULT_CLASS_NAME = 'default';

/** Whether the class's keys never leave the node. */
export function isWeak(keyClass: KeyClass): boolean {
  return keyClass.consistency === 'weak';
}
