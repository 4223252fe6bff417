import type { MetricRow } from '../adapters/prom-metrics.ts';
import type { CommandEntry } from '../commands/command-index.ts';
import type { ServerState } from '../commands/server-state.ts';
import type { NodeTelemetry, PeerTelemetry } from '../node/telemetry.ts';
import { durationSamples } from './duration-samples.ts';
import { GROUP_METRICS } from './group-metrics.ts';

/** What the metrics of one scrape are read from. */
export interface MetricsSnapshot {
  readonly node: NodeTelemetry;
  readonly isReady: boolean;
  readonly resp: Pick<ServerState, 'clients' | 'commands' | 'stats'>;
}

type Row = MetricRow<MetricsSnapshot>;

/** Every metric of a node: one row each, printed in this order. `README` and dashboards name them; they do not change. */
export const METRICS_TABLE: readonly Row[] = [
  gauge('causeway_ready', 'Whether the node is ready, as /readyz says', ({ isReady }) => (isReady ? 1 : 0)),
  gauge('causeway_keys', 'Visible keys', ({ node }) => node.keys),
  gauge('causeway_tombstones', 'Removals that not every member knows of yet', ({ node }) => node.tombstones),
  counter('causeway_keyspace_hits_total', 'Reads that found their key', ({ resp }) => resp.stats.keyspaceHits),
  counter('causeway_keyspace_misses_total', 'Reads that found no key', ({ resp }) => resp.stats.keyspaceMisses),
  counter('causeway_expired_keys_total', 'Keys found to be expired', ({ node }) => node.expiredKeysTotal),

  labelled('counter', 'causeway_commands_total', 'Requests run, by command', ({ resp }) =>
    Array.from(usedCommands(resp.commands), (entry) => ({ labels: commandLabels(entry), value: entry.calls })),
  ),
  labelled('counter', 'causeway_commands_failed_total', 'Requests that ended in an error, by command', ({ resp }) =>
    Array.from(usedCommands(resp.commands), (entry) => ({ labels: commandLabels(entry), value: entry.failedCalls })),
  ),
  labelled('counter', 'causeway_commands_rejected_total', 'Requests refused before they ran, by command', ({ resp }) =>
    Array.from(usedCommands(resp.commands), (entry) => ({ labels: commandLabels(entry), value: entry.rejectedCalls })),
  ),
  labelled('histogram', 'causeway_command_duration_seconds', 'Time that commands ran, by command', ({ resp }) =>
    [...usedCommands(resp.commands)].flatMap((entry) => durationSamples(entry.latency, commandLabels(entry))),
  ),
  labelled('counter', 'causeway_error_replies_total', 'Error replies, by code', ({ resp }) =>
    Array.from(resp.stats.errors(), ([code, count]) => ({ labels: { code }, value: count })),
  ),
  gauge('causeway_connected_clients', 'Clients connected', ({ resp }) => resp.clients.count),
  gauge('causeway_blocked_clients', 'Clients that wait for something', ({ resp }) => resp.clients.blocked.size),
  counter(
    'causeway_connections_received_total',
    'Client connections taken',
    ({ resp }) => resp.stats.connectionsReceived,
  ),
  counter(
    'causeway_connections_rejected_total',
    'Client connections refused',
    ({ resp }) => resp.stats.connectionsRejected,
  ),
  counter('causeway_net_input_bytes_total', 'Bytes received from clients', ({ resp }) => resp.stats.netInputBytes),
  counter('causeway_net_output_bytes_total', 'Bytes sent to clients', ({ resp }) => resp.stats.netOutputBytes),

  perPeer('gauge', 'causeway_peer_connected', 'Whether a peer is connected', (peer) => (peer.connected ? 1 : 0)),
  perPeer(
    'gauge',
    'causeway_replication_lag_ms',
    'Age of the oldest write made here that the peer has not said it applied, in milliseconds',
    (peer) => peer.lagMs,
  ),
  perPeer(
    'gauge',
    'causeway_replication_lag_transactions',
    'Transactions here that the peer has not said it applied',
    (peer) => peer.lagTransactions,
  ),
  perPeer(
    'gauge',
    'causeway_replication_lag_bytes',
    'Bytes of log here that the peer has not said it applied',
    (peer) => peer.lagBytes,
  ),
  perPeer('gauge', 'causeway_peer_rtt_ms', 'Round trip to a peer, in milliseconds', (peer) => peer.rttMs),
  perPeer('gauge', 'causeway_peer_silent_ms', 'Time since a peer was heard, in milliseconds', (peer) => peer.silentMs),
  perPeer(
    'gauge',
    'causeway_peer_clock_offset_ms',
    "A peer's clock minus the clock here, in milliseconds",
    (peer) => peer.clockOffsetMs,
  ),
  perPeer('counter', 'causeway_peer_sent_bytes_total', 'Bytes of frames sent to a peer', (peer) => peer.sentBytes),
  perPeer(
    'counter',
    'causeway_peer_received_bytes_total',
    'Bytes of frames received from a peer',
    (peer) => peer.receivedBytes,
  ),

  counter('causeway_transactions_made_total', 'Transactions made here', ({ node }) => node.madeTotal),
  counter(
    'causeway_transactions_applied_total',
    'Transactions of other nodes applied here',
    ({ node }) => node.appliedTotal,
  ),
  gauge(
    'causeway_hold_back_transactions',
    'Transactions that wait for what they depend on',
    ({ node }) => node.holdBackTransactions,
  ),
  gauge('causeway_hold_back_bytes', 'Bytes of transactions held back', ({ node }) => node.holdBackBytes),
  gauge(
    'causeway_paused_origins',
    'Origins whose stamps are too far ahead of the clock here',
    ({ node }) => node.pausedOrigins,
  ),
  gauge('causeway_log_transactions', 'Transactions kept to be sent on', ({ node }) => node.logTransactions),
  gauge(
    'causeway_recent_changes',
    'Changes of keys that sessions carry along until they are stable',
    ({ node }) => node.recentChanges,
  ),
  gauge(
    'causeway_recent_changes_bytes',
    'Bytes, about, that keeping them takes',
    ({ node }) => node.recentChangesBytes,
  ),
  gauge('causeway_log_bytes', 'Bytes of transactions kept to be sent on', ({ node }) => node.logBytes),
  gauge(
    'causeway_clock_ahead_ms',
    'How far the hybrid clock is ahead of the wall clock, in milliseconds',
    ({ node }) => node.clockAheadMs,
  ),
  labelled(
    'counter',
    'causeway_conflicts_total',
    'Pairs of concurrent writes of the same thing that this node met, by class',
    ({ node }) => node.conflicts.map(({ keyClass, count }) => ({ labels: { class: keyClass }, value: count })),
  ),
  labelled(
    'counter',
    'causeway_resolver_failures_total',
    'Views of keys that a resolver gave nothing for, so that the latest write shows, by class and resolver',
    ({ node }) =>
      node.resolverFailures.map(({ keyClass, resolver, total }) => ({
        labels: { class: keyClass, resolver },
        value: total,
      })),
  ),
  labelled('gauge', 'causeway_class_info', 'What is promised for the keys of a class; always 1', ({ node }) =>
    node.classes.map(({ name, consistency, ttlMs, conflict }) => ({
      labels: { class: name, consistency, ttl_ms: ttlMs === null ? '' : String(ttlMs), conflict },
      value: 1,
    })),
  ),
  labelled('counter', 'causeway_class_writes_total', 'Updates of keys made here, by class', ({ node }) =>
    node.classes.map(({ name, writesTotal }) => ({ labels: { class: name }, value: writesTotal })),
  ),
  ...GROUP_METRICS,
  counter('causeway_snapshots_sent_total', 'Snapshots sent to peers', ({ node }) => node.snapshotsSentTotal),
  counter('causeway_snapshots_received_total', 'Snapshots taken from peers', ({ node }) => node.snapshotsReceivedTotal),
  counter('causeway_refused_frames_total', 'Frames of peers that were refused', ({ node }) => node.refusedFramesTotal),
];

function gauge(name: string, help: string, value: (snapshot: MetricsSnapshot) => number): Row {
  return { name, type: 'gauge', help, read: (snapshot) => [{ value: value(snapshot) }] };
}

function counter(name: string, help: string, value: (snapshot: MetricsSnapshot) => number): Row {
  return { name, type: 'counter', help, read: (snapshot) => [{ value: value(snapshot) }] };
}

function labelled(type: Row['type'], name: string, help: string, read: Row['read']): Row {
  return { name, type, help, read };
}

/** A sample a peer; what is not known of a peer is left out. */
function perPeer(type: Row['type'], name: string, help: string, value: (peer: PeerTelemetry) => number | null): Row {
  return labelled(type, name, help, ({ node }) =>
    node.peers.flatMap((peer) => {
      const known = value(peer);
      return known === null ? [] : [{ labels: { peer: peer.id, region: peer.region }, value: known }];
    }),
  );
}

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
