import { DEFAULT_TRANSPORT_LIMITS, type TransportLimits } from '../adapters/ws-transport.ts';
import { REPLICATION_LIMITS, type ReplicationLimits } from '../causal/limits.ts';
import { CausewayError } from '../errors.ts';

/** All limits of a node that its configuration may change. */
export interface ServerLimits {
  readonly replication: ReplicationLimits;
  readonly transport: TransportLimits;
}

/** The defaults with what the configuration says otherwise. Throws CONFIG that lists the names there are. */
export function limitsOf(changed: Readonly<Record<string, number>>): ServerLimits {
  const replication = { ...REPLICATION_LIMITS };
  const transport = { ...DEFAULT_TRANSPORT_LIMITS };
  for (const [name, value] of Object.entries(changed)) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new CausewayError('CONFIG', `limits.${name}: expected a number above 0, got ${value}`);
    }
    if (!put(replication, name, value) && !put(transport, name, value)) {
      const names = [...Object.keys(REPLICATION_LIMITS), ...Object.keys(DEFAULT_TRANSPORT_LIMITS)];
      throw new CausewayError('CONFIG', `limits.${name}: there is no such limit, only ${names.join(', ')}`);
    }
  }
  if (replication.chunkBytesMax > replication.windowBytes || replication.windowBytes > transport.frameBytesMax) {
    throw new CausewayError('CONFIG', 'limits: expected chunkBytesMax ≤ windowBytes ≤ frameBytesMax');
  }
  return { replication, transport };
}

/** Sets a limit of that name; says whether there is one. */
function put<T extends object>(limits: T, name: string, value: number): boolean {
  if (!Object.hasOwn(limits, name)) return false;
  Object.assign(limits, { [name]: value });
  return true;
}
