import type { FastifyHttp } from '../adapters/fastify-http.ts';
import { classFigures } from '../commands/class-figures.ts';
import { useNodeLatin1 } from '../adapters/node-latin1.ts';
import { createLog, type Log } from '../adapters/pino-log.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { CausewayError } from '../errors.ts';
import { isLoopback } from './address.ts';
import { Compensations } from './compensations.ts';
import { Consistency } from './consistency.ts';
import { doorParameters } from './doors.ts';
import { createApi } from './http-api.ts';
import { HttpFigures } from './http-figures.ts';
import { createHttp } from './http.ts';
import { LocalReader } from './local-reader.ts';
import type { LocalSessionOptions } from './in-process-session.ts';
import type { LocalSession } from './local-session.ts';
import type { NodeConfig } from './node-config.ts';
import { PeerServer } from './peer-server.ts';
import { RegionalRedis } from './regional-redis.ts';
import { RespServer } from './resp-server.ts';
import { SourceStores } from './source-stores.ts';
import { useSources } from './sources.ts';
import { processFacts } from './server-facts.ts';
import { limitsOf } from './server-limits.ts';
import { StartsAgain } from './starts-again.ts';
import { WarmUp } from './warm-up.ts';
import type {
  NodeStats,
  PeerAddress,
  RunningServer,
  ServerPorts,
  StartServer,
  StartServerOptions,
} from './server-types.ts';

/** How often a starting node looks whether it is ready. */
const READY_LOOK_MS = 25;
/** A node that was removed may have joined again, which its peers tell it: it is not called removed before they had this time. */
const TOLD_WITHIN_MS = 2_000;
/** A disk that is further behind is told: it does not fail, and a kill would take as much. */
const UNSAVED_MS_MAX = 5_000;
/** A stop takes at most the sum of these, and the second that connections have to end. */
const STORE_MS_MAX = 3_000;
const DRAIN_MS_MAX = 1_500;
const LAST_WRITES_MS_MAX = 2_000;

/** Starts a node with all that is around it. See `StartServer`. */
export const startServer: StartServer = async (config, options = {}) => {
  useNodeLatin1();
  const log = createLog({ ...config.log, fields: { node: config.nodeId } });
  const server = await NodeServer.open(config, log, options);
  try {
    await server.listen();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
};

/** One node that listens: for clients, for operators and for its peers. */
class NodeServer implements RunningServer {
  readonly ready: Promise<void>;
  readonly #config: NodeConfig;
  readonly #log: Log;
  readonly #options: StartServerOptions;
  readonly #peers: PeerServer;
  readonly #resp: RespServer;
  readonly #http: FastifyHttp;
  readonly #reader: LocalReader;
  readonly #redis: RegionalRedis | null;
  readonly #consistency: Consistency | null;
  readonly #warm: WarmUp | null;
  readonly #compensations: Compensations;
  readonly #stores: SourceStores;
  #ports: ServerPorts = { resp: 0, http: 0, peer: 0 };
  #failure: CausewayError | null = null;
  #closing: Promise<void> | null = null;
  #readyTimer: NodeJS.Timeout | null = null;
  #lookFromMs = 0;
  #isRemovalSaid = false;
  #settleReady: (error: CausewayError | null) => void = () => undefined;

  private constructor(config: NodeConfig, log: Log, options: StartServerOptions, peers: PeerServer) {
    this.#config = config;
    this.#log = log;
    this.#options = options;
    this.#peers = peers;
    const { node, driver, entropy, sources } = peers;
    this.#reader = new LocalReader(node, systemClock);
    this.#compensations = new Compensations({
      node,
      clock: systemClock,
      log,
      touched: () => driver.touch(),
      tellModule: (rule, id, body) => sources.tellHook(rule, id, body),
    });
    this.#resp = new RespServer({
      engine: node,
      clock: systemClock,
      entropy,
      log,
      facts: processFacts(entropy, {
        // As an operator would: whoever runs this process knows what a stop takes.
        shutdown: () => process.kill(process.pid, 'SIGTERM'),
        reportInternal: (error, command) => log.error('a command met an error of ours', { command, error }),
      }),
      parameters: { ...limitsOf(config.limits).parameters, ...doorParameters(config.doors) },
      touched: () => driver.touch(),
      failed: (error) => driver.fail(error),
    });
    useSources(sources, {
      state: this.#resp.state,
      entropy,
      touched: () => driver.touch(),
      guarded: (work) => this.#resp.guarded(work),
    });
    this.#stores = new SourceStores({
      sources,
      state: this.#resp.state,
      entropy,
      log,
      touched: () => driver.touch(),
      guarded: (work) => this.#resp.guarded(work),
    });
    this.#redis = this.#openRedis();
    this.#consistency = this.#openConsistency();
    this.#warm = this.#openWarmUp();
    const httpFigures = new HttpFigures();
    this.#http = createHttp(config.http, {
      nodeId: config.nodeId,
      unreadyReasons: () => this.#unreadyReasons(),
      degradedReasons: () => this.#degradedReasons(),
      metrics: () => ({
        node: node.telemetry(systemClock.wallMs()),
        isReady: this.#unreadyReasons().length === 0,
        compensations: this.#compensations.figures,
        http: httpFigures,
        openBreakers: sources.openBreakers,
        resp: this.#resp.state,
        classes: classFigures(this.#resp.state),
        ...(this.#redis === null ? {} : { redis: this.#redis.figures() }),
      }),
      isProtected: () => this.#resp.state.isProtected,
      api: createApi(
        {
          openSession: (asked) => this.#resp.openSession(asked),
          get policy() {
            return node.classes.policy;
          },
        },
        this.#resp.state,
        httpFigures,
      ),
    });
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => (error === null ? resolve() : reject(error));
    });
    // Whoever does not wait for it is not told by way of an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  static async open(config: NodeConfig, log: Log, options: StartServerOptions): Promise<NodeServer> {
    let server: NodeServer | null = null;
    const peers = await PeerServer.open(config, {
      log,
      turnEnded: () => {
        if (server === null) return;
        server.#stores.turnEnded();
        server.#resp.progress();
        server.#compensations.turnEnded();
        if (peers.node.membership.mustStartAgain) peers.driver.fail(new StartsAgain(config.nodeId));
      },
      failed: (error) => {
        if (server !== null) server.#failed(error);
      },
    });
    server = new NodeServer(config, log, options, peers);
    return server;
  }

  get ports(): ServerPorts {
    return this.#ports;
  }

  async listen(): Promise<void> {
    const { resp } = this.#config;
    this.#ports = {
      http: await this.#http.listen(),
      resp: await this.#resp.listen(resp.host, resp.port),
      peer: await this.#peers.start(),
    };
    this.#log.info('listening', { ...this.#ports });
    if (this.#resp.state.isProtected && !isLoopback(resp.host)) {
      this.#log.warn('protected mode: without a password only clients of this machine are served', { host: resp.host });
    }
    this.#redis?.start();
    this.#lookFromMs = systemClock.monotonicMs();
    this.#readyTimer = setInterval(() => this.#lookWhetherReady(), READY_LOOK_MS);
    this.#lookWhetherReady();
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers.setPeers(peers);
  }

  stats(): NodeStats {
    const lagMs: Record<string, number | null> = {};
    const { node } = this.#peers;
    const nowMs = systemClock.wallMs();
    for (const peer of node.peers(nowMs)) {
      if (peer.region === this.#config.region) continue;
      // The furthest behind of a region's nodes stands for it; one that is not known makes it unknown.
      const known = Object.hasOwn(lagMs, peer.region) ? (lagMs[peer.region] ?? null) : 0;
      lagMs[peer.region] = known === null || peer.lagMs === null ? null : Math.max(known, peer.lagMs);
    }
    const groups = node.strong.groups().map(({ name, leader, term }) => ({ name, leader, term }));
    return { opsPerSecond: this.#resp.opsPerSecond, keys: node.keys.count, lagMs, groups };
  }

  get(key: string): string | null {
    return this.#reader.get(key);
  }

  openSession(options: LocalSessionOptions): LocalSession {
    return this.#resp.openSession(options);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#endReadyLook(new CausewayError('ERR', `${this.#config.nodeId} is stopping`));
    this.#consistency?.close();
    this.#warm?.close();
    await this.#resp.close();
    await this.#stores.close(STORE_MS_MAX);
    await this.#redis?.close();
    this.#compensations.close();
    const written = this.#peers.close(DRAIN_MS_MAX);
    let late: NodeJS.Timeout | undefined;
    const giveUp = new Promise<'late'>((resolve) => {
      late = setTimeout(() => resolve('late'), DRAIN_MS_MAX + LAST_WRITES_MS_MAX);
    });
    if ((await Promise.race([written, giveUp])) === 'late') {
      this.#log.error('the last writes did not reach the disk in time; the peers have them, or nobody');
    }
    clearTimeout(late);
    await this.#http.close();
    this.#log.info('stopped');
  }

  #openRedis(): RegionalRedis | null {
    const { redis, limits } = this.#config;
    if (redis === undefined) return null;
    const { node } = this.#peers;
    const { mirror } = limitsOf(limits);
    const opened = new RegionalRedis({
      config: redis,
      node,
      limits: mirror,
      clock: systemClock,
      log: this.#log,
      progressed: () => this.#resp.progress(),
      touched: () => this.#peers.driver.touch(),
      fetching: this.#resp.state.fetching,
      guarded: (work) => this.#resp.guarded(work),
    });
    this.#resp.state.regional = opened;
    return opened;
  }

  #openConsistency(): Consistency | null {
    const { monitor } = limitsOf(this.#config.limits);
    if (monitor.monitorKeysPerSecond === 0) return null;
    return new Consistency({
      state: this.#resp.state,
      node: this.#peers.node,
      limits: monitor,
      log: this.#log,
      redis: this.#redis,
      touched: () => this.#peers.driver.touch(),
      guarded: (work) => this.#resp.guarded(work),
    });
  }

  #openWarmUp(): WarmUp | null {
    const { warm, dataDir } = this.#config;
    if (warm === undefined) return null;
    const { node } = this.#peers;
    const openSession = (options: LocalSessionOptions): LocalSession => this.#resp.openSession(options);
    return new WarmUp({ config: warm, dataDir, engine: node, clock: systemClock, log: this.#log, openSession });
  }

  #degradedReasons(): string[] {
    const { node } = this.#peers;
    const unsavedMs = node.unsavedMs(systemClock.monotonicMs()) ?? 0;
    return [
      ...node.degradedReasons(systemClock.wallMs()),
      ...(unsavedMs > UNSAVED_MS_MAX
        ? [`the disk is behind: of the last ${Math.round(unsavedMs)} ms not all is on it`]
        : []),
      ...(this.#redis?.degradedReasons() ?? []),
    ];
  }

  #unreadyReasons(): string[] {
    if (this.#failure !== null) return [`failed: ${this.#failure.message}`];
    if (this.#closing !== null) return ['stopping'];
    const reasons = this.#peers.node.unreadyReasons(systemClock.wallMs());
    return [...reasons, ...(this.#redis?.unreadyReasons() ?? []), ...(this.#warm?.unreadyReasons() ?? [])];
  }

  #lookWhetherReady(): void {
    this.#warm?.look();
    if (this.#unreadyReasons().length > 0) return this.#lookWhetherRemoved();
    this.#log.info('ready');
    for (const reason of this.#degradedReasons()) this.#log.warn('degraded', { reason });
    this.#compensations.start();
    this.#stores.start();
    this.#endReadyLook(null);
  }

  /** Says once that this node was removed: until it joins it will not be ready. */
  #lookWhetherRemoved(): void {
    const removed = this.#peers.node.membership.ownRefusal;
    const isEarly = systemClock.monotonicMs() - this.#lookFromMs < TOLD_WITHIN_MS;
    if (this.#isRemovalSaid || removed === null || isEarly) return;
    this.#isRemovalSaid = true;
    this.#log.warn('not a member', { reason: removed.message });
    this.#options.onRemoved?.(removed);
  }

  #endReadyLook(error: CausewayError | null): void {
    if (this.#readyTimer !== null) clearInterval(this.#readyTimer);
    this.#readyTimer = null;
    this.#settleReady(error);
  }

  /** The node cannot go on, and must not: not even to serve what it has. */
  #failed(error: CausewayError): void {
    this.#failure = error;
    if (error instanceof StartsAgain) this.#log.warn(error.message);
    else this.#log.fatal('the node cannot go on', { code: error.code, error });
    this.#endReadyLook(error);
    // The disk does not have what was written last, and peers perhaps not: a reply that has not left would promise it.
    void this.#resp.close(error instanceof StartsAgain);
    const { onFatal } = this.#options;
    if (onFatal !== undefined) return onFatal(error);
    // Nobody takes care of it, so it ends the process, with its message and exit code 1.
    setImmediate(() => {
      throw error;
    });
  }
}
