/** The stable first words of every error that a client can see, and the client library's own; a caller may branch on them. */
export type ErrorCode =
  | 'ERR'
  | 'WRONGTYPE'
  | 'NOAUTH'
  | 'NOPROTO'
  | 'WRONGPASS'
  | 'LOADING'
  | 'CLOCKSKEW'
  | 'OOM'
  | 'BUSYGROUP'
  | 'EXECABORT'
  | 'UNBLOCKED'
  | 'HOMEREGION'
  | 'NOQUORUM'
  | 'UNCERTAIN'
  | 'BEHIND'
  | 'CHANGED'
  | 'CROSSCLASS'
  | 'CASCADE'
  | 'UNAVAILABLE'
  | 'REFUSED'
  | 'CONFIG'
  | 'PORTBUSY'
  | 'PROTOCOL'
  | 'LIMIT'
  | 'HISTORY'
  | 'STORE'
  // of the client library: no server says these
  | 'ConsistencyLost'
  | 'QueueFull'
  | 'DeadlineExceeded'
  | 'Closed'
  | 'DecodeFailed'
  | 'Internal';

/** What a caller may expect of doing the same thing again. */
export type RetryMeaning = 'never' | 'later' | 'now';

/**
 * The one error class. `code` is literal and stable, the message is for people and names the limit or the key.
 * An error is the world's fault and is handled; our own faults are assertions (`base/assert.ts`) and stop the process.
 */
export class CausewayError extends Error {
  readonly code: ErrorCode;
  readonly retry: RetryMeaning;

  constructor(code: ErrorCode, message: string, options: { retry?: RetryMeaning; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CausewayError';
    this.code = code;
    this.retry = options.retry ?? 'never';
  }
}

/** Any thrown value as a `CausewayError`; what is not one becomes `Internal`. For the edges only. */
export function toCausewayError(thrown: unknown): CausewayError {
  if (thrown instanceof CausewayError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CausewayError('Internal', message, { cause: thrown });
}

/** Whether a server, of ours or another, says that it has no such command; by its words, for there is no code for it. */
export function isUnknownCommand(thrown: unknown): boolean {
  return thrown instanceof Error && /unknown command/i.test(thrown.message);
}
