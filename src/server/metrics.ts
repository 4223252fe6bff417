import type { MetricRow } from '../adapters/prom-metrics.ts';
import type { CommandEntry } from '../commands/command-index.ts';
import type { ServerState } from '../commands/server-state.ts';
import type { NodeTelemetry } from '../node/telemetry.ts';
import { COMPARISON_METRICS } from './comparison-metrics.ts';
import type { CompensationFigures } from './compensations.ts';
import { CLASS_METRICS, type ClassSnapshot } from './class-metrics.ts';
import { durationSamples } from './duration-samples.ts';
import { GROUP_METRICS } from './group-metrics.ts';
import { HTTP_METRICS, type HttpFigures } from './http-figures.ts';
import { INVALIDATION_METRICS } from './invalidation-metrics.ts';
import { MetricRows } from './metric-rows.ts';
import { REDIS_METRICS } from './redis-metrics.ts';
import type { RedisFigures } from './redis-figures.ts';
import { SOURCE_METRICS, type SourceSnapshot } from './source-metrics.ts';

/** What is told of client-side caching. */
interface TrackingFigures {
  readonly clientCount: number;
  readonly sentCount: number;
  readonly keys: { readonly keyCount: number };
}

/** What the metrics of one scrape are read from. */
export interface MetricsSnapshot extends SourceSnapshot, ClassSnapshot {
  readonly node: NodeTelemetry;
  readonly isReady: boolean;
  readonly resp: SourceSnapshot['resp'] &
    Pick<ServerState, 'clients' | 'commands' | 'stats' | 'monitor'> & {
      readonly tracking: TrackingFigures;
    };
  /** Absent without a regional Redis. */
  readonly redis?: RedisFigures;
  readonly compensations: CompensationFigures;
  readonly http: HttpFigures;
}

const whole = new MetricRows((snapshot: MetricsSnapshot) => [snapshot]);
const peers = new MetricRows(
  ({ node }: MetricsSnapshot) => node.peers,
  ({ id, region }) => ({ peer: id, region }),
);

/** Every metric of a node: one row each, printed in this order. `README` and dashboards name them; they do not change. */
export const METRICS_TABLE: readonly MetricRow<MetricsSnapshot>[] = [
  whole.gauge('causeway_ready', 'Whether the node is ready, as /readyz says', ({ isReady }) => (isReady ? 1 : 0)),
  whole.gauge('causeway_keys', 'Visible keys', ({ node }) => node.keys),
  whole.gauge('causeway_tombstones', 'Removals that not every member knows of yet', ({ node }) => node.tombstones),
  whole.gauge('causeway_keyspace_bytes', 'Bytes that count against maxmemory', ({ node }) => node.memory.usedBytes),
  whole.gauge('causeway_keyspace_bytes_max', 'maxmemory, 0 for no limit', ({ node }) => node.memory.limitBytes),
  whole.gauge('causeway_evicted_values', 'Keys whose value is on disk only', ({ node }) => node.memory.stubs),
  whole.counter('causeway_evictions_total', 'Values dropped from memory', ({ node }) => node.memory.evictedTotal),
  whole.counter('causeway_refills_total', 'Values read back from disk', ({ node }) => node.memory.refilledTotal),
  whole.gauge(
    'causeway_unsaved_ms',
    'Age of the oldest write that is not on disk, in milliseconds',
    ({ node }) => node.unsavedMs,
  ),
  whole.counter('causeway_keyspace_hits_total', 'Reads that found their key', ({ resp }) => resp.stats.keyspaceHits),
  whole.counter('causeway_keyspace_misses_total', 'Reads that found no key', ({ resp }) => resp.stats.keyspaceMisses),
  whole.counter('causeway_expired_keys_total', 'Keys found to be expired', ({ node }) => node.expiredKeysTotal),

  whole.samples('counter', 'causeway_commands_total', 'Requests run, by command', ({ resp }) =>
    Array.from(usedCommands(resp.commands), (entry) => ({ labels: commandLabels(entry), value: entry.calls })),
  ),
  whole.samples(
    'counter',
    'causeway_commands_failed_total',
    'Requests that ended in an error, by command',
    ({ resp }) =>
      Array.from(usedCommands(resp.commands), (entry) => ({ labels: commandLabels(entry), value: entry.failedCalls })),
  ),
  whole.samples(
    'counter',
    'causeway_commands_rejected_total',
    'Requests refused before they ran, by command',
    ({ resp }) =>
      Array.from(usedCommands(resp.commands), (entry) => ({
        labels: commandLabels(entry),
        value: entry.rejectedCalls,
      })),
  ),
  whole.samples('histogram', 'causeway_command_duration_seconds', 'Time that commands ran, by command', ({ resp }) =>
    [...usedCommands(resp.commands)].flatMap((entry) => durationSamples(entry.latency, commandLabels(entry))),
  ),
  whole.samples('counter', 'causeway_error_replies_total', 'Error replies, by code', ({ resp }) =>
    Array.from(resp.stats.errors(), ([code, count]) => ({ labels: { code }, value: count })),
  ),
  whole.gauge('causeway_connected_clients', 'Clients connected', ({ resp }) => resp.clients.count),
  whole.gauge('causeway_blocked_clients', 'Clients that wait for something', ({ resp }) => resp.clients.blocked.size),
  whole.gauge(
    'causeway_tracking_clients',
    'Clients that are told of changes of keys',
    ({ resp }) => resp.tracking.clientCount,
  ),
  whole.gauge(
    'causeway_tracked_keys',
    'Keys of which it is known who has read them',
    ({ resp }) => resp.tracking.keys.keyCount,
  ),
  whole.counter('causeway_invalidations_total', 'Invalidations sent to clients', ({ resp }) => resp.tracking.sentCount),
  whole.counter(
    'causeway_connections_received_total',
    'Client connections taken',
    ({ resp }) => resp.stats.connectionsReceived,
  ),
  whole.counter(
    'causeway_connections_rejected_total',
    'Client connections refused',
    ({ resp }) => resp.stats.connectionsRejected,
  ),
  whole.counter(
    'causeway_net_input_bytes_total',
    'Bytes received from clients',
    ({ resp }) => resp.stats.netInputBytes,
  ),
  whole.counter('causeway_net_output_bytes_total', 'Bytes sent to clients', ({ resp }) => resp.stats.netOutputBytes),
  ...HTTP_METRICS,

  peers.gauge('causeway_peer_connected', 'Whether a peer is connected', (peer) => (peer.connected ? 1 : 0)),
  peers.gauge(
    'causeway_replication_lag_ms',
    'Age of the oldest write made here that the peer has not said it applied, in milliseconds',
    (peer) => peer.lagMs,
  ),
  peers.gauge(
    'causeway_replication_lag_transactions',
    'Transactions here that the peer has not said it applied',
    (peer) => peer.lagTransactions,
  ),
  peers.gauge(
    'causeway_replication_lag_bytes',
    'Bytes of log here that the peer has not said it applied',
    (peer) => peer.lagBytes,
  ),
  peers.gauge('causeway_peer_rtt_ms', 'Round trip to a peer, in milliseconds', (peer) => peer.rttMs),
  peers.gauge('causeway_peer_silent_ms', 'Time since a peer was heard, in milliseconds', (peer) => peer.silentMs),
  peers.gauge(
    'causeway_peer_clock_offset_ms',
    "A peer's clock minus the clock here, in milliseconds",
    (peer) => peer.clockOffsetMs,
  ),
  peers.counter('causeway_peer_sent_bytes_total', 'Bytes of frames sent to a peer', (peer) => peer.sentBytes),
  peers.counter(
    'causeway_peer_received_bytes_total',
    'Bytes of frames received from a peer',
    (peer) => peer.receivedBytes,
  ),

  whole.counter('causeway_transactions_made_total', 'Transactions made here', ({ node }) => node.madeTotal),
  whole.counter(
    'causeway_transactions_applied_total',
    'Transactions of other nodes applied here',
    ({ node }) => node.appliedTotal,
  ),
  whole.gauge(
    'causeway_hold_back_transactions',
    'Transactions that wait for what they depend on',
    ({ node }) => node.holdBackTransactions,
  ),
  whole.gauge('causeway_hold_back_bytes', 'Bytes of transactions held back', ({ node }) => node.holdBackBytes),
  whole.gauge(
    'causeway_paused_origins',
    'Origins whose stamps are too far ahead of the clock here',
    ({ node }) => node.pausedOrigins,
  ),
  whole.gauge('causeway_log_transactions', 'Transactions kept to be sent on', ({ node }) => node.logTransactions),
  whole.gauge(
    'causeway_recent_changes',
    'Changes of keys that sessions carry along until they are stable',
    ({ node }) => node.recentChanges,
  ),
  whole.gauge(
    'causeway_recent_changes_bytes',
    'Bytes, about, that keeping them takes',
    ({ node }) => node.recentChangesBytes,
  ),
  whole.gauge('causeway_log_bytes', 'Bytes of transactions kept to be sent on', ({ node }) => node.logBytes),
  whole.gauge(
    'causeway_clock_ahead_ms',
    'How far the hybrid clock is ahead of the wall clock, in milliseconds',
    ({ node }) => node.clockAheadMs,
  ),
  whole.samples(
    'counter',
    'causeway_conflicts_total',
    'Pairs of concurrent writes of the same thing that this node met, by class',
    ({ node }) => node.conflicts.map(({ keyClass, count }) => ({ labels: { class: keyClass }, value: count })),
  ),
  whole.gauge(
    'causeway_compensations_pending',
    'Lost writes of this node that their hook was not told of yet',
    ({ compensations }) => compensations.pending,
  ),
  whole.samples(
    'counter',
    'causeway_compensations_total',
    'Lost writes of this node, by what came of them',
    ({ compensations }) =>
      (['told', 'refused', 'untold'] as const).map((outcome) => ({
        labels: { outcome },
        value: compensations[outcome],
      })),
  ),
  whole.counter(
    'causeway_compensation_failures_total',
    'Calls of hooks that failed and are made again',
    ({ compensations }) => compensations.failedCalls,
  ),
  whole.samples(
    'counter',
    'causeway_resolver_failures_total',
    'Views of keys that a resolver gave nothing for, so that the latest write shows, by class and resolver',
    ({ node }) =>
      node.resolverFailures.map(({ keyClass, resolver, total }) => ({
        labels: { class: keyClass, resolver },
        value: total,
      })),
  ),
  whole.samples('gauge', 'causeway_class_info', 'What is promised for the keys of a class; always 1', ({ node }) =>
    node.classes.map(({ name, consistency, ttlMs, conflict }) => ({
      labels: { class: name, consistency, ttl_ms: ttlMs === null ? '' : String(ttlMs), conflict },
      value: 1,
    })),
  ),
  whole.samples('counter', 'causeway_class_writes_total', 'Updates of keys made here, by class', ({ node }) =>
    node.classes.map(({ name, writesTotal }) => ({ labels: { class: name }, value: writesTotal })),
  ),
  ...CLASS_METRICS,
  ...GROUP_METRICS,
  ...INVALIDATION_METRICS,
  ...REDIS_METRICS,
  ...SOURCE_METRICS,
  ...COMPARISON_METRICS,
  whole.counter('causeway_snapshots_sent_total', 'Snapshots sent to peers', ({ node }) => node.snapshotsSentTotal),
  whole.counter(
    'causeway_snapshots_received_total',
    'Snapshots taken from peers',
    ({ node }) => node.snapshotsReceivedTotal,
  ),
  whole.counter(
    'causeway_refused_frames_total',
    'Frames of peers that were refused',
    ({ node }) => node.refusedFramesTotal,
  ),
];

function commandLabels(entry: CommandEntry): { command: string } {
  return { command: entry.fullName };
}

/** Commands and subcommands that somebody has asked for: the others would be hundreds of lines of zeros. */
function* usedCommands(entries: Iterable<CommandEntry>): Generator<CommandEntry> {
  for (const entry of entries) {
    if (entry.calls > 0 || entry.failedCalls > 0 || entry.rejectedCalls > 0) yield entry;
    if (entry.subcommands !== null) yield* usedCommands(entry.subcommands);
  }
}
