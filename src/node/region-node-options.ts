import type { HashKey } from '../base/key-hash.ts';
import type { ReplicationLimits } from '../causal/limits.ts';
import type { Member } from '../causal/members.ts';
import type { Codec } from '../causal/peer-frames.ts';
import type { Identity } from '../causal/replica.ts';
import type { ActiveClasses } from '../classes/active-classes.ts';
import type { StrongOptions } from './strong-side.ts';

/** What a node is made of and what it may ask of the world, synchronously. */
export interface RegionNodeOptions {
  readonly identity: Identity;
  /** All members of the cluster, this node included. */
  readonly members: readonly Member[];
  readonly limits: ReplicationLimits;
  readonly codec: Codec;
  /** Above every stamp ever given out by this node in earlier lives; 0 for none. */
  readonly stampBound: number;
  /** Makes a higher bound durable before it returns (RELIABILITY 6.2). */
  readonly raiseStampBound: (stampBound: number) => void;
  /** Whether a store takes batches; without one everything applied counts as durable. */
  readonly hasStore: boolean;
  /** The state of a key as the store has it on disk, null for none: where values are that were evicted. Without it nothing is evicted. */
  readonly readStored?: (key: Uint8Array) => Uint8Array | null;
  /** The quorum groups of strong keys; without it there are none. */
  readonly strong?: StrongOptions;
  /** Drawn by lot for the process: where keys fall in the keyspace's index is nobody's to choose (`KeyHash`). Without it anybody can tell. */
  readonly hashKey?: HashKey;
  /** The classes of keys; without it every key is of the default class. */
  readonly classes?: ActiveClasses;
}
