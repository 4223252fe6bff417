import { parseVersion } from '../clock/key-version.ts';
import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import { Connection, unavailable, type ConnectionOwner, type Exchange } from './connection.ts';
import { helloOf, type Candidate, type ClientSettings } from './client-options.ts';
import type { NearCache } from './near-cache.ts';
import { errorOf, listOf, pairsOf, textOf, tooLong, type Reply } from './replies.ts';
import { requestBytes } from './request-bytes.ts';
import type { Request } from './request.ts';
import type { SessionTokens } from './session-tokens.ts';
import { StrongPatterns } from './strong-patterns.ts';
import { WaitingLanes } from './waiting-lanes.ts';

const BULK = 'proto-max-bulk-len';
const TOKEN: Uint8Array = requestBytes(['CW.TOKEN']);

/** What a link needs of its client. */
export interface LinkContext {
  readonly settings: ClientSettings;
  readonly near: NearCache | null;
  readonly tokens: SessionTokens;
  /** The node is no longer there for this client. Called once, before the requests of the link are told. */
  closed(link: NodeLink, error: CausewayError): void;
}

/**
 * One node: a connection for requests that are answered at once, and lanes for those that may wait. The requests of a turn share one CW.TOKEN that leaves
 * behind them, and their replies stand only when it is there: what a caller was told is always in a token.
 */
export class NodeLink implements ConnectionOwner {
  readonly candidate: Candidate;
  readonly #context: LinkContext;
  readonly lanes: WaitingLanes;
  #main: Connection | null = null;
  /** Whether sessions are carried; a plain Redis knows none. */
  #hasSessions = false;
  #hasVersions = false;
  #strong: StrongPatterns = StrongPatterns.NONE;
  /** Bytes of an argument that the node takes, as it said when it was connected to. */
  bulkBytesMax: number = Infinity;
  /** Whether it is the link in use: its pushes are the near cache's. */
  isInUse = false;
  #needsToken = false;
  /** Requests of turns whose tokens are not there yet, with their replies. */
  readonly #unconfirmed: Request[] = [];
  #failure: CausewayError | null = null;

  private constructor(candidate: Candidate, context: LinkContext) {
    this.candidate = candidate;
    this.#context = context;
    this.lanes = new WaitingLanes(candidate, context, () => this.#hasSessions);
  }

  /** Connected to a node that is ready. Throws Unavailable, or what the node refuses with. */
  static async open(candidate: Candidate, context: LinkContext, signal: AbortSignal): Promise<NodeLink> {
    const link = new NodeLink(candidate, context);
    const { settings } = context;
    const connection = await Connection.open(candidate.address, settings, link, signal);
    link.#main = connection;
    try {
      await within(settings.connectMs, connection.name, signal, link.#greet(connection));
      return link;
    } catch (error) {
      link.close(error instanceof CausewayError ? error : unavailable(String(error)));
      throw error;
    }
  }

  get name(): string {
    return this.#main?.name ?? '';
  }

  /** What is on its way on either kind of connection. */
  get pending(): number {
    return (this.#main?.pending ?? 0) + this.#unconfirmed.length + this.lanes.busy;
  }

  isStrong(keys: readonly string[]): boolean {
    return keys.some((key) => this.#strong.has(key));
  }

  /** Asks the node for what the session saw. True where it has it now; what is missing where it has not. */
  async attach(tokens: readonly string[], timeoutMs: number): Promise<true | string> {
    if (!this.#hasSessions || this.#main === null) return true;
    const main = this.#main;
    const replies = await Promise.all(tokens.map((token) => main.ask(['CW.ATTACH', token, 'TIMEOUT', timeoutMs])));
    const refusal = replies.find((reply) => reply instanceof ReplyError);
    if (refusal !== undefined) return refusal.text;
    this.#context.tokens.takenIn(tokens);
    return true;
  }

  send(request: Request): void {
    const { call } = request;
    if (this.#main === null) return request.lost(unavailable('not connected'), false);
    const refusal = request.bytes.length > this.bulkBytesMax ? tooLong(call.args, this.bulkBytesMax) : null;
    if (refusal !== null) return request.refused(refusal);
    const isStrong = this.isStrong(call.keys);
    if (isStrong) request.makeOnce();
    if (call.mayWait === true || isStrong) {
      this.lanes.send(request);
      return;
    }
    request.sent(this.isInUse, this.#hasVersions);
    request.answered = this.#answered;
    if (this.#isCarried(request)) this.#needsToken = true;
    this.#main.send(request);
  }

  push(items: readonly Reply[]): void {
    const { near } = this.#context;
    if (near === null || !this.isInUse || items[0] === undefined || textOf(items[0]) !== 'invalidate') return;
    const [, keys = null, versions = null] = items;
    if (keys === null) return near.invalidateAll();
    for (const [index, key] of listOf(keys).entries()) {
      const version = versions === null ? null : (listOf(versions)[index] ?? null);
      near.invalidate(textOf(key), version === null ? null : parseVersion(textOf(version)));
    }
  }

  flushing(): void {
    const main = this.#main;
    if (main === null || !this.#needsToken) return;
    this.#needsToken = false;
    // what lanes saw since comes into this connection's session with the next turn
    for (const token of this.#context.tokens.others) this.#takeIn(main, token);
    main.send(this.#tokenExchange);
  }

  closed(error: CausewayError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#context.closed(this, error);
    this.lanes.close(error);
    for (const request of this.#unconfirmed.splice(0)) request.unconfirmed(error);
  }

  /** Ends it at once; what has no reply is lost. */
  close(reason: CausewayError): void {
    if (this.#main === null) this.closed(reason);
    else this.#main.close(reason);
  }

  async #greet(main: Connection): Promise<void> {
    const { near, settings } = this.#context;
    const [hello, ping, classes, bulk, tracking, versions] = await Promise.all([
      main.ask(helloOf(settings)),
      // refused while the node is not ready
      main.ask(['PING']),
      main.ask(['CW.CLASSES']),
      main.ask(['CONFIG', 'GET', BULK]),
      near === null ? Promise.resolve<Reply>(null) : main.ask(['CLIENT', 'TRACKING', 'ON']),
      near === null ? Promise.resolve<Reply>(null) : main.ask(['CW.TRACKING', 'VERSIONS', 'ON']),
    ]);
    for (const reply of [hello, ping, tracking]) if (reply instanceof ReplyError) throw errorOf(reply);
    // who may not ask is not told before it is too much
    const [[, bytes] = []] = bulk instanceof ReplyError ? [] : pairsOf(bulk);
    if (bytes !== undefined) this.bulkBytesMax = Number(textOf(bytes));
    if (classes instanceof ReplyError) return;
    this.#hasVersions = !(versions instanceof ReplyError);
    this.#hasSessions = settings.session !== 'none';
    this.#strong = StrongPatterns.of(classes);
  }

  /** Whether a move to another node must not lose what the request read or wrote. */
  #isCarried({ call }: Request): boolean {
    const isRead = call.kind === 'read' && this.#context.settings.session !== 'all';
    return this.#hasSessions && call.isKeyless !== true && !isRead;
  }

  #takeIn(main: Connection, token: string): void {
    const { tokens, settings } = this.#context;
    const exchange: Exchange = {
      bytes: requestBytes(['CW.ATTACH', token, 'TIMEOUT', settings.attachMs]),
      // where the node is behind it is asked again with the next turn
      done: (reply) => reply instanceof ReplyError || tokens.takenIn([token]),
      lost: () => undefined,
    };
    main.send(exchange);
  }

  readonly #answered = (request: Request): void => {
    if (this.#isCarried(request)) this.#unconfirmed.push(request);
    else request.settle();
  };

  readonly #tokenExchange: Exchange = {
    bytes: TOKEN,
    done: (reply) => {
      // one that has none for us asks for nothing elsewhere
      if (!(reply instanceof ReplyError)) this.#context.tokens.seen(textOf(reply));
      if (this.isInUse) this.#context.near?.confirmed();
      for (const request of this.#unconfirmed.splice(0)) request.settle();
    },
    lost: () => undefined,
  };
}

/** Rejects with UNAVAILABLE where the promise takes longer. */
async function within<T>(ms: number, name: string, signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable(`${name} was not ready within ${ms} ms`)), ms);
    abort = () => reject(unavailable(`${name} is no longer wanted`));
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    if (abort !== undefined) signal.removeEventListener('abort', abort);
    promise.catch(() => undefined);
  }
}
