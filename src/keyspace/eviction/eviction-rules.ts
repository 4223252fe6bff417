import type { ByteRange } from '../../base/bytes.ts';

/** Which values go first: all of the lower priority before any of the higher one. */
export const EVICTION_PRIORITIES = ['low', 'normal', 'high', 'never'] as const;
export type EvictionPriority = (typeof EVICTION_PRIORITIES)[number];

/** Where what goes can be read again. Of `nothing` the key goes with its value: that is for keys that never leave the node. */
export const EVICTION_TARGETS = ['store', 'nothing'] as const;
export type EvictionTarget = (typeof EVICTION_TARGETS)[number];

/** What a class says of its keys. */
export interface EvictionRule {
  readonly priority: EvictionPriority;
  readonly to: EvictionTarget;
  /** Bytes that its keys and values may take; null for as much as the node has. */
  readonly maxBytes: number | null;
}

export const DEFAULT_EVICTION: EvictionRule = { priority: 'normal', to: 'store', maxBytes: null };

/** What all classes say; null where none says anything. Another object after each change. */
export type EvictionRules = {
  readonly rules: readonly EvictionRule[];
  /** The place of a key's class in `rules`; of what is in no class there it is the default. */
  readonly indexOf: (key: ByteRange) => number;
} | null;
