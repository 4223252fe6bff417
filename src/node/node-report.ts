import type { Member } from '../causal/members.ts';
import type { Now, Replica } from '../causal/replica.ts';
import type { Replicator } from '../causal/replicator.ts';
import type { Sender } from '../causal/sender.ts';
import type { ActiveClasses } from '../classes/active-classes.ts';
import { msOfStamp } from '../clock/stamp.ts';
import type { PeerStatus } from '../commands/node-view.ts';
import type { MemoryView } from '../keyspace/eviction/memory-limit.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { Invalidations } from './invalidations.ts';
import type { GroupTelemetry, MemoryTelemetry, NodeTelemetry } from './telemetry.ts';

/** What a node counts of itself since its start. */
export class NodeCounters {
  applied: number = 0;
  snapshotsSent: number = 0;
  snapshotsReceived: number = 0;
  refusedFrames: number = 0;
}

function memoryOf({ usedBytes, limit, stubs, evicted, refilled }: MemoryView): MemoryTelemetry {
  return { usedBytes, limitBytes: limit.bytes, stubs, evictedTotal: evicted, refilledTotal: refilled };
}

interface ReportedNode {
  readonly classes: ActiveClasses;
  readonly invalidations: Pick<Invalidations, 'telemetry'>;
  unsavedMs(monotonicMs: number): number | null;
}

/** What a node says of itself and its peers, for CW.PEERS and the metrics. Reads only. */
export class NodeReport {
  readonly #node: ReportedNode;
  readonly #replica: Replica;
  readonly #replicator: Replicator;
  readonly #sender: Sender;
  readonly #keyspace: SlabKeyspace;
  readonly #counters: NodeCounters;

  constructor(
    node: ReportedNode,
    replica: Replica,
    replicator: Replicator,
    sender: Sender,
    keyspace: SlabKeyspace,
    counters: NodeCounters,
  ) {
    this.#node = node;
    this.#replica = replica;
    this.#replicator = replicator;
    this.#sender = sender;
    this.#keyspace = keyspace;
    this.#counters = counters;
  }

  peers(now: Now): PeerStatus[] {
    return this.#replica.members.others().map((member) => this.#peer(member, now));
  }

  #peer(member: Member, now: Now): PeerStatus {
    const session = this.#replicator.sessions.get(member.nodeNumber);
    const row = this.#replica.members.row(member.nodeNumber);
    const behind = this.#sender.behind(row?.applied);
    const silentMs = this.#replica.members.silentMs(member.nodeNumber, now.monotonicMs);
    const oldestMs = behind.oldestAtMs === Infinity ? 0 : Math.max(0, now.monotonicMs - behind.oldestAtMs);
    return {
      id: member.id,
      region: member.region,
      connected: session?.isUp ?? false,
      lagTransactions: behind.transactions,
      lagBytes: behind.bytes,
      lagMs: row === null ? null : oldestMs,
      rttMs: session?.isUp === true ? session.rttMs : null,
      silentMs: silentMs === Infinity ? null : silentMs,
    };
  }

  telemetry(now: Now, made: number, expiredKeys: number, groups: readonly GroupTelemetry[]): NodeTelemetry {
    const { holdBack, vector, closedHere, log, clock, members } = this.#replica;
    const { classes, invalidations } = this.#node;
    const waits = holdBack.waits(vector, closedHere);
    return {
      peers: members.others().map((member) => {
        const session = this.#replicator.sessions.get(member.nodeNumber);
        return {
          ...this.#peer(member, now),
          clockOffsetMs: session?.clockOffsetMs(now) ?? null,
          sentBytes: session?.sentBytes ?? 0,
          receivedBytes: session?.receivedBytes ?? 0,
        };
      }),
      keys: this.#keyspace.countNow,
      memory: memoryOf(this.#keyspace.eviction),
      unsavedMs: this.#node.unsavedMs(now.monotonicMs),
      invalidations: invalidations.telemetry,
      tombstones: this.#keyspace.entryCount - this.#keyspace.countNow - this.#keyspace.system.count,
      holdBackTransactions: holdBack.transactions,
      holdBackBytes: holdBack.bytes,
      pausedOrigins: waits.filter((wait) => wait.missing === null).length,
      logTransactions: log.transactions,
      logBytes: log.bytes,
      recentChanges: this.#keyspace.recent.count,
      recentChangesBytes: this.#keyspace.recent.bytes,
      clockAheadMs: Math.max(0, msOfStamp(clock.last) - now.wallMs),
      conflicts: classes.policy.classes.map((keyClass) => ({
        keyClass: keyClass.name,
        count: classes.conflictsOf(keyClass),
      })),
      resolverFailures: classes.resolutions.failures(),
      classes: classes.telemetry(),
      groups,
      madeTotal: made,
      appliedTotal: this.#counters.applied,
      expiredKeysTotal: expiredKeys,
      snapshotsSentTotal: this.#counters.snapshotsSent,
      snapshotsReceivedTotal: this.#counters.snapshotsReceived,
      refusedFramesTotal: this.#counters.refusedFrames,
    };
  }
}
