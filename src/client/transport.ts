import type { OpenFeed } from './change-watch.ts';
import type { ClientFigures } from './client-events.ts';
import type { NearCache } from './near-cache.ts';
import type { Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { Call } from './request.ts';

/** A connection that is the caller's alone, for requests that belong together. */
export interface OwnConnection {
  ask(args: readonly Argument[]): Promise<Reply>;
  /** Bytes of an argument that the node takes. */
  readonly bulkBytesMax: number;
  /** Whether requests on one of the keys go through a quorum. */
  isStrong(keys: readonly string[]): boolean;
}

/** How a client's requests reach a node: over sockets (`Router`), or in the process. */
export interface Transport {
  readonly near: NearCache | null;
  readonly figures: ClientFigures;
  /** Of a node in the process: the text that a key shows now; undefined where the key has to be asked for. */
  readText?(key: string): string | null | undefined;
  /** The reply to a request. Rejects with the server's error, or one that says what became of the request. */
  send(call: Call): Promise<Reply>;
  /** Runs with a connection of its own to a node that is ready. Rejects with UNAVAILABLE where there is none within the time. */
  withOwn<T>(deadlineMs: number, run: (connection: OwnConnection) => Promise<T>): Promise<T>;
  /** See `OpenFeed`. */
  readonly openFeed: OpenFeed;
  startSession(): void;
  close(): Promise<void>;
}
