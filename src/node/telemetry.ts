import type { ResolverFailures } from '../classes/resolutions.ts';
import type { LatencyHistogram } from '../commands/latency-histogram.ts';
import type { PeerStatus } from '../commands/node-view.ts';
import type { GroupStatus } from '../commands/strong-view.ts';
import type { InvalidationFigures } from './invalidation-figures.ts';

/** One peer's figures for the metrics; counts rise since the start of this node. */
export interface PeerTelemetry extends PeerStatus {
  /** The peer's clock minus ours as its last frames showed it, null before the first. Half a round trip is taken off. */
  readonly clockOffsetMs: number | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A class of keys and how many pairs of concurrent writes of its keys this node met since its start (SPEC S4). */
export interface ConflictCount {
  /** The class's name: its first pattern, or `default`. */
  readonly keyClass: string;
  readonly count: number;
}

/** A class of keys with what it promises, and the updates of its keys that were made here since the start. */
export interface ClassTelemetry {
  readonly name: string;
  readonly consistency: string;
  /** Milliseconds, null for none. */
  readonly ttlMs: number | null;
  readonly conflict: string;
  readonly writesTotal: number;
}

/** One quorum group's figures for the metrics; counts rise since the start of this node. */
export interface GroupTelemetry extends GroupStatus {
  /** Requests that this node, leading, put into the log. */
  readonly proposalsTotal: number;
  /** Requests of this node's clients that ended in an error of the group, by code. */
  readonly refusals: ReadonlyMap<string, number>;
  /** From the proposal until it was committed and applied, at the leader. */
  readonly quorumLatency: LatencyHistogram;
  /** Until what the group promised was on disk here. */
  readonly syncLatency: LatencyHistogram;
}

/** Invalidations: the figures, and what goes on or waits. */
export interface InvalidationTelemetry extends Readonly<
  Pick<InvalidationFigures, 'keys' | 'dependents' | 'dependentsMost' | 'cut' | 'made' | 'heard' | 'lag'>
> {
  readonly running: number;
  /** Of all nodes, as far as this one has heard. */
  readonly delayed: number;
}

/** What the keyspace takes and may take, and what was done about it. */
export interface MemoryTelemetry {
  readonly usedBytes: number;
  /** 0 for no limit. */
  readonly limitBytes: number;
  /** Keys whose value is on disk only. */
  readonly stubs: number;
  readonly evictedTotal: number;
  readonly refilledTotal: number;
}

/**
 * What a node shows of itself, taken at one moment: plain figures for metrics and the live line, no protocol state.
 * Names that end in `Total` only rise.
 */
export interface NodeTelemetry {
  readonly peers: readonly PeerTelemetry[];
  /** Visible keys. */
  readonly keys: number;
  readonly memory: MemoryTelemetry;
  /** How old what is not on disk yet may be; null where nothing is kept. */
  readonly unsavedMs: number | null;
  readonly invalidations: InvalidationTelemetry;
  /** Removed values that are kept until every member knows of it. */
  readonly tombstones: number;
  /** Transactions from elsewhere that wait for what they depend on. */
  readonly holdBackTransactions: number;
  readonly holdBackBytes: number;
  /** Origins whose stamps are too far ahead of the clock here. */
  readonly pausedOrigins: number;
  /** Transactions kept to be sent on, of all origins. */
  readonly logTransactions: number;
  readonly logBytes: number;
  /** Changes of keys that sessions still have to carry, and about the bytes that keeping them takes. */
  readonly recentChanges: number;
  readonly recentChangesBytes: number;
  /** How far the hybrid clock is ahead of the wall clock; 0 when it is not. */
  readonly clockAheadMs: number;
  readonly conflicts: readonly ConflictCount[];
  readonly resolverFailures: readonly ResolverFailures[];
  readonly classes: readonly ClassTelemetry[];
  readonly groups: readonly GroupTelemetry[];
  /** Transactions made here. */
  readonly madeTotal: number;
  /** Transactions of other origins that were applied here. */
  readonly appliedTotal: number;
  readonly expiredKeysTotal: number;
  readonly snapshotsSentTotal: number;
  readonly snapshotsReceivedTotal: number;
  /** Frames from peers that were refused, each with its connection. */
  readonly refusedFramesTotal: number;
}
