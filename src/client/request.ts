import { randomUUID } from 'node:crypto';
import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import type { Exchange } from './connection.ts';
import { errorOf, isProtocolError, type Reply } from './replies.ts';
import { requestBytes, type Argument } from './request-bytes.ts';

/** What a caller says of one call. */
export interface CallOptions {
  /** Gives the call up. A write that has left may have happened: it ends with UNCERTAIN, of which the signal's reason is the cause. */
  readonly signal?: AbortSignal | undefined;
  /** In the place of the client's `deadlineMs`. */
  readonly deadlineMs?: number | undefined;
}

/** A request and how it may be treated. */
export interface Call extends CallOptions {
  readonly args: readonly Argument[];
  /** Reads are asked again where an answer was lost; so are requests under an id of their own (`once`). Other writes never. */
  readonly kind: 'read' | 'write' | 'once';
  /** The keys it names, by which strong ones are told. */
  readonly keys: readonly string[];
  /** It may wait for others (a quorum, say), so that it must not hold up what comes behind it. */
  readonly mayWait?: boolean;
  /** It reads and writes no keys, so that its answer is no part of the session. */
  readonly isKeyless?: boolean;
  /** Told of the reply where it is read, before anything that came later: for the near cache. */
  readonly replied?: (reply: Reply) => void;
  /** What is asked in the place of `args` where the node gives versions and pushes what changes (CW.READ). */
  readonly versioned?: readonly Argument[];
  /** Told when the request leaves, each time: whether on the connection whose pushes the near cache gets, and whether as `versioned`. */
  readonly leaving?: (isMain: boolean, isVersioned: boolean) => void;
  /** Told when there will be no reply from the connection on which it left. */
  readonly unanswered?: () => void;
}

/** Whose it is: who counts it, who sends it again. */
export interface RequestOwner {
  /** It has its answer, or none will come: it counts no more. */
  settled(request: Request): void;
  /** It has to be asked again, of another node or later. */
  again(request: Request, reason: CausewayError): void;
}

/** Of a server that has run nothing: another node may be asked. */
const UNREADY: ReadonlySet<string> = new Set(['LOADING', 'CLOCKSKEW']);

/** One call on its way: ended by its reply, its deadline, its signal, or the loss of its connection. */
export class Request implements Exchange {
  call: Call;
  bytes: Uint8Array;
  /** What it counts for in its owner's queue. */
  readonly countedBytes: number;
  /** Whether it is a write that a server may have run. */
  #mayHaveRun = false;
  /** What that was before it left for the last time. */
  #mayHaveRunBefore = false;
  #isOut = false;
  #isSettled = false;
  #isCounted = true;
  #reply: Reply | undefined;
  /** Why it has not been sent so far. */
  #held: CausewayError | null = null;
  readonly #deadlineMs: number;
  readonly #owner: RequestOwner;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: unknown) => void;
  #timer: NodeJS.Timeout | null = null;
  /** Called in the place of keeping the reply; who sends it sets it. */
  answered: (request: Request) => void = (request) => request.settle();

  constructor(
    call: Call,
    deadlineMs: number,
    owner: RequestOwner,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    this.call = call;
    this.bytes = requestBytes(call.args);
    this.countedBytes = this.bytes.length;
    this.#deadlineMs = deadlineMs;
    this.#owner = owner;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Its time begins. */
  start(): void {
    this.#timer = setTimeout(() => this.#late(), this.#deadlineMs);
    this.call.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Gives a write of strong keys an id, so that it can be asked again and happens once. */
  makeOnce(): void {
    if (this.call.kind !== 'write') return;
    const args = ['CW.ONCE', randomUUID(), Date.now(), ...this.call.args];
    this.call = { ...this.call, args, kind: 'once' };
    this.bytes = requestBytes(args);
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether it still is of a connection: its reply has to be waited for even where nobody wants it. */
  get isOut(): boolean {
    return this.#isOut;
  }

  /** It leaves. */
  sent(isMain: boolean, hasVersions = false): void {
    this.#isOut = true;
    const { versioned } = this.call;
    const isVersioned = hasVersions && versioned !== undefined;
    if (versioned !== undefined) this.bytes = requestBytes(isVersioned ? versioned : this.call.args);
    this.#mayHaveRunBefore = this.#mayHaveRun;
    if (this.call.kind !== 'read') this.#mayHaveRun = true;
    this.call.leaving?.(isMain, isVersioned);
  }

  /** It is not sent, for no node of these settings takes it. */
  refused(error: CausewayError): void {
    if (this.#mayHaveRun) this.fail(uncertain(this.call, error.message, error));
    else this.fail(error);
  }

  done(reply: Reply): void {
    this.#isOut = false;
    // the server has not read it to its end, and ends the connection: nothing else will be said of it
    if (reply instanceof ReplyError && isProtocolError(reply) && !this.#mayHaveRunBefore) this.fail(errorOf(reply));
    this.#reply = reply;
    this.call.replied?.(reply);
    this.answered(this);
  }

  lost(error: CausewayError, wasSent: boolean): void {
    this.#isOut = false;
    this.call.unanswered?.();
    if (!wasSent) this.#mayHaveRun = this.#mayHaveRunBefore;
    this.unconfirmed(error);
  }

  /** There is an answer, or none, that nothing may be built on: what may be asked again is, else it is said to be uncertain. */
  unconfirmed(error: CausewayError): void {
    this.#reply = undefined;
    if (this.#isSettled) return this.#uncount();
    if (this.#mayHaveRun && this.call.kind === 'write') {
      this.#end();
      this.#reject(uncertain(this.call, error.message, error));
      return;
    }
    this.hold(error);
    this.#owner.again(this, error);
  }

  /** Says why it waits, for the error of a deadline. */
  hold(reason: CausewayError): void {
    this.#held = reason;
  }

  /** The reply stands: whoever called gets it. */
  settle(): void {
    const reply = this.#reply;
    if (this.#isSettled || reply === undefined) return this.#uncount();
    if (!(reply instanceof ReplyError)) {
      this.#end();
      this.#resolve(reply);
      return;
    }
    const error = errorOf(reply);
    if (UNREADY.has(error.code)) {
      this.#mayHaveRun = this.#mayHaveRunBefore;
      return this.unconfirmed(error);
    }
    if (error.code === 'UNCERTAIN' && this.call.kind === 'once') return this.unconfirmed(error);
    this.fail(error.code === 'BEHIND' ? consistencyLost(error.message, error) : error);
  }

  /** Ends it with an error that says what became of it. */
  fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isSettled = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.call.signal?.removeEventListener('abort', this.#abort);
    if (!this.#isOut) this.#uncount();
  }

  #uncount(): void {
    if (!this.#isCounted) return;
    this.#isCounted = false;
    this.#owner.settled(this);
  }

  #late(): void {
    const within = `${nameOf(this.call)}: no answer within ${this.#deadlineMs} ms`;
    if (this.#mayHaveRun) return this.fail(uncertain(this.call, within, this.#held ?? undefined));
    if (this.#isOut || this.#held === null)
      return this.fail(new CausewayError('DeadlineExceeded', within, { retry: 'now' }));
    const text = `${nameOf(this.call)}: no node could be asked within ${this.#deadlineMs} ms: ${this.#held.message}`;
    this.fail(new CausewayError('UNAVAILABLE', text, { retry: 'later', cause: this.#held }));
  }

  readonly #abort = (): void => {
    const reason = this.call.signal?.reason as unknown;
    if (this.#mayHaveRun) this.fail(uncertain(this.call, 'it was given up', reason));
    else this.fail(reason);
  };
}

/** A write of which nobody can say whether it happened. */
function uncertain(call: Call, why: string, cause?: unknown): CausewayError {
  return new CausewayError('UNCERTAIN', `${nameOf(call)} may have happened: ${why}`, {
    retry: call.kind === 'once' ? 'now' : 'never',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** No node that answers has what the session has seen. */
export function consistencyLost(why: string, cause?: unknown): CausewayError {
  return new CausewayError('ConsistencyLost', why, { retry: 'later', ...(cause === undefined ? {} : { cause }) });
}

function nameOf({ args, kind }: Call): string {
  const [command = '', key] = kind === 'once' && args[0] === 'CW.ONCE' ? args.slice(3) : args;
  return typeof key === 'string' ? `${String(command)} ${key.slice(0, 64)}` : String(command);
}
