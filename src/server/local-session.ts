import { ARGUMENTS_MAX } from '../base/client-limits.ts';
import { Outcome } from '../commands/dispatch.ts';
import type { Args, Reply } from '../commands/context.ts';
import type { RequestsBehind } from '../commands/fetch-ahead.ts';
import type { ClientConnection, Session } from '../commands/session.ts';
import { CausewayError, toCausewayError } from '../errors.ts';
import { ReplyError, readReplies, type ReplyValue } from '../wire/resp/reply-values.ts';
import { ReplyWriter } from '../wire/resp/reply-writer.ts';
import type {
  InProcessSession,
  LocalAnswer,
  LocalArgument,
  LocalCallOptions,
  LocalSessionOptions,
} from './in-process-session.ts';
import { encodeCall, type LocalCall } from './local-call.ts';
import type { RespServices } from './resp-services.ts';
import type { TurnParticipant } from './resp-turns.ts';
import { WaitTimer } from './wait-timer.ts';

const CALLS_MAX = 1000;
const PUSH_SIGN: number = '>'.charCodeAt(0);
const OUR_END = 'local:0';
/** Of RESP3: what is pushed may come between replies. */
const RESP_VERSION = 3;

/**
 * A client without a socket, for what runs in the node's own process. Its requests take the same way as those of a RESP connection: one after
 * the other, deferred, blocked, paused and refused as they are. It need not say the password: whoever opens it has done that, or is trusted.
 */
export class LocalSession implements InProcessSession, ClientConnection, RequestsBehind, TurnParticipant {
  readonly address: string;
  readonly localAddress: string = OUR_END;
  readonly descriptor: number = -1;
  readonly reply: ReplyWriter;
  readonly session: Session;
  readonly #services: RespServices;
  readonly #options: LocalSessionOptions;
  readonly #callsMax: number;
  readonly #wait: WaitTimer;
  readonly #closed: () => void;
  readonly #waiting: Set<LocalCall> = new Set();
  /** Bytes of those that wait. */
  #waitingBytes = 0;
  /** The request that runs, or is blocked. */
  #running: LocalCall | null = null;
  /** The first of those that wait, while it is deferred: it will be run again. */
  #deferred: LocalCall | null = null;
  readonly #pushWriter: ReplyWriter;
  #pushBytes = 0;
  #pushes: ReplyValue[] = [];
  #isPaused = false;
  #isClosing = false;
  #isClosed = false;

  constructor(services: RespServices, options: LocalSessionOptions, closed: () => void) {
    this.#services = services;
    this.#options = options;
    this.#callsMax = options.callsMax ?? CALLS_MAX;
    this.#closed = closed;
    this.address = options.address;
    this.reply = new ReplyWriter(services.chunks);
    this.#pushWriter = new ReplyWriter(services.chunks);
    this.session = services.state.clients.open(this, services.state.time.wallMs());
    this.session.respVersion = RESP_VERSION;
    this.setRespVersion(RESP_VERSION);
    this.session.name = options.name ?? '';
    this.session.libraryName = options.libraryName ?? '';
    this.#wait = new WaitTimer(services, this.session);
  }

  // ── requests ──

  /**
   * Runs a request; text is taken as UTF-8. Fulfilled with what is replied, an error reply as a `ReplyError`; null for what replies nothing, or
   * by pushes alone (SUBSCRIBE). Rejected where there is no reply: with the signal's reason, LIMIT where too many wait, ERR when the session ended before the request was
   * run and UNCERTAIN when it ended after that.
   */
  async call(args: readonly LocalArgument[], options: LocalCallOptions = {}): Promise<ReplyValue> {
    return await new Promise((resolve, reject) => {
      this.send(args, (answer) => ('error' in answer ? reject(answer.error) : resolve(answer.value)), options);
    });
  }

  /**
   * As `call`, for those to whom the order of answers and pushes matters: `answered` is called before any push that was made after the
   * answer. It may be called before `send` returns.
   */
  send(
    args: readonly LocalArgument[],
    answered: (answer: LocalAnswer) => void,
    { signal }: LocalCallOptions = {},
  ): void {
    if (signal?.aborted === true) return answered({ error: signal.reason as Error });
    const refusal = this.#refusalOf(args);
    if (refusal !== null) return answered(refusal);
    const call = encodeCall(args, answered);
    const tooMuch = this.#limitOf(call);
    if (tooMuch !== null) return answered(tooMuch);
    if (signal !== undefined) {
      const giveUp = (): void => this.#giveUp(call, signal.reason as Error);
      signal.addEventListener('abort', giveUp, { once: true });
      call.forget = () => signal.removeEventListener('abort', giveUp);
    }
    this.#waiting.add(call);
    this.#waitingBytes += call.bytes.length;
    if (this.session.blocked !== null) this.#askAhead();
    if (this.session.blocked !== null || this.#isPaused) return;
    const { turns } = this.#services;
    if (turns.isOpen) turns.continueLater(this);
    else turns.guarded(() => this.continueRequests());
  }

  #refusalOf(args: readonly LocalArgument[]): LocalAnswer | null {
    if (this.#isClosing) return { error: new CausewayError('ERR', 'the session is closed') };
    if (args.length > 0 && args.length <= ARGUMENTS_MAX) return null;
    return { value: new ReplyError('ERR', `expected 1 to ${ARGUMENTS_MAX} arguments, got ${args.length}`) };
  }

  #limitOf(call: LocalCall): LocalAnswer | null {
    const { settings } = this.#services.state;
    if (call.longestBytes > settings.bulkBytesMax) {
      const text = `an argument of ${call.longestBytes} bytes is too long (limit proto-max-bulk-len ${settings.bulkBytesMax})`;
      return { error: new CausewayError('LIMIT', text) };
    }
    if (this.#waiting.size >= this.#callsMax)
      return { error: new CausewayError('LIMIT', `${this.#callsMax} requests wait`, { retry: 'later' }) };
    const limit = settings.queryBufferBytesMax;
    if (this.#waitingBytes + call.bytes.length <= limit) return null;
    return { error: new CausewayError('LIMIT', `requests that wait are over client-query-buffer-limit ${limit}`) };
  }

  /** Runs what can be run; in a turn of the server. */
  continueRequests(): void {
    if (this.#isClosed) return;
    const { dispatcher, state, touched } = this.#services;
    this.#isPaused = false;
    state.clients.paused.delete(this.session);
    dispatcher.beginTurn();
    if (this.session.blocked === null) this.#takeReply();
    for (const call of this.#waiting) {
      if (this.session.blocked !== null || this.#isPaused || this.#isClosing) break;
      this.#run(call);
    }
    if (this.#waiting.size === 0 && this.session.ahead !== null) state.fetching.endAhead(this.session);
    const isTouched = dispatcher.endTurn();
    if (isTouched) touched();
  }

  #run(call: LocalCall): void {
    const { args, dispatcher, paused, state } = this.#services;
    state.authentication.isAdmitted(this.session);
    args.point(call.bytes, 0, call.offsets, call.count);
    this.#deferred = null;
    const outcome = dispatcher.execute(this.session, args);
    if (outcome === Outcome.Deferred) {
      this.#deferred = call;
      this.#wait.arm();
      this.#askAhead();
      return;
    }
    if (outcome === Outcome.Paused) {
      this.#isPaused = true;
      paused.add(this);
      state.clients.paused.add(this.session);
      return;
    }
    this.#leave(call);
    this.#running = call;
    if (outcome === Outcome.Foreign) this.reply.error('ERR', 'unknown command');
    if (outcome === Outcome.Blocked) this.#wait.arm();
    else this.#takeReply();
  }

  #askAhead(): void {
    if (this.session.ahead !== null && this.#deferred !== null)
      this.#services.state.fetching.askAhead(this.session, this);
  }

  requestsBehind(from: number, each: (args: Args) => boolean): void {
    const { args } = this.#services.behind;
    let number = 0;
    for (const { bytes, offsets, count } of this.#waiting) {
      // the first is the one that waits
      if (number++ <= from) continue;
      args.point(bytes, 0, offsets, count);
      if (!each(args)) break;
    }
    args.release();
  }

  #leave(call: LocalCall): void {
    if (this.#waiting.delete(call)) this.#waitingBytes -= call.bytes.length;
  }

  /** Answers the request that ran, and ends where it was the last. */
  #takeReply(): void {
    const call = this.#running;
    if (call !== null) {
      this.#running = null;
      this.#settle(call, { value: this.#replied() });
    }
    if (this.#isClosing) this.close('closed');
  }

  #replied(): ReplyValue {
    const { length } = this.reply;
    const chunk = this.reply.detach();
    const isPush = length > 0 && chunk.bytes[0] === PUSH_SIGN;
    const values = readReplies(chunk.bytes, length);
    this.#services.chunks.give(chunk);
    // what subscribes is answered by pushes, one a channel
    if (isPush) {
      this.#pushes.unshift(...values);
      this.#services.turns.flushLater(this);
      return null;
    }
    return values[0] ?? null;
  }

  #settle(call: LocalCall, answer: LocalAnswer): void {
    if (call.isSettled) return;
    call.isSettled = true;
    call.forget();
    this.#tell(() => call.answered(answer));
  }

  /** What the caller's code throws is no error of the node. */
  #tell(told: () => void): void {
    try {
      told();
    } catch (thrown) {
      const error = toCausewayError(thrown);
      this.#services.log.error('a client in the process threw', { client: this.session.id, error });
    }
  }

  #giveUp(call: LocalCall, error: Error): void {
    this.#settle(call, { error });
    const isUnderWay = call === this.#running || call === this.#deferred;
    // One that was deferred is run once more, so that the refusal that ends its wait is its own and not that of the next.
    if (isUnderWay) this.#services.state.waiting.fail(this.session, 'UNBLOCKED', 'the caller gave up');
    else this.#leave(call);
  }

  resume(): void {
    this.#wait.clear();
    this.#services.turns.continueLater(this);
  }

  // ── pushes ──

  setRespVersion(version: 2 | 3): void {
    this.reply.respVersion = version;
    this.#pushWriter.respVersion = version;
  }

  beginPush(): Reply {
    return this.#pushWriter;
  }

  endPush(): void {
    const { length } = this.#pushWriter;
    const chunk = this.#pushWriter.detach();
    if (this.#options.onPush !== undefined) {
      this.#pushes.push(...readReplies(chunk.bytes, length));
      this.#pushBytes += length;
      this.#services.turns.flushLater(this);
    }
    this.#services.chunks.give(chunk);
    this.#checkPushes();
  }

  /** Of one turn no more is kept than a connection might leave untaken. */
  #checkPushes(): void {
    const { settings, stats } = this.#services.state;
    const { hardBytes } = settings.outputLimits[this.session.type];
    if (hardBytes === 0 || this.#pushBytes <= hardBytes) return;
    stats.outputBufferDisconnections++;
    this.close(`pushes of ${this.#pushBytes} bytes are over the hard limit of ${hardBytes}`);
  }

  /** Hands out the pushes of a turn. */
  flush(): void {
    const pushes = this.#pushes;
    this.#pushes = [];
    this.#pushBytes = 0;
    const { onPush } = this.#options;
    if (onPush === undefined || this.#isClosed) return;
    for (const push of pushes) if (Array.isArray(push)) this.#tell(() => onPush(push as readonly ReplyValue[]));
  }

  get outputBytes(): number {
    return this.reply.length + this.#pushBytes;
  }

  get queryBytes(): number {
    return this.#waitingBytes;
  }

  readonly queryFreeBytes: number = 0;

  // ── the end ──

  closeAfterReply(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    // one that runs is answered first
    this.#services.turns.continueLater(this);
  }

  /** Ends at once; requests without a reply are rejected. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosing = true;
    this.#isClosed = true;
    const { log, paused, state, turns } = this.#services;
    this.#wait.clear();
    state.leave(this.session);
    state.clients.close(this.session);
    paused.delete(this);
    turns.drop(this);
    this.#closed();
    const running = this.#running;
    this.#running = null;
    if (running !== null) {
      const error = new CausewayError('UNCERTAIN', `${reason}; what was asked for may still happen`);
      this.#settle(running, { error });
    }
    for (const call of this.#waiting) this.#settle(call, { error: new CausewayError('ERR', reason) });
    this.#waiting.clear();
    log.debug('client disconnected', { client: this.session.id, address: this.address, reason });
    const { onClose } = this.#options;
    if (onClose !== undefined) this.#tell(() => onClose(reason));
  }
}
