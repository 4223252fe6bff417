import type { ClientRegistry } from './client-registry.ts';
import type { CommandIndex } from './command-index.ts';
import type { ParameterTable } from './parameters.ts';
import type { PubsubHub } from './pubsub-hub.ts';
import type { ServerSettings } from './server-settings.ts';
import type { ServerStats } from './server-stats.ts';
import type { Slowlog } from './slowlog.ts';
import type { WatchRegistry } from './watch-registry.ts';

/** Clocks of the server that are not the time that commands judge expiry by. */
export interface ServerTime {
  /** Unix milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds that never go back, with fractions. */
  monotonicMs(): number;
}

/** What the process says of itself. */
export interface ProcessFacts {
  /** The product's version. */
  readonly version: string;
  readonly processId: number;
  readonly startedAtMs: number;
  /** 40 hex digits, chosen at the start. */
  readonly runId: string;
  /** What RESP is served on, 0 before. */
  readonly port: number;
  readonly bind: string;
  /** `Linux 6.1 x86_64` */
  readonly system: string;
  /** `v24.1.0` */
  readonly runtime: string;
  readonly executable: string;
  readonly configFile: string;
  /** Bytes: what the heap and the buffers hold, the most that was, and what the process has from the system. */
  memory(): { readonly usedBytes: number; readonly peakBytes: number; readonly residentBytes: number };
  /** Seconds of processor time. */
  cpu(): { readonly userSeconds: number; readonly systemSeconds: number };
  /** Begins to stop the process in good order. */
  shutdown(): void;
}

/** Until when requests wait, CLIENT PAUSE. */
export interface Pause {
  readonly mode: 'write' | 'all';
  /** On the monotonic clock. */
  readonly untilMs: number;
}

/** All that the server knows beside the keyspace and the node: what connection and server commands work on. */
export interface ServerState {
  readonly clients: ClientRegistry;
  readonly commands: CommandIndex;
  readonly settings: ServerSettings;
  readonly parameters: ParameterTable;
  readonly stats: ServerStats;
  readonly slowlog: Slowlog;
  readonly hub: PubsubHub;
  readonly watches: WatchRegistry;
  readonly time: ServerTime;
  readonly facts: ProcessFacts;
  /** Keys that this node found to be expired since it started. */
  readonly expiredKeys: number;
  pause: Pause | null;
  /** Wakes those who wait for a changed `pause`. */
  pauseChanged(): void;
  /** Ends a wait now: `null` answers as at its time limit, an error answers with it. */
  unblock(sessionId: number, error: { readonly code: string; readonly message: string } | null): boolean;
}
