import { CausewayError } from '../errors.ts';
import type { InProcessSession } from '../server/in-process-session.ts';
import type { RunningServer } from '../server/server-types.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import type { OpenFeed } from './change-watch.ts';
import type { ClientFigures } from './client-events.ts';
import { errorOf, textOf, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import { consistencyLost, type Call } from './request.ts';
import { StrongPatterns } from './strong-patterns.ts';
import type { OwnConnection, Transport } from './transport.ts';

export interface LocalTransportOptions {
  readonly deadlineMs: number;
  readonly queueEntriesMax: number;
  /** `us-east-1/a` */
  readonly nodeId: string;
  readonly region: string;
}

/**
 * A client's way to a node in its own process: sessions without sockets. Requests on strong keys, and others that may wait, have a session of their own while they run, as they have
 * a connection of their own elsewhere; what was seen goes between them by tokens.
 */
export class LocalTransport implements Transport {
  /** What lies in the node is as near. */
  readonly near: null = null;
  readonly #server: RunningServer;
  readonly #options: LocalTransportOptions;
  readonly #main: InProcessSession;
  readonly #strong: StrongPatterns;
  #requests = 0;
  #pending = 0;
  #closing: CausewayError | null = null;

  private constructor(
    server: RunningServer,
    options: LocalTransportOptions,
    main: InProcessSession,
    strong: StrongPatterns,
  ) {
    this.#server = server;
    this.#options = options;
    this.#main = main;
    this.#strong = strong;
  }

  /** To a node that is ready. Throws what the node refuses with. */
  static async open(server: RunningServer, options: LocalTransportOptions): Promise<LocalTransport> {
    const main = openSession(server, options);
    const classes = await main.call(['CW.CLASSES']);
    if (classes instanceof ReplyError) throw errorOf(classes);
    return new LocalTransport(server, options, main, StrongPatterns.of(classes));
  }

  get figures(): ClientFigures {
    const { nodeId: node, region } = this.#options;
    return {
      region,
      node,
      requests: this.#requests,
      retries: 0,
      connects: 1,
      pending: this.#pending,
      pendingBytes: 0,
      near: null,
    };
  }

  /** The text that a key shows, read where it lies. Throws as `RunningServer.get`; undefined for a strong key, which is asked for. */
  readText(key: string): string | null | undefined {
    if (this.#closing !== null) throw this.#closing;
    return this.#strong.has(key) ? undefined : this.#server.get(key);
  }

  async send(call: Call): Promise<Reply> {
    if (this.#closing !== null) throw this.#closing;
    if (this.#pending >= this.#options.queueEntriesMax)
      throw new CausewayError(
        'QueueFull',
        `too many requests wait (queue.entriesMax, ${this.#options.queueEntriesMax})`,
        {
          retry: 'later',
        },
      );
    this.#requests++;
    this.#pending++;
    try {
      const mayWait = call.mayWait === true || call.keys.some((key) => this.#strong.has(key));
      const reply = await this.#inTime(call, async (signal) =>
        mayWait ? this.#alone(async (session) => ask(session, call.args, signal)) : ask(this.#main, call.args, signal),
      );
      if (!(reply instanceof ReplyError)) return reply;
      const error = errorOf(reply);
      throw error.code === 'BEHIND' ? consistencyLost(error.message, error) : error;
    } finally {
      this.#pending--;
    }
  }

  async withOwn<T>(deadlineMs: number, run: (connection: OwnConnection) => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw this.#closing;
    return this.#inTime({ args: [], kind: 'read', keys: [], deadlineMs }, async (signal) =>
      this.#alone(async (session) =>
        run({
          ask: async (args) => ask(session, args, signal),
          // the node answers a longer one, and goes on
          bulkBytesMax: Infinity,
          isStrong: (keys) => keys.some((key) => this.#strong.has(key)),
        }),
      ),
    );
  }

  /** See `Transport`. What comes while it is paused is told as lost. */
  readonly openFeed: OpenFeed = async (prefixes, from, reader) => {
    if (this.#closing !== null) throw this.#closing;
    let isPaused = false;
    let hasLost = false;
    let isRead = true;
    const session = this.#server.openSession({
      address: 'local:client',
      name: 'causeway-cache',
      onPush: (push) => {
        if (isPaused) hasLost = true;
        else reader.told(push);
      },
      onClose: (reason) => isRead && reader.ended(new CausewayError('UNAVAILABLE', reason, { retry: 'later' })),
    });
    const words = prefixes.flatMap((prefix) => ['PREFIX', prefix]);
    const began = await session.call(['CW.FEED', ...words, ...(from === null ? [] : ['FROM', from])]);
    const close = (): void => {
      isRead = false;
      session.close('its feed is over');
    };
    if (began instanceof ReplyError) {
      close();
      throw errorOf(began);
    }
    return {
      position: textOf(began),
      pause: () => void (isPaused = true),
      resume: () => {
        isPaused = false;
        if (hasLost) reader.told(['cw.feed', 'lost']);
        hasLost = false;
      },
      close,
    };
  };

  startSession(): void {
    // one node has all that its clients saw
  }

  async close(): Promise<void> {
    this.#closing ??= new CausewayError('Closed', 'the client is closed');
    this.#main.close('the client is closed');
    await this.#server.close();
  }

  /** Runs with a session that has seen what the client has, and the client after it what that session has. */
  async #alone<T>(run: (session: InProcessSession) => Promise<T>): Promise<T> {
    const session = openSession(this.#server, this.#options);
    try {
      await pass(this.#main, session);
      const value = await run(session);
      await pass(session, this.#main);
      return value;
    } finally {
      session.close('its request is over');
    }
  }

  /** Ends with the deadline or the signal: of a write that was begun nobody knows then. */
  async #inTime<T>(call: Call, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { deadlineMs = this.#options.deadlineMs, signal } = call;
    signal?.throwIfAborted();
    const ending = new AbortController();
    const [command = ''] = call.args;
    let timer: NodeJS.Timeout | undefined;
    let abort: (() => void) | undefined;
    const ended = new Promise<never>((_resolve, reject) => {
      const end = (reason: unknown, why: string): void => {
        const error =
          call.kind === 'read'
            ? reason
            : new CausewayError('UNCERTAIN', `${String(command)} may have happened: ${why}`, { cause: reason });
        ending.abort(error);
        reject(error);
      };
      const late = new CausewayError('DeadlineExceeded', `no answer within ${deadlineMs} ms`, { retry: 'now' });
      timer = setTimeout(() => end(late, late.message), deadlineMs);
      abort = () => end(signal?.reason, 'it was given up');
      signal?.addEventListener('abort', abort, { once: true });
    });
    const running = run(ending.signal);
    running.catch(() => undefined);
    try {
      return await Promise.race([running, ended]);
    } finally {
      clearTimeout(timer);
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }
}

function openSession(server: RunningServer, { queueEntriesMax }: LocalTransportOptions): InProcessSession {
  return server.openSession({ address: 'local:client', name: 'causeway-cache', callsMax: queueEntriesMax });
}

async function pass(from: InProcessSession, to: InProcessSession): Promise<void> {
  const token = await from.call(['CW.TOKEN']);
  if (!(token instanceof ReplyError)) await to.call(['CW.ATTACH', textOf(token)]);
}

async function ask(session: InProcessSession, args: readonly Argument[], signal: AbortSignal): Promise<Reply> {
  const texts = args.map((arg) => (typeof arg === 'bigint' ? String(arg) : arg));
  return await session.call(texts, { signal });
}
