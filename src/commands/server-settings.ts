import {
  BULK_BYTES_DEFAULT,
  CLIENTS_DEFAULT,
  QUERY_BUFFER_BYTES_DEFAULT,
  STRONG_TIMEOUT_MS_DEFAULT,
  TRACKED_KEYS_DEFAULT,
  UNAUTHENTICATED_MS_MAX,
} from '../base/client-limits.ts';
import { MemoryLimit } from '../keyspace/eviction/memory-limit.ts';

/** Output that a client has not taken: past `hardBytes`, or `softBytes` for `softSeconds` on end, it is disconnected. 0 is no limit. */
export interface OutputLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

/** What CONFIG SET really changes, as the rest of the server reads it. */
export class ServerSettings {
  /** What the node may keep in memory. */
  memoryLimit: MemoryLimit = new MemoryLimit();
  /** Bits of `notification-classes.ts`. */
  notifyClasses = 0;
  /** Requests that take at least this long are logged; negative logs none. */
  slowlogSlowerThanUsec = 10_000;
  slowlogLengthMax = 128;
  clientsMax: number = CLIENTS_DEFAULT;
  /** An idle client is disconnected after so long, 0 for never. Subscribers and blocked clients are not idle. */
  timeoutSeconds = 0;
  tcpKeepaliveSeconds = 300;
  bulkBytesMax: number = BULK_BYTES_DEFAULT;
  /** How long a request on strong keys waits for its group before it ends in NOQUORUM or UNCERTAIN. */
  strongTimeoutMs: number = STRONG_TIMEOUT_MS_DEFAULT;
  /** Keys of which it is known who has read them; 0 for no limit. */
  trackedKeysMax: number = TRACKED_KEYS_DEFAULT;
  queryBufferBytesMax: number = QUERY_BUFFER_BYTES_DEFAULT;
  /** The clients' password, latin1; empty for none. */
  requirepass = '';
  /** Without a password only clients of this machine are served. */
  protectedMode = true;
  unauthenticatedMsMax: number = UNAUTHENTICATED_MS_MAX;
  /**
   * Redis sets no limit for normal clients; here one client must not take the node's memory, and 256 MiB is above what
   * the largest value allowed needs.
   */
  outputLimits: { normal: OutputLimit; replica: OutputLimit; pubsub: OutputLimit } = {
    normal: { hardBytes: 256 * 1024 * 1024, softBytes: 0, softSeconds: 0 },
    replica: { hardBytes: 256 * 1024 * 1024, softBytes: 64 * 1024 * 1024, softSeconds: 60 },
    pubsub: { hardBytes: 32 * 1024 * 1024, softBytes: 8 * 1024 * 1024, softSeconds: 60 },
  };
}
