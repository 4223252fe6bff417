import type { NodeNumber, Origin } from '../clock/origin.ts';
import { incarnationOf, isOrigin, nodeOf, originOf } from '../clock/origin.ts';
import type { HybridClock } from '../clock/stamp.ts';
import { VersionVector } from '../clock/version-vector.ts';
import { ChunkMemory } from './chunk-memory.ts';
import { HoldBack } from './hold-back.ts';
import type { ReplicationLimits } from './limits.ts';
import { Members, type Known, type Member } from './members.ts';
import { Membership } from './membership.ts';
import { OpLog } from './op-log.ts';

/** A moment: the wall clock may jump, the monotonic one measures. Milliseconds. */
export interface Now {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** Who a node is. */
export interface Identity {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly region: string;
  readonly nodeNumber: NodeNumber;
  readonly incarnation: number;
  /** Random for each start of the process. */
  readonly startId: string;
  /** Digest of the rules that all members must share. */
  readonly rules: string;
}

/** A transaction that closed every incarnation of its node below `incarnation`. */
export interface ClosedBy {
  readonly incarnation: number;
  readonly origin: Origin;
  readonly seq: number;
}

/** What a node knows of the causal order: shared by the parts that deliver, send and forget. */
export class Replica {
  readonly identity: Identity;
  readonly origin: Origin;
  readonly limits: ReplicationLimits;
  readonly clock: HybridClock;
  readonly members: Members;
  readonly membership: Membership;
  readonly vector: VersionVector = new VersionVector();
  /** What every member is known to have, durably. */
  readonly stable: VersionVector = new VersionVector();
  /** What of `vector` survives a kill -9 here. */
  durable: VersionVector = new VersionVector();
  /** The share of the limits of a turn that this one has. */
  pace = 1;
  readonly log: OpLog;
  /** Where the chunks of the own stream lie. */
  readonly chunkMemory: ChunkMemory;
  readonly holdBack: HoldBack;
  /**
   * Floors of the incarnations whose closing is applied here: all that they made up to their cut is here then, and what is beyond
   * it is void. Nothing waits for it; vectors keep their entries until the closing is stable (RULES D8).
   */
  readonly closedHere: VersionVector = new VersionVector();
  /** The transaction that closed what is retired of a node, where it is known: who has it has all of that. */
  readonly closedBy: Map<NodeNumber, ClosedBy> = new Map();
  /** Streams that are no node's: the logs of quorum groups. */
  readonly groupOrigins: Set<Origin> = new Set();
  readonly #running: Map<Origin, VersionVector> = new Map();

  constructor(identity: Identity, members: readonly Member[], clock: HybridClock, limits: ReplicationLimits) {
    this.identity = identity;
    this.origin = originOf(identity.nodeNumber, identity.incarnation);
    this.limits = limits;
    this.clock = clock;
    this.members = new Members(members, identity.nodeNumber);
    this.membership = new Membership(this);
    this.chunkMemory = new ChunkMemory(limits.logPieceBytes);
    this.log = new OpLog(limits, this.chunkMemory);
    this.holdBack = new HoldBack({ bytesMax: limits.holdBackBytesMax, skewMsMax: limits.skewMsMax });
  }

  /** The running deps of an origin at its last transaction applied here. */
  running(origin: Origin): VersionVector {
    let deps = this.#running.get(origin);
    if (deps === undefined) {
      deps = new VersionVector();
      this.#running.set(origin, deps);
    }
    return deps;
  }

  /** What members' rows are held against. */
  get known(): Known {
    return { local: this.vector, closed: this.closedHere, epoch: this.membership.epoch };
  }

  runningEntries(): IterableIterator<[Origin, VersionVector]> {
    return this.#running.entries();
  }

  setRunning(origin: Origin, deps: VersionVector): void {
    this.#running.set(origin, deps);
  }

  /** Whether transactions of an origin can exist: it belongs to a member of the topology, and is no later life of this node. */
  isMemberOrigin(origin: unknown): origin is Origin {
    if (!isOrigin(origin) || incarnationOf(origin) === 0) return false;
    if (this.groupOrigins.has(origin)) return true;
    if (this.members.get(nodeOf(origin)) === undefined) return false;
    return nodeOf(origin) !== this.identity.nodeNumber || origin <= this.origin;
  }

  /** Takes every closed incarnation of a node below `incarnation` out of vectors and log; deps follow as their origins write (RULES D8). */
  retireBelow(node: NodeNumber, incarnation: number): void {
    const floor = originOf(node, 0);
    this.vector.raise(floor, incarnation);
    this.stable.raise(floor, incarnation);
    // the running deps of others change by what they send and nothing else, our own by what we send (RULES D1)
    for (const origin of [...this.#running.keys()]) if (this.vector.isRetired(origin)) this.#running.delete(origin);
    for (const origin of [...this.log.origins()]) if (this.vector.isRetired(origin)) this.log.drop(origin);
  }
}
