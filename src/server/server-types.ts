import type { CausewayError } from '../errors.ts';
import type { InProcessSession, LocalSessionOptions } from './in-process-session.ts';
import type { NodeConfig } from './node-config.ts';

/** The ports that a node really listens on. */
export interface ServerPorts {
  readonly resp: number;
  readonly http: number;
  readonly peer: number;
}

/** What the live line of `up` shows of a node, once a second. */
export interface NodeStats {
  /** Commands served in the last second. */
  readonly opsPerSecond: number;
  readonly keys: number;
  /** Region → age in milliseconds of what was written here and is not known to be applied there; null when unknown. */
  readonly lagMs: Readonly<Record<string, number | null>>;
  /** Quorum groups, with the leader that this node knows of (a node id, null for none) and in which term. */
  readonly groups: readonly { readonly name: string; readonly leader: string | null; readonly term: number }[];
}

/** Where another node is dialled. */
export interface PeerAddress {
  readonly id: string;
  readonly url: string;
}

/** A node that listens. */
export interface RunningServer {
  readonly ports: ServerPorts;
  /** Fulfilled once the node is ready in the sense of /readyz; rejected when it will never be. */
  readonly ready: Promise<void>;
  /**
   * Where to dial members whose URL the configuration left open. May come again with another URL for a member (it was
   * restarted on another port): the next dial uses it. Members that are not named keep theirs.
   */
  setPeers(peers: readonly PeerAddress[]): void;
  stats(): NodeStats;
  /**
   * The string that a key shows on this node now, read in the process: no connection, nothing to parse. What is read is what the node has applied
   * (the level `causal`), its own writes and what arrived of others'; the key and the value are taken as UTF-8. Null where the key shows nothing.
   * Throws LOADING while the node does not answer reads, WRONGTYPE for other types, CROSSCLASS for strong keys, which are read by a command.
   */
  get(key: string): string | null;
  /**
   * A client in this process: its requests run as those of a RESP connection do, without a socket. Throws LIMIT where there are as many clients
   * as there may be, UNAVAILABLE once the node stops.
   */
  openSession(options: LocalSessionOptions): InProcessSession;
  /** Stops taking connections, ends those there are, closes the store. Also fulfilled when called twice. */
  close(): Promise<void>;
}

export interface StartServerOptions {
  /** Called at most once, when the node cannot go on (its store failed): the process is to end, or after `StartsAgain` to start anew. */
  readonly onFatal?: (error: CausewayError) => void;
  /** Called when the node was removed from its cluster: it stays up, for what it alone has, and is not ready until it joins again. */
  readonly onRemoved?: (reason: CausewayError) => void;
}

/**
 * `src/server/server.ts` exports `startServer` of this type. Fulfilled once all three ports listen. Throws PORTBUSY that
 * names the port, CONFIG, or STORE.
 */
export type StartServer = (config: NodeConfig, options?: StartServerOptions) => Promise<RunningServer>;
