import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import { Connection, unavailable, WAITING_SILENT_MS, type ConnectionOwner } from './connection.ts';
import { helloOf, type Candidate } from './client-options.ts';
import type { LinkContext } from './node-link.ts';
import { errorOf, textOf, type Reply } from './replies.ts';
import { requestBytes, type Argument } from './request-bytes.ts';
import type { Request } from './request.ts';

/** A connection that is one user's until it is given back. */
class Lane implements ConnectionOwner {
  readonly #context: LinkContext;
  readonly #hasSessions: boolean;
  #connection: Connection | null = null;
  /** What this connection has of the session. */
  #attached: string[] = [];

  private constructor(context: LinkContext, hasSessions: boolean) {
    this.#context = context;
    this.#hasSessions = hasSessions;
  }

  static async open(
    candidate: Candidate,
    context: LinkContext,
    hasSessions: boolean,
    signal: AbortSignal,
  ): Promise<Lane> {
    const { settings } = context;
    const lane = new Lane(context, hasSessions);
    const connection = await Connection.open(
      candidate.address,
      { ...settings, silentMs: WAITING_SILENT_MS },
      lane,
      signal,
    );
    lane.#connection = connection;
    signal.addEventListener('abort', () => connection.close(unavailable('the node is no longer used')));
    const hello = await connection.ask(helloOf(settings));
    if (hello instanceof ReplyError) {
      const error = errorOf(hello);
      connection.close(error);
      throw error;
    }
    return lane;
  }

  get isOpen(): boolean {
    return this.#connection !== null && !this.#connection.isClosed;
  }

  /** Sends a request with what the session has seen before it, and its token behind it. */
  send(request: Request, ended: () => void): void {
    const connection = this.#connection;
    if (connection === null) {
      request.lost(unavailable('the connection is closed'), false);
      ended();
      return;
    }
    this.bringSession();
    request.sent(false);
    let isAnswered = false;
    request.answered = () => {
      isAnswered = true;
      if (!this.#hasSessions) request.settle();
    };
    connection.send(request);
    this.#takeToken(
      () => {
        if (this.#hasSessions) request.settle();
        ended();
      },
      (error) => {
        if (isAnswered && this.#hasSessions) request.unconfirmed(error);
        ended();
      },
    );
  }

  /** The reply to one of several requests that belong together. Rejects with UNAVAILABLE where the connection ends before. */
  async ask(args: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const connection = this.#connection;
      if (connection === null) reject(unavailable('the connection is closed'));
      else connection.send({ bytes: requestBytes(args), done: resolve, lost: reject });
    });
  }

  /** What the session has seen so far goes before the next request. */
  bringSession(): void {
    const { tokens, settings } = this.#context;
    if (!this.#hasSessions) return;
    const { all } = tokens;
    this.#attached = this.#attached.filter((token) => all.includes(token));
    for (const token of all) {
      if (this.#attached.includes(token)) continue;
      this.#connection?.send({
        bytes: requestBytes(['CW.ATTACH', token, 'TIMEOUT', settings.attachMs]),
        done: (reply) => reply instanceof ReplyError || this.#attached.push(token),
        lost: () => undefined,
      });
    }
  }

  /** Fulfilled when what was asked so far is in the session. */
  async takeToken(): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#takeToken(resolve, reject));
  }

  push(): void {
    // nothing is tracked here
  }

  flushing(): void {
    // its token leaves with the request
  }

  closed(): void {
    this.#connection = null;
  }

  close(reason: CausewayError): void {
    this.#connection?.close(reason);
  }

  #takeToken(done: () => void, lost: (error: CausewayError) => void): void {
    const connection = this.#connection;
    if (connection === null) return lost(unavailable('the connection is closed'));
    const isCarried = this.#hasSessions;
    connection.send({
      bytes: requestBytes([isCarried ? 'CW.TOKEN' : 'PING']),
      done: (reply) => {
        if (isCarried && !(reply instanceof ReplyError)) {
          const token = textOf(reply);
          this.#context.tokens.seenElsewhere(token, this.#attached);
          this.#attached.push(token);
        }
        done();
      },
      lost,
    });
  }
}

/**
 * Connections to one node for what may wait there: a request on strong keys holds up those behind it on its connection for a round trip between regions, so each
 * has one to itself. They are opened as they are needed, and kept.
 */
export class WaitingLanes {
  readonly #candidate: Candidate;
  readonly #context: LinkContext;
  readonly #hasSessions: () => boolean;
  readonly #abort = new AbortController();
  readonly #free: Lane[] = [];
  readonly #all = new Set<Lane>();
  readonly #waiting: ((lane: Lane | CausewayError) => void)[] = [];
  #opening = 0;
  #failure: CausewayError | null = null;

  constructor(candidate: Candidate, context: LinkContext, hasSessions: () => boolean) {
    this.#candidate = candidate;
    this.#context = context;
    this.#hasSessions = hasSessions;
  }

  /** Lanes in use, and who waits for one. */
  get busy(): number {
    return this.#all.size - this.#free.length + this.#opening + this.#waiting.length;
  }

  send(request: Request): void {
    this.#take((lane) => {
      if (lane instanceof CausewayError) request.lost(lane, false);
      else if (request.isSettled) {
        this.#giveBack(lane);
        request.settle();
      } else lane.send(request, () => this.#giveBack(lane));
    });
  }

  /** Runs with a connection of its own, which ends with the deadline: what it was asked for has no answer then. Throws UNAVAILABLE where there is none. */
  async use<T>(deadlineMs: number, run: (lane: Lane) => Promise<T>): Promise<T> {
    const late = new CausewayError('DeadlineExceeded', `not over within ${deadlineMs} ms`, { retry: 'now' });
    let timer: NodeJS.Timeout | undefined;
    let isLate = false;
    let used: Lane | null = null;
    const ended = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        used?.close(late);
        reject(late);
      }, deadlineMs);
    });
    const lane = new Promise<Lane>((resolve, reject) => {
      this.#take((got) => {
        if (got instanceof CausewayError) return reject(got);
        if (isLate) return this.#giveBack(got);
        used = got;
        resolve(got);
      });
    });
    try {
      return await Promise.race([ended, lane.then(async (own) => this.#run(own, run))]);
    } finally {
      clearTimeout(timer);
      if (used !== null) this.#giveBack(used);
    }
  }

  async #run<T>(lane: Lane, run: (lane: Lane) => Promise<T>): Promise<T> {
    lane.bringSession();
    const value = await run(lane);
    await lane.takeToken().catch((cause: unknown) => {
      throw new CausewayError('UNCERTAIN', 'it has happened, but may be lost: the node went away', { cause });
    });
    return value;
  }

  close(reason: CausewayError): void {
    this.#failure = reason;
    for (const waiting of this.#waiting.splice(0)) waiting(reason);
    for (const lane of this.#all) lane.close(reason);
    // those that are being opened
    this.#abort.abort();
  }

  #take(got: (lane: Lane | CausewayError) => void): void {
    if (this.#failure !== null) return got(this.#failure);
    const lane = this.#free.pop();
    if (lane !== undefined) return got(lane);
    this.#waiting.push(got);
    if (this.#all.size + this.#opening < this.#context.settings.waitingConnectionsMax) void this.#open();
  }

  async #open(): Promise<void> {
    this.#opening++;
    try {
      const lane = await Lane.open(this.#candidate, this.#context, this.#hasSessions(), this.#abort.signal);
      this.#opening--;
      if (this.#failure !== null) return lane.close(this.#failure);
      this.#all.add(lane);
      this.#giveBack(lane);
    } catch (thrown) {
      this.#opening--;
      const error = thrown instanceof CausewayError ? thrown : unavailable(String(thrown));
      // those in use come back; where there are none nobody else would serve these
      if (this.#all.size + this.#opening === 0) for (const waiting of this.#waiting.splice(0)) waiting(error);
    }
  }

  #giveBack(lane: Lane): void {
    if (!lane.isOpen) {
      this.#all.delete(lane);
      if (this.#waiting.length > 0 && this.#failure === null) void this.#open();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(lane);
    else next(lane);
  }
}
