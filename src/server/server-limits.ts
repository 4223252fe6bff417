import { DEFAULT_TRANSPORT_LIMITS, type TransportLimits } from '../adapters/ws-transport.ts';
import { REPLICATION_LIMITS, type ReplicationLimits } from '../causal/limits.ts';
import { MONITOR_LIMITS, type MonitorLimits } from '../commands/consistency-monitor.ts';
import { CausewayError } from '../errors.ts';
import { MIRROR_LIMITS, type MirrorLimits } from '../mirror/limits.ts';

/** All limits of a node that its configuration may change. */
export interface ServerLimits {
  readonly replication: ReplicationLimits;
  readonly transport: TransportLimits;
  readonly mirror: MirrorLimits;
  readonly monitor: MonitorLimits;
  /** Bytes of the keyspace in memory, 0 for no limit; `maxmemory` of CONFIG. */
  readonly memoryBytesMax: number;
  /** Those of clients, as values of CONFIG. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Limits of clients by name, and the parameter of CONFIG that each is. */
const CLIENT_LIMITS: Readonly<Record<string, string>> = {
  clientsMax: 'maxclients',
  bulkBytesMax: 'proto-max-bulk-len',
  queryBufferBytesMax: 'client-query-buffer-limit',
  memoryBytesMax: 'maxmemory',
};

/** The defaults with what the configuration says otherwise. Throws CONFIG that lists the names there are. */
export function limitsOf(changed: Readonly<Record<string, number>>): ServerLimits {
  const replication = { ...REPLICATION_LIMITS };
  const transport = { ...DEFAULT_TRANSPORT_LIMITS };
  const mirror = { ...MIRROR_LIMITS };
  const monitor = { ...MONITOR_LIMITS };
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(changed)) {
    if (!Number.isFinite(value) || value < 0 || (value === 0 && !Object.hasOwn(monitor, name))) {
      throw new CausewayError('CONFIG', `limits.${name}: expected a number above 0, got ${value}`);
    }
    const parameter = Object.hasOwn(CLIENT_LIMITS, name) ? CLIENT_LIMITS[name] : undefined;
    if (parameter !== undefined) parameters[parameter] = String(Math.floor(value));
    else if (![replication, transport, mirror, monitor].some((limits) => put(limits, name, value))) {
      const all = [REPLICATION_LIMITS, DEFAULT_TRANSPORT_LIMITS, MIRROR_LIMITS, MONITOR_LIMITS, CLIENT_LIMITS];
      const names = all.flatMap(Object.keys);
      throw new CausewayError('CONFIG', `limits.${name}: there is no such limit, only ${names.join(', ')}`);
    }
  }
  if (replication.chunkBytesMax > replication.windowBytes || replication.windowBytes > transport.frameBytesMax) {
    throw new CausewayError('CONFIG', 'limits: expected chunkBytesMax ≤ windowBytes ≤ frameBytesMax');
  }
  return { replication, transport, mirror, monitor, memoryBytesMax: Number(parameters['maxmemory'] ?? 0), parameters };
}

/** Sets a limit of that name; says whether there is one. */
function put<T extends object>(limits: T, name: string, value: number): boolean {
  if (!Object.hasOwn(limits, name)) return false;
  Object.assign(limits, { [name]: value });
  return true;
}
