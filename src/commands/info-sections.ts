import { conflictName } from '../classes/explain-class.ts';
import { utf8Latin1 } from '../classes/utf8.ts';
import { originText } from '../clock/dot.ts';
import { policyText } from '../keyspace/eviction/memory-limit.ts';
import type { CommandEntry } from './command-index.ts';
import type { CommandContext } from './context.ts';
import { monitorFields } from './info-monitor.ts';
import { sourceFields } from './info-sources.ts';
import { REDIS_VERSION } from './redis-version.ts';

/** One line of INFO. */
export type InfoField = readonly [name: string, value: string | number];
export type InfoSection = (context: CommandContext) => InfoField[];

const UNITS = ['B', 'K', 'M', 'G', 'T'] as const;

/** `943.15K` */
function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${UNITS[unit]}`;
}

const server: InfoSection = ({ server: state, node }) => {
  const { facts, time } = state;
  const nowMs = time.wallMs();
  const uptimeSeconds = Math.max(0, Math.floor((nowMs - facts.startedAtMs) / 1000));
  return [
    ['redis_version', REDIS_VERSION],
    ['causeway_version', facts.version],
    ['redis_mode', 'standalone'],
    ['os', facts.system],
    ['arch_bits', 64],
    ['node_version', facts.runtime],
    ['process_id', facts.processId],
    ['run_id', facts.runId],
    ['tcp_port', state.parameters.get('port') ?? ''],
    ['server_time_usec', Math.floor(nowMs * 1000)],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)],
    ['executable', facts.executable],
    ['config_file', facts.configFile],
    ['causeway_node', node.nodeId],
    ['causeway_region', node.region],
  ];
};

const clients: InfoSection = ({ server: { clients: registry, settings, tracking } }) => {
  let input = 0;
  let output = 0;
  for (const { connection } of registry) {
    input = Math.max(input, connection.queryBytes);
    output = Math.max(output, connection.outputBytes);
  }
  return [
    ['connected_clients', registry.count],
    ['cluster_connections', 0],
    ['maxclients', settings.clientsMax],
    ['client_recent_max_input_buffer', input],
    ['client_recent_max_output_buffer', output],
    ['blocked_clients', registry.blocked.size + registry.paused.size],
    ['tracking_clients', tracking.clientCount],
    ['clients_in_timeout_table', 0],
  ];
};

const memory: InfoSection = ({ keys, server: { facts, engine } }) => {
  const keyspaceMemory = engine.memory;
  const { usedBytes, peakBytes, residentBytes } = facts.memory();
  return [
    ['used_memory', usedBytes],
    ['used_memory_human', humanBytes(usedBytes)],
    ['used_memory_rss', residentBytes],
    ['used_memory_rss_human', humanBytes(residentBytes)],
    ['used_memory_peak', peakBytes],
    ['used_memory_peak_human', humanBytes(peakBytes)],
    ['used_memory_peak_perc', `${((usedBytes * 100) / Math.max(1, peakBytes)).toFixed(2)}%`],
    ['used_memory_lua', 0],
    ['keyspace_memory', keyspaceMemory.usedBytes],
    ['keyspace_memory_human', humanBytes(keyspaceMemory.usedBytes)],
    ['maxmemory', keyspaceMemory.limit.bytes],
    ['maxmemory_human', humanBytes(keyspaceMemory.limit.bytes)],
    ['maxmemory_policy', policyText(keyspaceMemory.limit)],
    ['evicted_values', keyspaceMemory.stubs],
    ['mem_fragmentation_ratio', (residentBytes / Math.max(1, usedBytes)).toFixed(2)],
    ['mem_allocator', 'v8'],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', keys.pendingCount],
  ];
};

const persistence: InfoSection = ({ server: { engine, facts, time } }) => [
  ['loading', engine.refusal(false, false)?.code === 'LOADING' ? 1 : 0],
  ['async_loading', 0],
  ['rdb_changes_since_last_save', 0],
  ['rdb_bgsave_in_progress', 0],
  ['rdb_last_save_time', Math.floor(facts.startedAtMs / 1000)],
  ['rdb_last_bgsave_status', 'ok'],
  ['rdb_last_bgsave_time_sec', -1],
  ['rdb_current_bgsave_time_sec', -1],
  ['aof_enabled', 0],
  ['aof_rewrite_in_progress', 0],
  ['aof_rewrite_scheduled', 0],
  ['aof_last_rewrite_time_sec', -1],
  ['aof_current_rewrite_time_sec', -1],
  ['aof_last_bgrewrite_status', 'ok'],
  ['aof_last_write_status', 'ok'],
  ['unsaved_ms', Math.ceil(engine.node.unsavedMs(time.monotonicMs()) ?? -1)],
];

const stats: InfoSection = ({ server: { stats: figures, hub, engine, tracking } }) => [
  ['total_connections_received', figures.connectionsReceived],
  ['total_commands_processed', figures.commandsProcessed],
  ['instantaneous_ops_per_sec', Math.round(figures.opsPerSecond)],
  ['total_net_input_bytes', figures.netInputBytes],
  ['total_net_output_bytes', figures.netOutputBytes],
  ['rejected_connections', figures.connectionsRejected],
  ['sync_full', 0],
  ['sync_partial_ok', 0],
  ['sync_partial_err', 0],
  ['expired_keys', engine.expiredKeys - figures.expiredKeysAtReset],
  ['evicted_keys', engine.memory.evicted],
  ['refilled_keys', engine.memory.refilled],
  ['evicted_clients', 0],
  ['keyspace_hits', figures.keyspaceHits],
  ['keyspace_misses', figures.keyspaceMisses],
  ['pubsub_channels', hub.channelCount],
  ['pubsub_patterns', hub.patternCount],
  ['pubsubshard_channels', 0],
  ['tracking_total_keys', tracking.keys.keyCount],
  ['tracking_total_items', tracking.keys.itemCount],
  ['tracking_total_prefixes', tracking.prefixes.size],
  ['latest_fork_usec', 0],
  ['total_forks', 0],
  ['unexpected_error_replies', 0],
  ['total_error_replies', figures.errorReplies],
  ['client_query_buffer_limit_disconnections', figures.queryBufferDisconnections],
  ['client_output_buffer_limit_disconnections', figures.outputBufferDisconnections],
];

/** Every node is a master of its own; what it is behind or ahead of the others is in the section `causeway`. */
const replication: InfoSection = ({ server: { facts }, node }) => [
  ['role', 'master'],
  ['connected_slaves', 0],
  ['master_failover_state', 'no-failover'],
  ['master_replid', facts.runId],
  ['master_replid2', '0'.repeat(40)],
  ['master_repl_offset', node.lastDot()?.seq ?? 0],
  ['second_repl_offset', -1],
  ['repl_backlog_active', 0],
  ['repl_backlog_size', 0],
  ['repl_backlog_first_byte_offset', 0],
  ['repl_backlog_histlen', 0],
];

const cpu: InfoSection = ({ server: { facts } }) => {
  const { userSeconds, systemSeconds } = facts.cpu();
  return [
    ['used_cpu_sys', systemSeconds.toFixed(6)],
    ['used_cpu_user', userSeconds.toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
  ];
};

/** All rows of the table, subcommands included. */
function allEntries({ server: { commands } }: CommandContext): CommandEntry[] {
  return [...commands].flatMap((entry): CommandEntry[] => [entry, ...(entry.subcommands ?? [])]);
}

const commandStats: InfoSection = (context) =>
  allEntries(context)
    .filter(({ calls, rejectedCalls }) => calls > 0 || rejectedCalls > 0)
    .map(({ calls, failedCalls, fullName, latency, rejectedCalls }) => {
      const usec = Math.round(latency.sumUsec);
      const perCall = (calls === 0 ? 0 : latency.sumUsec / calls).toFixed(2);
      return [
        `cmdstat_${fullName}`,
        `calls=${calls},usec=${usec},usec_per_call=${perCall},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`,
      ];
    });

const latencyStats: InfoSection = (context) =>
  allEntries(context)
    .filter(({ calls }) => calls > 0)
    .map(({ fullName, latency }) => {
      const shares: [string, number][] = [
        ['p50', 0.5],
        ['p99', 0.99],
        ['p99.9', 0.999],
      ];
      const values = shares.map(([name, share]) => `${name}=${latency.quantileUsec(share).toFixed(3)}`);
      return [`latency_percentiles_usec_${fullName}`, values.join(',')];
    });

const errorStats: InfoSection = ({ server: { stats: figures } }) =>
  [...figures.errors()].map(([code, count]) => [`errorstat_${code.replace(/[\s:]/g, '_')}`, `count=${count}`]);

const keyspace: InfoSection = ({ keys }) =>
  keys.count === 0 ? [] : [['db0', `keys=${keys.count},expires=${keys.expiringCount},avg_ttl=0`]];

const causeway: InfoSection = ({ node, nowMs, server: { engine } }) => {
  const reasons = node.unreadyReasons(nowMs);
  const peers = node.peers(nowMs);
  return [
    ['node', node.nodeId],
    ['region', node.region],
    ['origin', originText(engine.origin, node.names)],
    ['ready', reasons.length === 0 ? 1 : 0],
    ['unready_reasons', reasons.join('; ')],
    ['degraded_reasons', node.degradedReasons(nowMs).join('; ')],
    ['peers', peers.length],
    ['peers_connected', peers.filter(({ connected }) => connected).length],
    ...peers.map((peer, index): InfoField => {
      const ms = (value: number | null): string => (value === null ? '' : value.toFixed(1));
      return [
        `peer${index}`,
        `id=${peer.id},connected=${peer.connected ? 1 : 0},lag_transactions=${peer.lagTransactions},lag_bytes=${peer.lagBytes},lag_ms=${ms(peer.lagMs)},rtt_ms=${ms(peer.rttMs)}`,
      ];
    }),
  ];
};

const classes: InfoSection = ({ node }) => [
  ['classes_file', utf8Latin1(node.classes.file ?? '')],
  ['classes_rules', node.classes.rulesDigest],
  ['classes_reloads', node.classes.reloads],
  ...node.classes.policy.classes.map((keyClass, index): InfoField => {
    const { name, patterns, consistency, ttlMs, conflict } = keyClass;
    const writes = node.classes.writesOf(keyClass);
    // quoted, so that no pattern begins a line or looks like the next field
    const quoted = utf8Latin1(JSON.stringify(name));
    return [
      `class${index}`,
      `name=${quoted},patterns=${patterns.length},consistency=${consistency},ttl_ms=${ttlMs ?? ''},conflict=${conflictName(conflict)},writes=${writes},conflicts=${node.classes.conflictsOf(keyClass)}`,
    ];
  }),
  ...node.classes.resolutions.failures().map(({ keyClass, resolver, total, reason }, index): InfoField => {
    const [quotedClass, quotedReason] = [keyClass, reason].map((text) => utf8Latin1(JSON.stringify(text)));
    return [
      `resolver${index}`,
      `class=${quotedClass},resolver=${resolver},failures=${total},last_failure=${quotedReason}`,
    ];
  }),
];

const groups: InfoSection = ({ node }) => [
  ['groups', node.strong.groups().length],
  ...node.strong.groups().map((group, index): InfoField => {
    const { name, role, term, leader, commit, applied, visible, ageMs, members } = group;
    const voters = members.filter(({ isVoter }) => isVoter).length;
    return [
      `group${index}`,
      `name=${name},role=${role},term=${term},leader=${leader ?? ''},commit=${commit},applied=${applied},visible=${visible},age_ms=${ageMs?.toFixed(0) ?? ''},voters=${voters},learners=${members.length - voters}`,
    ];
  }),
];

/** The regional Redis, where the node has one. */
const regionalRedis: InfoSection = ({ server: state }) => [...(state.regional?.info() ?? [])];

/** Sections by name, in the order in which INFO shows them. */
export const infoSections: ReadonlyMap<string, { readonly title: string; readonly fields: InfoSection }> = new Map([
  ['server', { title: 'Server', fields: server }],
  ['clients', { title: 'Clients', fields: clients }],
  ['memory', { title: 'Memory', fields: memory }],
  ['persistence', { title: 'Persistence', fields: persistence }],
  ['stats', { title: 'Stats', fields: stats }],
  ['replication', { title: 'Replication', fields: replication }],
  ['cpu', { title: 'CPU', fields: cpu }],
  ['modules', { title: 'Modules', fields: () => [] }],
  ['commandstats', { title: 'Commandstats', fields: commandStats }],
  ['errorstats', { title: 'Errorstats', fields: errorStats }],
  ['latencystats', { title: 'Latencystats', fields: latencyStats }],
  ['cluster', { title: 'Cluster', fields: () => [['cluster_enabled', 0]] }],
  ['causeway', { title: 'Causeway', fields: causeway }],
  ['classes', { title: 'Classes', fields: classes }],
  ['groups', { title: 'Groups', fields: groups }],
  ['redis', { title: 'Redis', fields: regionalRedis }],
  ['sources', { title: 'Sources', fields: sourceFields }],
  ['monitor', { title: 'Monitor', fields: monitorFields }],
  ['keyspace', { title: 'Keyspace', fields: keyspace }],
]);
