import { createServer, type Server, type Socket } from 'node:net';
import { listen } from '../adapters/listen.ts';
import type { Log } from '../adapters/pino-log.ts';
import { sha256Digests } from '../adapters/sha256-digests.ts';
import { CommandIndex } from '../commands/command-index.ts';
import { Dispatcher } from '../commands/dispatch.ts';
import type { Engine } from '../commands/engine.ts';
import { type Pause, type ProcessFacts, ServerState } from '../commands/server-state.ts';
import { commandTable } from '../commands/table.ts';
import { CausewayError } from '../errors.ts';
import type { Clock, Entropy } from '../ports.ts';
import { OutputChunks } from '../wire/resp/output-chunks.ts';
import { RequestArgs } from '../wire/resp/request-args.ts';
import { RequestsAhead } from '../wire/resp/requests-ahead.ts';
import { isLoopback } from './address.ts';
import { KeysAhead } from './keys-ahead.ts';
import type { LocalSessionOptions } from './in-process-session.ts';
import { LocalSession } from './local-session.ts';
import { PROTECTED_MODE_REPLY } from './protected-mode.ts';
import { RespConnection } from './resp-connection.ts';
import type { RespServices } from './resp-services.ts';
import { adoptSocket, SharedReadBuffer, type AdoptSocket } from './resp-socket.ts';
import { RespTurns } from './resp-turns.ts';

export interface RespServerOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  /** What INFO says of the process, and what SHUTDOWN does. */
  readonly facts: ProcessFacts;
  /** Values of CONFIG that differ from the defaults. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Requests were run for which the node is to be flushed: called once a readable event. */
  readonly touched: () => void;
  /** How accepted sockets are read; by what this Node allows where it is not said. */
  readonly adopt?: AdoptSocket;
  /** A broken invariant of ours: the node is to stop. */
  readonly failed: (error: unknown) => void;
}

/** How often idle clients, soft limits and the rate are looked at. */
const SWEEP_MS = 1000;

/** Serves RESP on one port: accepts, limits and sweeps connections; what they ask runs on the engine. */
export class RespServer {
  /** What the server knows; read by metrics and HTTP. */
  readonly state: ServerState;
  readonly #services: RespServices;
  readonly #log: Log;
  readonly #adopt: AdoptSocket;
  readonly #server: Server;
  readonly #locals: Set<LocalSession> = new Set();
  #sweepTimer: NodeJS.Timeout | null = null;
  #pauseTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: RespServerOptions) {
    const { clock, engine, entropy, facts, log } = options;
    this.#log = log;
    this.#adopt = options.adopt ?? adoptSocket;
    this.state = new ServerState({
      commands: new CommandIndex(commandTable),
      engine,
      time: clock,
      facts,
      digests: sha256Digests,
    });
    for (const [name, value] of Object.entries(options.parameters ?? {})) this.state.parameters.preset(name, value);
    this.state.authentication.onGuessing = (network) => {
      log.warn('many wrong passwords, refused unheard for a while', { network });
    };
    this.state.onPauseChanged = (pause) => this.#pauseChanged(pause);
    this.#services = {
      state: this.state,
      dispatcher: new Dispatcher(this.state, () => entropy.unit()),
      args: new RequestArgs(),
      ahead: new RequestsAhead(new KeysAhead(engine.keys)),
      behind: { scan: new RequestsAhead(), args: new RequestArgs() },
      chunks: new OutputChunks(),
      readBuffer: new SharedReadBuffer(),
      turns: new RespTurns(options.failed),
      connections: new Set(),
      paused: new Set(),
      log,
      touched: options.touched,
    };
    this.#server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Listens; port 0 takes a free one. Returns the port. Throws PORTBUSY, CONFIG. */
  async listen(host: string, port: number): Promise<number> {
    const bound = await listen(this.#server, host, port, 'RESP');
    this.state.parameters.preset('bind', host);
    this.state.parameters.preset('port', String(bound));
    this.#sweepTimer = setInterval(() => this.#services.turns.guarded(() => this.#sweep()), SWEEP_MS);
    this.#sweepTimer.unref();
    return bound;
  }

  /**
   * A turn of the node is over: acknowledgements of other regions may have come in, and those who wait for them are answered, with all
   * whose wait ended in this turn. It is before what the turn sends to peers leaves, so that a client never waits for that.
   */
  progress(): void {
    const { turns } = this.#services;
    const { clients, feed, leases, tracking, waiting } = this.state;
    if (leases.isDue) {
      leases.flush();
      this.#services.touched();
    }
    if (clients.blocked.size === 0 && !turns.isWaitedFor && !tracking.isDue && !feed.isDue) return;
    turns.run(() => {
      waiting.progress();
      if (tracking.isDue) tracking.flush();
      if (feed.isDue) feed.flush();
    });
  }

  /** A client without a socket. Throws LIMIT where there are as many clients as there may be, or the node stops. */
  openSession(options: LocalSessionOptions): LocalSession {
    const { settings, stats, clients } = this.state;
    if (this.#isClosed) throw new CausewayError('UNAVAILABLE', 'the node stops', { retry: 'later' });
    if (clients.count >= settings.clientsMax) {
      stats.connectionsRejected++;
      throw new CausewayError('LIMIT', `max number of clients reached (limit maxclients ${settings.clientsMax})`);
    }
    const session = new LocalSession(this.#services, options, () => this.#locals.delete(session));
    this.#locals.add(session);
    return session;
  }

  /** Does work that nobody asked for as a turn, so that those who wait for it are answered. */
  guarded(work: () => void): void {
    this.#services.turns.guarded(work);
  }

  /** Commands a second, between the last two sweeps. */
  get opsPerSecond(): number {
    return this.state.stats.opsPerSecond;
  }

  /** Takes no more connections and cuts off those there are, after sending what was replied where the node can stand by it. */
  async close(mayReply = true): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#sweepTimer !== null) clearInterval(this.#sweepTimer);
    if (this.#pauseTimer !== null) clearTimeout(this.#pauseTimer);
    for (const connection of [...this.#services.connections]) {
      if (mayReply) connection.flush();
      connection.close('the node stops');
    }
    for (const session of [...this.#locals]) session.close('the node stops');
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(accepted: Socket): void {
    const { state, readBuffer, connections, turns } = this.#services;
    state.stats.connectionsReceived++;
    if (state.clients.count >= state.settings.clientsMax || this.#isClosed) {
      state.stats.connectionsRejected++;
      this.#turnAway(accepted, '-ERR max number of clients reached\r\n');
      return;
    }
    if (state.isProtected && !isLoopback(accepted.remoteAddress)) {
      state.stats.connectionsRejected++;
      this.#turnAway(accepted, PROTECTED_MODE_REPLY);
      return;
    }
    let connection: RespConnection | null = null;
    const adopted = this.#adopt(accepted, readBuffer, (bytes) => {
      if (connection !== null) turns.received(connection, bytes);
    });
    if (adopted === null) return;
    const { socket } = adopted;
    const { tcpKeepaliveSeconds } = state.settings;
    socket.setNoDelay(true);
    if (tcpKeepaliveSeconds > 0) socket.setKeepAlive(true, tcpKeepaliveSeconds * 1000);
    connection = new RespConnection(this.#services, adopted);
    connections.add(connection);
    this.#log.debug('client connected', { client: connection.session.id, address: connection.address });
    socket.read(0);
    socket.resume();
  }

  #turnAway(accepted: Socket, reply: string): void {
    accepted.on('error', () => undefined);
    accepted.end(reply, () => accepted.destroy());
  }

  #sweep(): void {
    const { connections, args } = this.#services;
    const { settings, stats, time } = this.state;
    stats.sampleRate(time.monotonicMs());
    args.release();
    const unauthenticatedBeforeMs = time.monotonicMs() - settings.unauthenticatedMsMax;
    const idleBeforeMs = settings.timeoutSeconds > 0 ? time.wallMs() - settings.timeoutSeconds * 1000 : -Infinity;
    for (const connection of [...connections]) {
      connection.checkOutput();
      const { session } = connection;
      if (!session.authenticated && session.unauthenticatedSinceMs < unauthenticatedBeforeMs) {
        connection.close('did not authenticate in time');
        continue;
      }
      const waits = session.blocked !== null || session.subscribed || session.monitoring;
      if (!waits && session.lastActiveAtMs < idleBeforeMs) connection.close('idle for longer than timeout');
    }
  }

  #pauseChanged(pause: Pause | null): void {
    if (this.#pauseTimer !== null) clearTimeout(this.#pauseTimer);
    this.#pauseTimer = null;
    if (pause !== null) {
      const leftMs = Math.max(0, pause.untilMs - this.state.time.monotonicMs());
      this.#pauseTimer = setTimeout(
        () => this.#services.turns.guarded(() => this.#pauseIsOver()),
        Math.min(leftMs, 2 ** 31 - 1),
      );
      return;
    }
    const { paused, turns } = this.#services;
    for (const connection of paused) turns.continueLater(connection);
    paused.clear();
  }

  #pauseIsOver(): void {
    const { pause } = this.state;
    // A timer may be early, and cannot be set for longer than 24 days.
    if (pause !== null && pause.untilMs > this.state.time.monotonicMs()) this.#pauseChanged(pause);
    else this.state.setPause(null);
  }
}
