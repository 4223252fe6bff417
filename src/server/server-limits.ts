import { DEFAULT_TRANSPORT_LIMITS, type TransportLimits } from '../adapters/ws-transport.ts';
import { REPLICATION_LIMITS, type ReplicationLimits } from '../causal/limits.ts';
import { CausewayError } from '../errors.ts';

/** All limits of a node that its configuration may change. */
export interface ServerLimits {
  readonly replication: ReplicationLimits;
  readonly transport: TransportLimits;
  /** Those of clients, as values of CONFIG. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Limits of clients by name, and the parameter of CONFIG that each is. */
const CLIENT_LIMITS: Readonly<Record<string, string>> = {
  clientsMax: 'maxclients',
  bulkBytesMax: 'proto-max-bulk-len',
  queryBufferBytesMax: 'client-query-buffer-limit',
};

/** The defaults with what the configuration says otherwise. Throws CONFIG that lists the names there are. */
export function limitsOf(changed: Readonly<Record<string, number>>): ServerLimits {
  const replication = { ...REPLICATION_LIMITS };
  const transport = { ...DEFAULT_TRANSPORT_LIMITS };
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(changed)) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new CausewayError('CONFIG', `limits.${name}: expected a number above 0, got ${value}`);
    }
    const parameter = Object.hasOwn(CLIENT_LIMITS, name) ? CLIENT_LIMITS[name] : undefined;
    if (parameter !== undefined) parameters[parameter] = String(Math.floor(value));
    else if (!put(replication, name, value) && !put(transport, name, value)) {
      const names = [REPLICATION_LIMITS, DEFAULT_TRANSPORT_LIMITS, CLIENT_LIMITS].flatMap(Object.keys);
      throw new CausewayError('CONFIG', `limits.${name}: there is no such limit, only ${names.join(', ')}`);
    }
  }
  if (replication.chunkBytesMax > replication.windowBytes || replication.windowBytes > transport.frameBytesMax) {
    throw new CausewayError('CONFIG', 'limits: expected chunkBytesMax ≤ windowBytes ≤ frameBytesMax');
  }
  return { replication, transport, parameters };
}

/** Sets a limit of that name; says whether there is one. */
function put<T extends object>(limits: T, name: string, value: number): boolean {
  if (!Object.hasOwn(limits, name)) return false;
  Object.assign(limits, { [name]: value });
  return true;
}
