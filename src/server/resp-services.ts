import type { Log } from '../adapters/pino-log.ts';
import type { Dispatcher } from '../commands/dispatch.ts';
import type { ServerState } from '../commands/server-state.ts';
import type { OutputChunks } from '../wire/resp/output-chunks.ts';
import type { RequestArgs } from '../wire/resp/request-args.ts';
import type { RequestsAhead } from '../wire/resp/requests-ahead.ts';
import type { RespConnection } from './resp-connection.ts';
import type { SharedReadBuffer } from './resp-socket.ts';
import type { RespTurns, TurnParticipant } from './resp-turns.ts';

/** What all connections of a server share. */
export interface RespServices {
  readonly state: ServerState;
  readonly dispatcher: Dispatcher;
  /** One cursor for all: requests run one after the other. */
  readonly args: RequestArgs;
  /** One for all, for the same reason. */
  readonly ahead: RequestsAhead;
  /** For a look at requests whose turn is later; what it finds is good for a call. */
  readonly behind: { readonly scan: RequestsAhead; readonly args: RequestArgs };
  readonly chunks: OutputChunks;
  readonly readBuffer: SharedReadBuffer;
  readonly turns: RespTurns;
  readonly connections: Set<RespConnection>;
  /** Those whose next request waits for CLIENT PAUSE to end. */
  readonly paused: Set<TurnParticipant>;
  readonly log: Log;
  /** Requests were run for which the node is to be flushed, at the end of the turn and after the replies. */
  readonly touched: () => void;
}
