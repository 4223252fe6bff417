/** Everything that may go wrong in a run. */
export const FAULT_KINDS = [
  // the network
  'cut',
  'cut-nodes',
  'one-way',
  'bridge',
  'isolate',
  'loss',
  'reset',
  'reopen',
  'replay',
  'slow-link',
  'narrow-link',
  'clog',
  'lag',
  // nodes
  'crash',
  'crash-in-batch',
  'absence',
  'amnesia',
  'pause',
  'remove',
  'remove-live',
  // clocks
  'drift',
  'step',
  'minute-ahead',
  'backwards',
  // disks
  'slow-disk',
  'full-disk',
  'failed-sync',
  'damage',
] as const;

/** What makes a node's clock wrong. */
export const CLOCK_FAULTS: ReadonlySet<string> = new Set(['drift', 'step', 'minute-ahead', 'backwards']);

export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something that goes wrong for a time. It ends by itself, so that it can be left out as a whole. */
export interface Fault {
  readonly id: number;
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** Nodes by their place in the cluster, modulo how many there are. */
  readonly node: number;
  readonly other: number;
  /** [0, 1): how much, of what there is much or little of. */
  readonly amount: number;
}

/** Something that a client does. `work` is a name of `works.ts`. */
export interface Action {
  readonly id: number;
  readonly client: number;
  readonly atMs: number;
  readonly work: string;
  /** Which of the keys (nodes, words …) that the work chooses from. */
  readonly choice: number;
}

/** How the cluster of a run is. */
export interface SimOptions {
  readonly regions: number;
  readonly nodesPerRegion: number;
  /** For so long clients work and faults happen. */
  readonly durationMs: number;
  readonly clients: number;
  /** Delays are up to so much longer than the distance, as a part of it. */
  readonly jitter: number;
  /** Bandwidth of each connection in each direction; without it there is no bound. */
  readonly bytesPerMs?: number;
  readonly diskMs: number;
  /** Clocks that nothing is wrong with are apart by up to so much. */
  readonly clockSpreadMs: number;
  readonly survive: 'zone' | 'region';
  /** FLUSHALL is among the writes. It takes all causal keys, so that less can be said of those. */
  readonly withFlush: boolean;
  /** Bytes of log that an origin keeps for others, and of transactions held back. */
  readonly logBytesMax: number;
  readonly holdBackBytesMax: number;
  readonly chunkBytesMax: number;
  /** What a quorum group keeps of its log beyond its stored state: little makes snapshots of the laggards. */
  readonly slackBytesMax: number;
  readonly snapshotChunkBytes: number;
  /** Whether nodes evict what is on disk, whenever there is some. */
  readonly evicts?: boolean;
}

/** A run as plain data: all of it follows from the seed, and what is left of one that was made smaller is still a scenario. */
export interface Scenario {
  readonly seed: number;
  readonly options: SimOptions;
  readonly actions: readonly Action[];
  readonly faults: readonly Fault[];
}

/** Whether most nodes have a clock within the limit all the time. */
export function haveMostClocks({ faults }: Scenario, nodes: number): boolean {
  const ahead = new Set(faults.filter(({ kind }) => kind === 'minute-ahead').map(({ node }) => node % nodes));
  return ahead.size * 2 < nodes;
}
