import type { Session } from '../commands/session.ts';
import type { ReplyValue } from '../wire/resp/reply-values.ts';

/** An argument of a request: bytes as they are, text as UTF-8, a number in decimal. */
export type LocalArgument = Uint8Array | string | number;

export interface LocalSessionOptions {
  /** Whose it is, as CLIENT LIST and the audit show it: `address:port`, or `local:name` for this process itself. */
  readonly address: string;
  /** As of CLIENT SETNAME. */
  readonly name?: string;
  /** As of CLIENT SETINFO LIB-NAME. */
  readonly libraryName?: string;
  /** Requests that may wait for their turn; past it they fail with LIMIT. A thousand unless said. */
  readonly callsMax?: number;
  /** Called with each push (a message, an invalidation), in their order; behind the answer to the request that caused it. */
  readonly onPush?: (push: readonly ReplyValue[]) => void;
  /** The session has ended: by `close`, CLIENT KILL, QUIT or the node's stop. */
  readonly onClose?: (reason: string) => void;
}

export interface LocalCallOptions {
  /** Gives up: a request that waits is not run any more; of one that is under way nobody says whether it happens. */
  readonly signal?: AbortSignal | undefined;
}

/** What came of a request: the value that was replied, an error reply included, or why there is none. */
export type LocalAnswer = { readonly value: ReplyValue } | { readonly error: Error };

/** A client in the node's own process (`RunningServer.openSession`). */
export interface InProcessSession {
  /** What the node knows of it. */
  readonly session: Session;
  /**
   * Runs a request; text is taken as UTF-8. Fulfilled with what is replied, an error reply as a `ReplyError`; null for what replies nothing, or by pushes alone
   * (SUBSCRIBE). Rejected where there is no reply: with the signal's reason, LIMIT where too many wait, ERR when the session ended before the request was run and
   * UNCERTAIN when it ended after that.
   */
  call(args: readonly LocalArgument[], options?: LocalCallOptions): Promise<ReplyValue>;
  /** As `call`, for those to whom the order of answers and pushes matters: `answered` is called before any push that was made after the answer, perhaps before `send` returns. */
  send(args: readonly LocalArgument[], answered: (answer: LocalAnswer) => void, options?: LocalCallOptions): void;
  /** Ends it at once. */
  close(reason: string): void;
}
