import { LmdbQuorumStore } from '../adapters/lmdb-quorum-store.ts';
import { LmdbStore } from '../adapters/lmdb-store.ts';
import type { Log } from '../adapters/pino-log.ts';
import { systemClock, threadCpuMs } from '../adapters/system-clock.ts';
import type { PeerSecret } from '../adapters/peer-secret.ts';
import { SystemEntropy } from '../adapters/system-entropy.ts';
import { WsTransport, type DialTarget } from '../adapters/ws-transport.ts';
import { STAMP_EPOCH_MS } from '../clock/stamp.ts';
import { CausewayError, toCausewayError } from '../errors.ts';
import { RegionNode } from '../node/region-node.ts';
import type { Entropy, LinkKind, QuorumStore, Store } from '../ports.ts';
import { peerCodec } from '../wire/peer-codec.ts';
import { requirePeerSecret } from './doors.ts';
import { NodeDriver } from './driver.ts';
import { DriverLog } from './driver-log.ts';
import type { NodeConfig } from './node-config.ts';
import { loadClasses, type LoadedClasses } from './loaded-classes.ts';
import type { Sources } from './sources.ts';
import { limitsOf } from './server-limits.ts';
import { membersAgree, strongOptions } from './strong-groups.ts';
import type { PeerAddress } from './server-types.ts';
import { dials } from './topology.ts';

/** What a node keeps over a restart; null without a data folder. */
interface Stores {
  readonly store: Store | null;
  readonly quorumStore: LmdbQuorumStore | null;
}

const START_ID_BYTES = 16;
const MS_PER_SECOND = 1000;
/** Different failures of resolvers that are logged; all are counted. */
const FAILURES_SAID_MAX = 100;

export interface PeerServerOptions {
  readonly log: Log;
  /** A turn is over: peers may have acknowledged what somebody waits for. */
  readonly turnEnded: () => void;
  /** The node cannot go on. Called at most once. */
  readonly failed: (error: CausewayError) => void;
}

/** A node with its store and its peers, and without clients: what the server and an embedded node have in common. */
export class PeerServer {
  readonly node: RegionNode;
  readonly driver: NodeDriver;
  readonly entropy: SystemEntropy = new SystemEntropy();
  readonly #config: NodeConfig;
  readonly #log: Log;
  readonly #store: Store | null;
  readonly #quorumStore: QuorumStore | null;
  readonly #loaded: LoadedClasses;
  readonly #transport: WsTransport;
  /** By node id. */
  readonly #urls: Map<string, string>;
  /** Nodes whose dials fail, so that this is said once and not at each. */
  readonly #unreachable: Set<number> = new Set();
  /** Unix milliseconds from which this incarnation is this start's alone. */
  readonly #ownFromMs: number;

  /** Opens the store and puts in what it holds. Throws STORE or CONFIG. */
  static async open(config: NodeConfig, options: PeerServerOptions): Promise<PeerServer> {
    requirePeerSecret(config);
    const classes = await loadClasses(config);
    const store = openStore(config, classes);
    let quorumStore: LmdbQuorumStore | null = null;
    try {
      const hasGroups = (config.groups ?? []).length > 0 || membersAgree(config);
      if (config.dataDir !== null && store !== null && hasGroups)
        quorumStore = new LmdbQuorumStore(config.dataDir, store, { isDiskBusy: () => store.isWritingMuch });
      return new PeerServer(config, { store, quorumStore }, classes, options);
    } catch (error) {
      classes.close();
      await closeStore(quorumStore);
      await closeStore(store);
      throw restoreError(error, config.dataDir);
    }
  }

  private constructor(config: NodeConfig, stores: Stores, loaded: LoadedClasses, options: PeerServerOptions) {
    const { store, quorumStore } = stores;
    const limits = limitsOf(config.limits);
    this.#config = config;
    this.#log = options.log;
    this.#store = store;
    this.#quorumStore = quorumStore;
    this.#urls = new Map(config.members.flatMap(({ id, url }) => (url === null ? [] : [[id, url] as const])));
    const image = store?.load() ?? null;
    const second = Math.max(1, Math.floor((systemClock.wallMs() - STAMP_EPOCH_MS) / MS_PER_SECOND));
    // Above every one before, and at least the seconds since 2020, so that an empty or restored disk reuses none.
    const incarnation = store === null ? second : store.nextIncarnation(second);
    // Whoever starts with an empty disk, or with none, must not share its second with another start: that may be as
    // forgetful, and would take the same incarnation.
    const isForgetful = incarnation === second && (image === null || image.meta === null);
    this.#ownFromMs = isForgetful ? STAMP_EPOCH_MS + (second + 1) * MS_PER_SECOND : 0;
    const { classes } = loaded;
    this.#loaded = loaded;
    const said = new Set<string>();
    classes.resolutions.listen((keyClass, resolver, { message }) => {
      const line = JSON.stringify([keyClass, resolver, message]);
      if (said.has(line) || said.size >= FAILURES_SAID_MAX) return;
      said.add(line);
      options.log.warn('a resolver failed, its keys show the latest write', {
        class: keyClass,
        resolver,
        reason: message,
      });
    });
    // without a disk every life is the first on its own
    const votes = {
      votesSince: store === null || quorumStore === null ? incarnation : store.votesSince(),
      settleVotes: () => store?.settleVotes(),
    };
    const strong = strongOptions(config, quorumStore, votes, this.entropy, systemClock);
    this.node = new RegionNode({
      identity: {
        clusterId: config.clusterId,
        nodeId: config.nodeId,
        region: config.region,
        nodeNumber: config.nodeNumber,
        incarnation,
        startId: Buffer.from(this.entropy.bytes(START_ID_BYTES)).toString('hex'),
        rules: classes.rulesDigest,
      },
      members: [{ nodeNumber: config.nodeNumber, id: config.nodeId, region: config.region }, ...config.members],
      limits: limits.replication,
      codec: peerCodec,
      stampBound: image?.stampBound ?? 0,
      raiseStampBound: (stampBound) => this.#raiseStampBound(stampBound),
      hasStore: store !== null,
      ...(store === null ? {} : { readStored: (key: Uint8Array) => store.read(key) }),
      hashKey: hashKey(this.entropy),
      classes,
      ...(strong === undefined ? {} : { strong }),
    });
    this.driver = new NodeDriver({
      node: this.node,
      store,
      quorumStore,
      clock: systemClock,
      cpuMs: threadCpuMs,
      log: options.log,
      proved: (link) => this.#transport.proved(link),
      turnEnded: options.turnEnded,
      failed: options.failed,
    });
    this.node.memory.limit.bytes = limits.memoryBytesMax;
    if (image !== null) this.node.restore(image);
    const strangers = new DriverLog(options.log, systemClock);
    this.#transport = new WsTransport(
      {
        ...config.peer,
        entropy: this.entropy,
        secret: secretOf(config),
        limits: limits.transport,
        readShare: () => this.driver.share,
        refused: (kind, reason) => strangers.refused({ id: 0, kind }, reason),
        dialFailed: (nodeNumber, kind, reason) => this.#dialFailed(nodeNumber, kind, reason),
      },
      {
        opened: (connection) => {
          if (connection.dialledNode !== null) this.#unreachable.delete(connection.dialledNode);
          this.driver.opened(connection);
        },
        frame: (connection, frame) => this.driver.frame(connection, frame),
        closed: (connection, reason) => this.driver.closed(connection, reason),
      },
    );
  }

  /** Listens for peers, dials them and lets time begin. Returns the port. Throws PORTBUSY or CONFIG. */
  async start(): Promise<number> {
    const waitMs = this.#ownFromMs - systemClock.wallMs();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const port = await this.#transport.listen();
    this.driver.start();
    this.#dial();
    return port;
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const known = new Set(this.#config.members.map((member) => member.id));
    for (const { id, url } of peers) if (known.has(id)) this.#urls.set(id, url);
    this.#dial();
  }

  /** Where values come from that are not here. */
  get sources(): Sources {
    return this.#loaded.sources;
  }

  /** Gives the peers what they lack, within the time; then nobody is heard any more and the store is closed. */
  async close(drainMs: number): Promise<void> {
    await this.driver.drain(drainMs);
    await this.#transport.close(`${this.#config.nodeId} is stopping`);
    await this.driver.stop();
    await closeStore(this.#quorumStore);
    await closeStore(this.#store);
    this.#loaded.close();
  }

  #dial(): void {
    const targets: DialTarget[] = [];
    for (const member of this.#config.members) {
      const url = this.#urls.get(member.id);
      if (url !== undefined && dials(this.#config, member)) targets.push({ nodeNumber: member.nodeNumber, url });
    }
    this.#transport.setTargets(targets);
  }

  #dialFailed(nodeNumber: number, kind: LinkKind, reason: string): void {
    const peer = this.node.names(nodeNumber) ?? String(nodeNumber);
    if (this.#unreachable.has(nodeNumber)) return this.#log.debug('peer not reached', { peer, kind, reason });
    this.#unreachable.add(nodeNumber);
    this.#log.warn('peer not reached, dialling on', { peer, kind, reason });
  }

  #raiseStampBound(stampBound: number): void {
    try {
      this.#store?.raiseStampBound(stampBound);
    } catch (error) {
      this.driver.fail(error);
      throw error;
    }
  }
}

/** For the index of the keyspace: keys cannot be chosen so that they fall together. */
function hashKey(entropy: Entropy): readonly [number, number] {
  const drawn = new DataView(entropy.bytes(8).buffer);
  return [drawn.getUint32(0), drawn.getUint32(4)];
}

function openStore({ dataDir }: NodeConfig, classes: LoadedClasses): LmdbStore | null {
  try {
    return dataDir === null ? null : new LmdbStore(dataDir);
  } catch (error) {
    classes.close();
    throw error;
  }
}

function secretOf({ clusterId, nodeNumber, doors }: NodeConfig): PeerSecret | null {
  return doors.peerSecret === null ? null : { secret: doors.peerSecret, clusterId, nodeNumber };
}

function closeStore(store: Pick<Store, 'close'> | null): Promise<void> {
  return new Promise((resolve) => (store === null ? resolve() : store.close(resolve)));
}

function restoreError(error: unknown, dataDir: string | null): CausewayError {
  const cause = toCausewayError(error);
  if (cause.code === 'STORE' || cause.code === 'CONFIG') return cause;
  return new CausewayError(
    'STORE',
    `what ${dataDir ?? 'the store'} holds cannot be read: ${cause.message}; ` +
      'move the folder away and start again, the node is then filled from its peers',
    { cause: error },
  );
}
